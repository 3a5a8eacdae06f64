"""ScribbleKITTI: SemanticKITTI's scans with the points of hand-drawn strokes labelled, 8 of 100 points.

Folder: SemanticKITTI's, with a folder `scribbles` beside `labels` in sequences 00 to 07, 09 and 10.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.data_set_spec import DataSetSpec, by_sequences
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.source_config import Names, SplitSource
from offline_training.datasets.lidar.semantic_kitti import TRAIN, VALIDATION, SemanticKitti

_LAYOUT = Layout(
    (
        ("sequences/00/velodyne/000000.bin", "of SemanticKITTI, 4 x float32 a point"),
        ("sequences/00/scribbles/000000.label", "of ScribbleKITTI, uint32 a point; 00 to 07, 09, 10"),
        ("sequences/00/calib.txt", "P2 and Tr, of SemanticKITTI"),
        ("sequences/08/labels/000000.label", "of SemanticKITTI, to validate on"),
    )
)


class ScribbleKittiSource(SplitSource):
    """Scans of some sequences."""

    kind: Literal["scribble_kitti"] = "scribble_kitti"
    sequences: Names = Field(default=None, description="sequences (default: all training sequences found)")


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
            sequences = [name for name in TRAIN if (root / name).is_dir()]
        for name in sequences:
            if not (root / name / self.label_folder(name)).is_dir():
                raise BadDataset(
                    f"{folder}: expected labels of ScribbleKITTI ({_LAYOUT.line()}), found no "
                    f"sequences/{name}/{self.label_folder(name)}. Unpack the scribbles into SemanticKITTI's folder."
                )
        super().__init__(folder, sequences, frames, classes)

    def label_folder(self, sequence: str) -> str:
        """`labels` for the validation sequence, `scribbles` for all others."""
        return "labels" if sequence in VALIDATION else "scribbles"


SPEC = DataSetSpec(
    source=ScribbleKittiSource,
    what="ScribbleKITTI: SemanticKITTI with the points of hand-drawn strokes labelled",
    layout=_LAYOUT,
    classes=("semantic_kitti19", "nuscenes16"),
    open=by_sequences(ScribbleKitti),
    splits={"train": TRAIN, "val": VALIDATION},
    counts=FileCounts({"scans": "*/velodyne/*.bin", "scribbles": "*/scribbles/*.label", "labels": "*/labels/*.label"}),
)
