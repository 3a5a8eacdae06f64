"""The layouts for Foxglove use only names that the viewer knows: it is silent about any other."""

from types import SimpleNamespace
from typing import Any

import pytest

from lidar_vl_core.commands.viewers.viewer_files import foxglove_layout

# From github.com/lichtblick-suite/lichtblick 1.10.8, the open continuation of Foxglove Studio: RendererConfig and
# ImageModeConfig of ThreeDeeRender/IRenderer.ts, camera.ts, pointExtensionUtils.ts, colorMode.ts, Grids.ts, RawMessages/types.ts.
_POINTS = {"visible", "frameLocked", "pointSize", "pointShape", "decayTime", "colorMode", "flatColor", "colorField"}
_COLOR_MODES = {"flat", "gradient", "colormap", "rgb", "rgba", "rgba-fields"}
_CAMERA = {"distance", "perspective", "phi", "target", "targetOffset", "targetOrientation", "thetaOffset"} | {
    "fovy",
    "near",
    "far",
}
_GRID = {"visible", "frameLocked", "label", "instanceId", "layerId", "frameId", "size", "divisions", "lineWidth"} | {
    "color",
    "position",
    "rotation",
}
_PANELS = {
    "3D": {"cameraState", "followTf", "followMode", "scene", "topics", "layers", "transforms", "publish", "imageMode"},
    "Image": {"imageMode", "topics", "layers", "scene", "transforms"},
    "RawMessages": {"topicPath", "diffEnabled", "expansion", "fontSize"},
}


def _layout(cameras: int, labelled: bool = True) -> dict[str, Any]:
    views = [SimpleNamespace(image_topic=f"/{k}/image", info_topic=f"/{k}/camera_info") for k in range(cameras)]
    return foxglove_layout("/points", "/points/label_info", "velodyne", views, "/points/boxes", labelled)  # type: ignore[arg-type]


@pytest.mark.parametrize("labelled", [True, False])
def test_every_name_is_one_of_the_viewer(labelled: bool) -> None:
    layout = _layout(2, labelled)
    assert set(layout) == {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
    for name, panel in layout["configById"].items():
        assert set(panel) <= _PANELS[name.partition("!")[0]]
        assert set(panel.get("imageMode", {})) <= {"imageTopic", "calibrationTopic", "annotations", "synchronize"}
        for topic in panel.get("topics", {}).values():
            assert set(topic) <= _POINTS
            assert topic.get("colorMode", "flat") in _COLOR_MODES
    view = layout["configById"]["3D!cloud"]
    assert set(view["cameraState"]) == _CAMERA
    assert view["followMode"] in {"follow-pose", "follow-position", "follow-none"}
    assert set(view["layers"]["grid"]) <= _GRID
    assert set(view["scene"]) <= {"backgroundColor", "transforms"}
    assert set(view["scene"].get("transforms", {})) <= {"showLabel", "axisScale", "lineWidth"}


@pytest.mark.parametrize(
    ("cameras", "rows"), [(0, 0), (1, 1), (3, 3), (4, 2), (5, 3), (6, 3)]
)  # more than three would be too low one above the other
def test_images_stand_beside_the_cloud_in_rows_of_equal_height(cameras: int, rows: int) -> None:
    place, heights, left = _layout(cameras)["layout"]["second"], [], 100.0
    while isinstance(place, dict) and place["direction"] == "column":
        heights.append(left * place["splitPercentage"] / 100)
        left, place = left - heights[-1], place["second"]
    assert place == "RawMessages!classes"
    assert len(heights) == rows
    assert heights == pytest.approx([100 / (rows + 1)] * rows, rel=0.01)
