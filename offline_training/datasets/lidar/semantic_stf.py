"""SemanticSTF: streets in snow, fog and rain (scans of SeeingThroughFog with point labels), Velodyne HDL-64.

Folder: `train`, `val` and `test`, each with velodyne/*.bin (5 columns) and labels/*.label.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.lidar.kitti_layout import KittiScans, RowFormat, scans_below

_ROWS = RowFormat(columns=5, full_intensity=255.0)  # x, y, z, intensity 0..255, and one that is not used


class SemanticStf(KittiScans):
    """Scans of some parts as samples, in SemanticKITTI's 19 classes, which are its own."""

    def __init__(
        self,
        folder: Path,
        parts: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """parts: "train", "val", "test"; frames: scan names of each; None = all. Raises BadDataset."""
        classes = classes or class_table("semantic_kitti19")
        scans = scans_below("semantic_stf", folder, folder, parts, frames)
        super().__init__(scans, _ROWS, "semantic_stf", classes, "velodyne")
