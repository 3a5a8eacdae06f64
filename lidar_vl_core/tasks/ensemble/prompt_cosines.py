"""A network's similarity to words for each point of a cloud, for code that combines it with other sources."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.words.text_table import TextTable


@dataclass(frozen=True, eq=False)
class PromptCosines:
    """Cosines of the network's rows with each prompt in use."""

    cosine: np.ndarray  # (M, P) float32; NaN where a row has no direction
    point_to_row: np.ndarray  # (N,) int32; -1 = none
    xyz_m: np.ndarray  # (N, 3) float32, NaN for a point that is to have no answer, whoever sees it
    table: TextTable
    timing_ms: dict[str, float]  # as PointLabels
