"""The last layer of an embedding network and the prompts as one matrix: from its features to classes, without the embedding."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.engines.cpu.layout import aligned_empty, padded
from lidar_vl_core.foundation.compiled import read_only
from lidar_vl_core.foundation.threads import HelperThreads, default_threads
from lidar_vl_core.sparse_model.graph import LinearHead
from lidar_vl_core.words.text_table import TextTable

_CACHE_LINE = 16  # float32 values


class PromptHead:
    """Names rows of network features by a text table.

    The embedding of a row is e = f W + b, of C channels; its cosine with a prompt t is (f W t + b t) / |e|. Both parts need
    the F features only: W t is a column per prompt, and with W^T = Q R, |e|^2 = |f R^T + b Q|^2 + (|b|^2 - |b Q|^2), where
    R^T is triangular.
    """

    def __init__(self, head: LinearHead, table: TextTable) -> None:
        self.head = head
        self.table = table
        self.classes: ClassTable = table.class_table
        self._folded = _fold(head, table)

    def with_table(self, table: TextTable) -> "PromptHead":
        """The same layer with the text table of other words."""
        return PromptHead(self.head, table)

    def embeddings(self, features: np.ndarray) -> np.ndarray:
        """(M, F) float32 -> (M, C) float32, the layer's own answer."""
        return features @ self.head.weight + self.head.bias

    def cosines(self, features: np.ndarray) -> np.ndarray:
        """(M, F) float32 -> (M, P) float32 cosine with every prompt; NaN where the embedding has no direction."""
        prompts, folded = len(self.table.prompts), self._folded
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            products = features @ folded.matrix.T
            products += folded.bias
            projected = products[:, prompts:]
            square = np.einsum("ij,ij->i", projected, projected) + np.float32(folded.offset)
            square[~np.isfinite(square) | (square <= 0)] = np.nan
            return products[:, :prompts] / np.sqrt(square)[:, None]

    def label_points(
        self, features: np.ndarray, point_to_voxel: np.ndarray, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class and probability of every point, as label_embeddings() gives for the embedding of its voxel.

        features: (M, F) float32; point_to_voxel: (N,) int32, -1 = none. Returns (N,) uint8, 255 = no answer, and (N,)
        float32, 0 there. An embedding whose square is beyond float32 has no answer.
        """
        best, sure = self._label_rows(read_only(features, np.float32), threads or default_threads())
        return best[point_to_voxel], sure[point_to_voxel]

    def _label_rows(self, features: np.ndarray, threads: int) -> tuple[np.ndarray, np.ndarray]:
        """(M + 1,) class and probability of every row; the last one is the answer of no row."""
        from lidar_vl_core.engines.cpu.prompt_loops import BLOCK_ROWS, label_rows

        count, table, folded = len(features), self.table, self._folded
        best, sure = np.full(count + 1, IGNORE_ID, np.uint8), np.zeros(count + 1, np.float32)
        threshold = 0.0 if table.unknown_threshold is None else table.unknown_threshold
        room = padded(folded.matrix.size, _CACHE_LINE) + len(folded.bias) * BLOCK_ROWS
        with HelperThreads(threads) as helpers:
            for part in range(threads):
                panel, values = (aligned_empty(size, np.float32) for size in (features.shape[1] * BLOCK_ROWS, room))
                task = partial(
                    label_rows, features, folded.matrix, folded.bias, folded.first_prompt, len(self.classes),
                    folded.offset, table.logit_scale, threshold, count * part // threads, count * (part + 1) // threads,
                    panel, values, best, sure,
                )  # fmt: skip
                helpers.add(task)
        return best, sure


@dataclass(frozen=True)
class _Folded:
    matrix: np.ndarray  # (P + R, F) float32: (W t)^T of every prompt, then R
    bias: np.ndarray  # (P + R,) float32
    first_prompt: np.ndarray  # (K + 1,) int64, P behind the last class
    offset: float  # what |e|^2 has beyond the squares of the last R columns


def _fold(head: LinearHead, table: TextTable) -> _Folded:
    weight, bias, text = (part.astype(np.float64) for part in (head.weight, head.bias, table.embeddings))
    q, r = np.linalg.qr(weight.T)  # (C, R), (R, F)
    bias_in_span = bias @ q
    return _Folded(
        np.concatenate([text @ weight.T, r]).astype(np.float32),
        np.concatenate([text @ bias, bias_in_span]).astype(np.float32),
        np.append(table.first_prompt, len(text)),
        float(max(bias @ bias - bias_in_span @ bias_in_span, 0.0)),
    )
