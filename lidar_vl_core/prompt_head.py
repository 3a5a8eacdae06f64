"""The last layer of an embedding network and the prompts as one matrix: from its features to classes, without the embedding."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.labels import ClassTable
from lidar_vl_core.open_vocabulary import TextTable, label_cosines
from lidar_vl_core.sparse_graph import LinearHead


class PromptHead:
    """Names rows of network features by a text table.

    The embedding of a row is e = f W + b, of C channels; its cosine with a prompt t is (f W t + b t) / |e|. Both parts need
    the F features only: W t is a column per prompt, and with W^T = Q R, |e|^2 = |f R^T + b Q|^2 + (|b|^2 - |b Q|^2).
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
        """(M, F) float32 -> (M, P) float32 cosines of the rows' embeddings with the prompts; NaN for a zero embedding."""
        product = features @ self._folded.weight + self._folded.bias
        prompts = len(self.table.prompts)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            length = np.sqrt(np.square(product[:, prompts:]).sum(axis=1) + self._folded.offset)
            length[length == 0] = np.nan
            return product[:, :prompts] / length[:, None]

    def label_points(
        self, features: np.ndarray, point_to_voxel: np.ndarray, threads: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class and probability of every point, as label_embeddings() gives for the embedding of its voxel.

        features: (M, F) float32; point_to_voxel: (N,) int32, -1 = none. Returns (N,) uint8, 255 = no answer, and (N,)
        float32, 0 there.
        """
        best, sure = label_cosines(self.cosines(features), self.table)
        inside = point_to_voxel >= 0
        class_id = np.where(inside, best[point_to_voxel], np.uint8(255))
        return class_id, np.where(inside, sure[point_to_voxel], np.float32(0.0))


@dataclass(frozen=True)
class _Folded:
    weight: np.ndarray  # (F, P + R) float32: a column per prompt, then R^T
    bias: np.ndarray  # (P + R,) float32
    offset: np.float32  # what |e|^2 has beyond the squares of the last R columns


def _fold(head: LinearHead, table: TextTable) -> _Folded:
    weight, bias, text = (part.astype(np.float64) for part in (head.weight, head.bias, table.embeddings))
    q, r = np.linalg.qr(weight.T)  # (C, R), (R, F)
    bias_in_span = bias @ q
    return _Folded(
        np.concatenate([weight @ text.T, r.T], axis=1).astype(np.float32),
        np.concatenate([text @ bias, bias_in_span]).astype(np.float32),
        np.float32(max(bias @ bias - bias_in_span @ bias_in_span, 0.0)),
    )
