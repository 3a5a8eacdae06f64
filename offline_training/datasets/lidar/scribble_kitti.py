"""ScribbleKITTI: SemanticKITTI's scans with the points of hand-drawn strokes labelled, 8 of 100 points.

Folder: SemanticKITTI's, with a folder `scribbles` beside `labels` in sequences 00 to 07, 09 and 10.
"""

from collections.abc import Sequence
from pathlib import Path

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.layouts import layout_line
from offline_training.datasets.base.splits import official_split
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti

_FULLY_LABELLED = frozenset(official_split("scribble_kitti", "val"))


class ScribbleKitti(SemanticKitti):
    """Scans as samples: scribbles for training sequences, and SemanticKITTI's full labels for 08, to validate on."""

    def __init__(
        self,
        folder: Path,
        sequences: Sequence[str] | None = None,
        frames: Sequence[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """sequences: None = the training sequences that are there. frames: as SemanticKitti. Raises BadDataset."""
        classes = classes or class_table("semantic_kitti19")
        root = Path(folder) / "sequences"
        if sequences is None:
            sequences = [name for name in official_split("scribble_kitti", "train") if (root / name).is_dir()]
        for name in sequences:
            if not (root / name / self.label_folder(name)).is_dir():
                raise BadDataset(
                    f"{folder}: expected labels of ScribbleKITTI ({layout_line('scribble_kitti')}), found no "
                    f"sequences/{name}/{self.label_folder(name)}. Unpack the scribbles into SemanticKITTI's folder."
                )
        super().__init__(folder, sequences, frames, classes)

    def label_folder(self, sequence: str) -> str:
        """`labels` for the validation sequence, `scribbles` for all others."""
        return "labels" if sequence in _FULLY_LABELLED else "scribbles"
