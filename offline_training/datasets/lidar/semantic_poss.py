"""SemanticPOSS: a campus with many people, recorded by a Pandora of 40 beams.

Folder: `sequences/00` to `05` with velodyne/*.bin and labels/*.label; the folders `tag` and the poses are not read.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.lidar.kitti_layout import KittiScans, RowFormat, scans_below, sequences_root

# Its authors say "x, y, z, intensity" and no unit, so the scale is judged by each scan.
_ROWS = RowFormat(full_intensity=None)


class SemanticPoss(KittiScans):
    """Scans of some sequences as samples."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """sequences: names such as "02"; frames: scan names of each; None = all. Raises BadDataset."""
        classes = classes or class_table("semantic_poss13")
        scans = scans_below("semantic_poss", folder, sequences_root(folder), sequences, frames)
        super().__init__(scans, _ROWS, "semantic_poss", classes, "pandora")
