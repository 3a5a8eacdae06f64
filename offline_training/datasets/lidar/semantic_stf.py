"""SemanticSTF: streets in snow, fog and rain (scans of SeeingThroughFog with point labels), Velodyne HDL-64.

Folder: `train`, `val` and `test`, each with velodyne/*.bin (5 columns) and labels/*.label.
"""

from typing import Literal

from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.source_config import SplitSource
from offline_training.datasets.lidar.files.kitti_layout import KittiFormat

_FORMAT = KittiFormat(
    kind="semantic_stf",
    layout=Layout(
        (
            ("train/velodyne/*.bin", "5 x float32 a point; val and test alike"),
            ("train/labels/*.label", "uint32 a point"),
        )
    ),
    frame_id="velodyne",
    columns=5,  # x, y, z, intensity 0..255, and one that is not used
    full_intensity=255.0,
    root=lambda folder: folder,
)


class SemanticStfSource(SplitSource):
    """Scans of some parts, in SemanticKITTI's 19 classes, which are its own."""

    kind: Literal["semantic_stf"] = "semantic_stf"


SPEC = DataSetSpec(
    source=SemanticStfSource,
    what="SemanticSTF: streets in snow, fog and rain",
    layout=_FORMAT.layout,
    classes=("semantic_kitti19",),
    open=_FORMAT.open,
    splits={"train": ("train",), "val": ("val",), "test": ("test",)},
    counts=_FORMAT.counts,
)
