"""DAPS-3D: parks and yards as a cleaning robot sees them, Ouster OS0-64; DAPS-1 is simulated, DAPS-2 recorded.

Folder: that of DAPS-1 or DAPS-2, with `data/<scene>/clouds/*.bin` and `data/<scene>/labels/*.label`.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.lidar.kitti_layout import KittiScans, RowFormat, scans_below

# Its authors give no unit of the fourth column (its mean in DAPS-1 is 41), so the scale is judged by each scan.
_ROWS = RowFormat(full_intensity=None)


class Daps3d(KittiScans):
    """Scans of some scenes as samples, in the four categories of its authors."""

    def __init__(
        self,
        folder: Path,
        scenes: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """scenes: names such as "38-18_7_72_90"; frames: scan names of each; None = all. Raises BadDataset."""
        classes = classes or class_table("daps3d4")
        scans = scans_below("daps3d", folder, folder / "data", scenes, frames, points_folder="clouds")
        super().__init__(scans, _ROWS, "daps3d", classes, "ouster")
