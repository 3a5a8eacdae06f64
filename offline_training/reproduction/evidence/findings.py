"""What a study of evidence has measured so far, for those who tell of it."""

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
    """Of some rows."""

    study: EvidenceStudy
    rows: tuple[PretrainingRow, ...]
    cells: list[Cell]
    out: Path
    # of a row, column and seed: (1, draws, T, 3, K) as bootstrap.mean_iou has them, None = not measured
    counts: Callable[[PretrainingRow, EvidenceColumn, int], np.ndarray | None]
    pretraining: Callable[[PretrainingRow, int], dict[str, Any] | None]  # configuration of a row's run
