"""What a network says of a cloud, as its nearness to words, for those who judge by more than the network."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.words.text_table import TextTable


@dataclass(frozen=True, eq=False)
class PromptCosines:
    """How near the network's rows are to each prompt of the words in use."""

    cosine: np.ndarray  # (M, P) float32; NaN where a row has no direction
    point_to_row: np.ndarray  # (N,) int32; -1 = none
    xyz_m: np.ndarray  # (N, 3) float32, NaN for a point that is to have no answer, whoever sees it
    table: TextTable
    timing_ms: dict[str, float]  # as PointLabels
