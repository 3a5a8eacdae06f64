"""The image tower's answer for one image, ready to be looked up for points in its cells."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.words.cosine_answers import CosineAnswers, cosine_answers
from lidar_vl_core.words.text_table import TextTable


@dataclass(frozen=True, eq=False)
class CellAnswers:
    """The classes of an image's cells for given words."""

    dot: np.ndarray  # (cells, P) float32 product of each cell's feature with each prompt
    alone: CosineAnswers  # of each cell by itself


class PictureFeatures:
    """Features of the cells of one image. Where the image was taken from is not known here: it may be used later, too."""

    def __init__(self, features: np.ndarray, size_px: tuple[int, int]) -> None:
        """features: (C, h, w) float32, cells evenly over the image. size_px: height and width of the image."""
        channels, rows, columns = features.shape
        self.size_px = size_px
        self._shape = rows, columns
        self.rows = np.ascontiguousarray(features.reshape(channels, -1).T)  # (cells, C)
        self._square = np.einsum("ij,ij->i", self.rows, self.rows)
        self._answers: tuple[TextTable, CellAnswers] | None = None

    def cell_of(self, pixel_uv: np.ndarray) -> np.ndarray:
        """(P,) int64 row of `rows` of each pixel (P, 2): column, row."""
        (rows, columns), (height, width) = self._shape, self.size_px
        u, v = pixel_uv.T.astype(np.int64)
        return (2 * v + 1) * rows // (2 * height) * columns + (2 * u + 1) * columns // (2 * width)

    def answers(self, table: TextTable) -> CellAnswers:
        """The answers of all cells for these words; kept for the next cloud, until the words change. From any thread."""
        kept = self._answers  # read once: another thread may replace it
        if kept is not None and kept[0] is table:
            return kept[1]
        dot = self.rows @ table.embeddings.T
        found = CellAnswers(dot, cosine_answers(cosines(dot, self._square), table))
        self._answers = table, found
        return found


@dataclass(frozen=True, eq=False)
class PlacedPicture:
    """An image's features, and where its camera was, seen from a cloud."""

    features: PictureFeatures
    camera: CameraModel
    T_cam_lidar: RigidTransform  # from the LiDAR at the cloud's stamp to the camera at the image's stamp


def cosines(dot: np.ndarray, square: np.ndarray) -> np.ndarray:
    """(M, P) float32 products with unit prompts and (M,) squared lengths as cosines; NaN where there is no direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        length = np.sqrt(np.where(np.isfinite(square) & (square > 0), square, np.float32(np.nan)))
        return (dot / length[:, None]).astype(np.float32, copy=False)
