"""Points named by the 3D network or by the pictures that see them, whichever resembles a prompt more (OpenScene's ensemble)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import ZBuffer, point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.foundation.errors import BadCalibration, BadImage
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import TextTable, label_cosines

_OCCLUSION = ZBuffer()  # of the sweep itself

LeftOut = Callable[[CameraView, Exception], None]


@dataclass(frozen=True, eq=False)
class PictureFeatures:
    """What an image tower says of one picture."""

    camera: CameraModel
    T_cam_lidar: RigidTransform
    features: np.ndarray  # (C, h, w) float32, cells evenly over the picture


class CameraFusion:
    """A segmenter that looks at the pictures of a cloud, too."""

    def __init__(self, segmenter: Segmenter, threads: int | None = None) -> None:
        """Raises BadModelPackage for a package without an image encoder."""
        self._segmenter = segmenter
        self._encoder = ImageEncoder(segmenter.package, threads or available_cores())

    def warm_up(self) -> None:
        """Encode a grey picture, so that nothing is loaded while the first message waits."""
        self._segmenter.warm_up()
        self._encoder.features(np.full((*self._encoder.size, 3), 127, np.uint8))

    def segment(self, cloud: PointCloud, views: Sequence[CameraView], left_out: LeftOut) -> PointLabels:
        """Label every point of a cloud with the segmenter's words; points that no picture sees by the network alone.

        left_out: told of each picture that cannot be used, and why. timing_ms has "image_encoder" (with decoding) and
        "fusion" besides. What the pictures say alone is told, too. Raises what the segmenter does, and BadModelPackage for an image tower that does not run.
        """
        if not views:
            labels = self._segmenter.segment(cloud)
            return PointLabels(
                labels.class_id,
                labels.probability,
                {**labels.timing_ms, "image_encoder": 0.0, "fusion": 0.0},
                labels.classes,
                np.full(len(cloud), IGNORE_ID, np.uint8),
            )
        started = time.perf_counter()
        pictures = self._encoded(views, left_out)
        encoded = time.perf_counter()
        of_network = self._segmenter.prompt_cosines(cloud)
        answered = time.perf_counter()
        seen, cosine = picture_cosines(of_network.xyz_m, pictures, of_network.table, _OCCLUSION)
        class_id, probability = surer_labels(of_network.cosine, of_network.point_to_row, seen, cosine, of_network.table)
        picture_class_id = np.full(len(cloud), IGNORE_ID, np.uint8)
        picture_class_id[seen] = label_cosines(cosine, of_network.table)[0]
        done = time.perf_counter()
        timing_ms = {
            **of_network.timing_ms,
            "image_encoder": 1e3 * (encoded - started),
            "fusion": 1e3 * (done - answered),
            "total": 1e3 * (done - started),
        }
        return PointLabels(class_id, probability, timing_ms, of_network.table.class_table, picture_class_id)

    def _encoded(self, views: Sequence[CameraView], left_out: LeftOut) -> list[PictureFeatures]:
        encoded = []
        for view in views:
            try:
                rgb = view.load_rgb()
                view.require_size(rgb)
            except (BadImage, BadCalibration) as error:
                left_out(view, error)
                continue
            encoded.append(PictureFeatures(view.camera, view.T_cam_lidar, self._encoder.features(rgb)))
        return encoded


def picture_cosines(
    xyz_m: np.ndarray, pictures: Sequence[PictureFeatures], table: TextTable, occlusion: ZBuffer | None
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of every prompt with the mean, over the pictures that see a point, of the features of its cells.

    xyz_m: (N, 3) in the LiDAR's frame. Returns (V,) int64 the points that are seen, and (V, P) float32, NaN where the mean
    has no direction. The means themselves are only computed for points that several pictures see: the product with a
    prompt is linear, and of one picture the lengths of its cells are known.
    """
    row_of_point, features = _seen_cells(xyz_m, pictures, occlusion)
    views_of_point = (row_of_point >= 0).sum(axis=0)
    seen, several = np.flatnonzero(views_of_point), np.flatnonzero(views_of_point > 1)
    dot = np.zeros((len(xyz_m), len(table.prompts)), np.float32)
    square = np.zeros(len(xyz_m), np.float32)
    total = np.zeros((len(several), table.channels), np.float32)
    for of_view, rows in zip(row_of_point, features, strict=True):
        there = np.flatnonzero(of_view >= 0)
        dot[there] += (rows @ table.embeddings.T)[of_view[there]]
        square[there] = np.einsum("ij,ij->i", rows, rows)[of_view[there]]
        there = np.flatnonzero(of_view[several] >= 0)
        total[there] += rows[of_view[several[there]]]
    square[several] = np.einsum("ij,ij->i", total, total)
    dot, square = dot[seen], square[seen, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return seen, np.where(np.isfinite(square) & (square > 0), dot / np.sqrt(square), np.float32(np.nan))


def surer_labels(
    cosine_3d: np.ndarray, point_to_row: np.ndarray, seen: np.ndarray, cosine_2d: np.ndarray, table: TextTable
) -> tuple[np.ndarray, np.ndarray]:
    """Class and probability of each point from the side whose best prompt is nearer; the network's on ties.

    cosine_3d: (M, P) of the network's rows; point_to_row: (N,), -1 = none. cosine_2d: (V, P) of the points `seen`.
    """
    class_of_row, sure_of_row, best_of_row = _answers(cosine_3d, table)
    class_id, probability = class_of_row[point_to_row], sure_of_row[point_to_row]
    class_2d, sure_2d, best_2d = _answers(cosine_2d, table)
    nearer = best_2d[:-1] > best_of_row[point_to_row[seen]]
    class_id[seen[nearer]], probability[seen[nearer]] = class_2d[:-1][nearer], sure_2d[:-1][nearer]
    return class_id, probability


def _answers(cosine: np.ndarray, table: TextTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M + 1,) class, probability and best cosine; the last one is the answer of no row."""
    rows = np.concatenate([cosine, np.full((1, cosine.shape[1]), np.nan, np.float32)])
    class_id, probability = label_cosines(rows, table)
    best = rows.max(axis=1)
    return class_id, probability, np.where(np.isnan(best), -np.inf, best)


def _seen_cells(
    xyz_m: np.ndarray, pictures: Sequence[PictureFeatures], occlusion: ZBuffer | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Features (S, C) of each view's cells that see points, and (views, N) int32 each point's row of them, -1 = unseen."""
    pairs = point_pixel_pairs(
        xyz_m, [(picture.camera, picture.T_cam_lidar) for picture in pictures], occlusion=occlusion
    )
    row_of_point = np.full((len(pictures), len(xyz_m)), -1, np.int32)
    features = []
    for number, picture in enumerate(pictures):
        of_view = pairs.camera_index == number
        camera, (channels, rows, columns) = picture.camera, picture.features.shape
        u, v = pairs.pixel_uv[of_view].T.astype(np.int64)
        column, row = (2 * u + 1) * columns // (2 * camera.width), (2 * v + 1) * rows // (2 * camera.height)
        seen, place = np.unique(row * columns + column, return_inverse=True)
        row_of_point[number, pairs.point_index[of_view]] = place
        features.append(np.ascontiguousarray(picture.features.reshape(channels, -1)[:, seen].T))
    return row_of_point, features
