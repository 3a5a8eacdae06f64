"""SynLiDAR: synthetic scans of a game engine's towns and harbour, in the format of SemanticKITTI.

Folder: `00` to `12`, each with velodyne/*.bin and labels/*.label, also where they lie below a folder `sequences`.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.lidar.kitti_layout import KittiScans, RowFormat, scans_below, sequences_root


class SynLidar(KittiScans):
    """Scans of some sequences as samples, in its 32 classes or in SemanticKITTI's 19."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """sequences: names such as "00"; frames: scan names of each; None = all. Raises BadDataset."""
        classes = classes or class_table("synlidar32")
        scans = scans_below("synlidar", folder, sequences_root(folder), sequences, frames)
        super().__init__(scans, RowFormat(), "synlidar", classes, "synlidar")
