"""Labelled clouds in Rerun's viewer, where it is installed."""

from importlib import import_module
from typing import Any

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud, PointLabelled
from lidar_vl_core.drawing.palette import UNKNOWN_RGB
from lidar_vl_core.foundation.errors import BadRequest


class RerunView:
    """Opens the viewer and shows clouds in the colours of their classes, on a timeline of frames and one of the recording."""

    def __init__(self, name: str, classes: ClassTable) -> None:
        """Raises BadRequest where Rerun is not installed or its viewer does not start."""
        self._rerun = _rerun()
        try:
            self._rerun.init(f"lidar-vl: {name}", spawn=True)
        except Exception as error:  # whatever keeps a window from opening
            raise BadRequest(f"--rerun: expected the viewer to open, found: {error}. Leave --rerun out.") from error
        entries = [(k, text, tuple(classes.colors_rgb[k].tolist())) for k, text in enumerate(classes.names)]
        context = self._rerun.AnnotationContext([*entries, (IGNORE_ID, "no answer", UNKNOWN_RGB)])
        self._rerun.log("/", context, static=True)

    def add(self, index: int, recorded_ns: int, cloud: PointCloud, labels: PointLabelled) -> None:
        """Show one cloud; beams without a return are left out."""
        kept = cloud.has_return()
        self._rerun.set_time("frame", sequence=index)
        self._rerun.set_time("recorded", timestamp=recorded_ns / 1e9)
        points = self._rerun.Points3D(cloud.xyz_m[kept], class_ids=labels.class_id[kept])
        self._rerun.log("points", points)


def _rerun() -> Any:  # noqa: ANN401  a module that need not be there
    try:
        return import_module("rerun")
    except ImportError as error:
        raise BadRequest("--rerun: needs the extra `rerun`: pip install 'lidar-vl[rerun]'.") from error
