"""The last layer of an embedding network and the prompts as one matrix: from its features to classes, without the embedding."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lidar_vl_core.fused_layout import aligned_empty, padded
from lidar_vl_core.fused_simd import LANES, MAX_VECTORS
from lidar_vl_core.helper_threads import HelperThreads, default_threads
from lidar_vl_core.labels import IGNORE_ID, ClassTable
from lidar_vl_core.open_vocabulary import TextTable, unit_rows
from lidar_vl_core.sparse_graph import LinearHead
from lidar_vl_core.voxels import read_only

_COLUMN_STEP = 16  # columns per step of the row loop, whatever the registers hold: LANES divides it
_BLOCK_ROWS = 256  # features and products of a block fill a part of a core's second cache
_NEVER = -1e30  # product of a prompt that is none
_SELF_PAIR = (1 << 32) + 1  # times i: input row i with output row i
_NORM_VECTORS = 2  # narrow panels use more of the triangle's zeros than they lose in reuse


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
        """The same layer under other words."""
        return PromptHead(self.head, table)

    def embeddings(self, features: np.ndarray) -> np.ndarray:
        """(M, F) float32 -> (M, C) float32, the layer's own answer."""
        return features @ self.head.weight + self.head.bias

    def cosines(self, features: np.ndarray) -> np.ndarray:
        """(M, F) float32 -> (M, P) float32 cosine with every prompt; NaN where the embedding has no direction."""
        blocks = np.array_split(features, max(1, len(features) // _BLOCK_ROWS))
        return np.concatenate([unit_rows(self.embeddings(block)) @ self.table.embeddings.T for block in blocks])

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
        from lidar_vl_core.prompt_loops import label_rows

        count, table, folded = len(features), self.table, self._folded
        best, sure = np.full(count + 1, IGNORE_ID, np.uint8), np.zeros(count + 1, np.float32)
        threshold = 0.0 if table.unknown_threshold is None else table.unknown_threshold
        pairs = np.arange(_BLOCK_ROWS) * _SELF_PAIR
        room = padded(_BLOCK_ROWS * features.shape[1], _COLUMN_STEP) + _BLOCK_ROWS * len(folded.bias)
        with HelperThreads(threads) as helpers:
            for part in range(threads):
                logits = np.empty(padded(len(table.names), _COLUMN_STEP), np.float32)
                task = partial(
                    label_rows, features, folded.weights, folded.bias, folded.panels, pairs,
                    table.class_of_prompt, len(table.names), len(self.classes), folded.offset, table.logit_scale,
                    threshold, count * part // threads, count * (part + 1) // threads,
                    aligned_empty(room, np.float32), logits, best, sure,
                )  # fmt: skip
                helpers.add(task)
        return best, sure


@dataclass(frozen=True)
class _Folded:
    weights: np.ndarray  # (W,) float32, panel after panel
    panels: np.ndarray  # (., 5) int64: first column, vectors, first feature, features, place in `weights`
    bias: np.ndarray  # (columns,) float32: of the prompts, then of R^T, each padded to whole steps
    offset: float  # what |e|^2 has beyond the squares of the columns of R^T


def _fold(head: LinearHead, table: TextTable) -> _Folded:
    weight, bias, text = (part.astype(np.float64) for part in (head.weight, head.bias, table.embeddings))
    q, r = np.linalg.qr(weight.T)  # (C, R), (R, F)
    bias_in_span = bias @ q
    columns = [_padded_columns(weight @ text.T), _padded_columns(r.T)]
    norm_from = columns[0].shape[1]
    panels, pieces = [], []
    for first, block, most in ((0, columns[0], MAX_VECTORS), (norm_from, columns[1], _NORM_VECTORS)):
        for column in range(0, block.shape[1], most * LANES):
            piece = block[:, column : column + most * LANES]
            feature = 0 if first == 0 else min(column, len(weight))  # above it, R^T is zero in these columns
            panels.append((first + column, piece.shape[1] // LANES, feature, len(weight) - feature))
            pieces.append(piece[feature:].ravel())
    places = np.cumsum([0, *(piece.size for piece in pieces)])
    weights = aligned_empty(int(places[-1]), np.float32)
    np.concatenate(pieces, out=weights, casting="same_kind")
    return _Folded(
        weights,
        np.column_stack([np.array(panels, np.int64), places[:-1]]),
        np.concatenate(
            [
                np.pad(text @ bias, (0, -len(text) % _COLUMN_STEP), constant_values=_NEVER),
                _padded_columns(bias_in_span[None])[0],
            ]
        ).astype(np.float32),
        float(max(bias @ bias - bias_in_span @ bias_in_span, 0.0)),
    )


def _padded_columns(matrix: np.ndarray) -> np.ndarray:
    return np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % _COLUMN_STEP)))
