"""The measurements of a study of evidence so far, for its reports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline_training.reproduction.base.cells import Cell
from offline_training.reproduction.evidence.evidence_study import EvidenceColumn, EvidenceStudy
from offline_training.reproduction.pretraining.pretraining_study import PretrainingRow


@dataclass(frozen=True)
class Findings:
    """The measurements of some rows."""

    study: EvidenceStudy
    rows: tuple[PretrainingRow, ...]
    cells: list[Cell]
    out: Path
    # by row, column and seed: (1, draws, T, 3, K) counts for bootstrap.mean_iou, None = not measured
    counts: Callable[[PretrainingRow, EvidenceColumn, int], np.ndarray | None]
    pretraining: Callable[[PretrainingRow, int], dict[str, Any] | None]  # configurations of the rows' runs
