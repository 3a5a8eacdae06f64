"""PairedScan: a sweep, its images, and which point is seen at which pixel; the training data of pre-training."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.cameras.pairing import Pairs, PixelOfPoint, ZBuffer, point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.base.picture_resize import moved_pixels, resized_ids
from offline_training.datasets.base.sample import Sample
from offline_training.pretraining.views.picture_cache import decoded
from offline_training.weak_labels.store.label_store import NO_SEGMENT

PictureOf = Callable[[CameraView], np.ndarray]  # (H, W) ids of a view's image: weak classes or superpixels
PictureAt = Callable[[CameraView, tuple[int, int]], np.ndarray]  # (h, w, 3) uint8 at a size (height, width)


@dataclass(frozen=True, eq=False)
class PairedScan:
    """The arrays of one sweep with its images; pair p says that point point_index[p] is seen at pixel_uv[p]."""

    xyz_m: np.ndarray  # (N, 3) float32, with a return
    intensity: np.ndarray  # (N,) float32, 0..1
    images: tuple[np.ndarray, ...]  # each (H, W, 3) uint8
    superpixels: tuple[np.ndarray, ...] | None  # each (H, W) int32 of its image; -1 = none
    point_index: np.ndarray  # (P,) int64 into the points
    image_index: np.ndarray  # (P,) int64 into the images
    pixel_uv: np.ndarray  # (P, 2) int32 column, row
    weak_class: np.ndarray  # (P,) uint8, 255 = none
    class_id: np.ndarray | None = None  # (N,) uint8 true class of each point, 255 = none
    segment: np.ndarray | None = None  # (N,) int32 cluster of each point, -1 = none

    def __len__(self) -> int:
        return len(self.xyz_m)

    def pairs_per_image(self) -> np.ndarray:
        """(I,) number of pairs of each image."""
        return np.bincount(self.image_index, minlength=len(self.images))

    def take_points(self, kept: np.ndarray) -> "PairedScan":
        """Keep the points of a mask (N,) with their pairs."""
        new_index = np.cumsum(kept) - 1
        scan = self.take_pairs(kept[self.point_index])
        return replace(
            scan,
            xyz_m=self.xyz_m[kept],
            intensity=self.intensity[kept],
            point_index=new_index[scan.point_index],
            class_id=None if self.class_id is None else self.class_id[kept],
            segment=None if self.segment is None else self.segment[kept],
        )

    def take_pairs(self, kept: np.ndarray) -> "PairedScan":
        """Keep all points, but only some pairs, given by a mask (P,) or an index."""
        return replace(
            self,
            point_index=self.point_index[kept],
            image_index=self.image_index[kept],
            pixel_uv=self.pixel_uv[kept],
            weak_class=self.weak_class[kept],
        )


def pair_scan(
    sample: Sample,
    weak_class_of: PictureOf | None = None,
    superpixels_of: PictureOf | None = None,
    occlusion: ZBuffer | None = None,
    min_depth_m: float = 1.0,
    max_image_width: int | None = None,
    picture_at: PictureAt = decoded,
    pixel: PixelOfPoint = "rounded",
) -> PairedScan:
    """Load a sample's images and find its pairs; without an occlusion test, as in SLidR and OLIVINE.

    weak_class_of, superpixels_of: ids of a view at its image's original size, as LabelStore reads them; weak classes
    are sampled there, before wider images are shrunk to max_image_width; pixel: as in point_pixel_pairs. Raises
    BadDataset if ids and image differ in size.
    """
    met = sample.cloud.has_return()
    xyz_m, intensity = sample.cloud.xyz_m[met], sample.cloud.intensity[met]
    views = [(view.camera, view.T_cam_lidar) for view in sample.views]
    pairs = point_pixel_pairs(xyz_m, views, min_depth_m, occlusion=occlusion, pixel=pixel)
    sizes = [_size_within(view, max_image_width) for view in sample.views]
    return PairedScan(
        xyz_m=xyz_m,
        intensity=intensity,
        images=tuple(picture_at(view, size) for view, size in zip(sample.views, sizes, strict=True)),
        superpixels=None if superpixels_of is None else _superpixels(sample, superpixels_of, sizes),
        point_index=pairs.point_index,
        image_index=pairs.camera_index,
        pixel_uv=_in_resized(pairs, sample, sizes),
        weak_class=_weak_classes(sample, pairs, weak_class_of),
        class_id=None if sample.class_id is None else sample.class_id[met],
    )


def _size_within(view: CameraView, max_width: int | None) -> tuple[int, int]:
    """(height, width) of at most max_width, with the image's aspect ratio."""
    height, width = view.camera.height, view.camera.width
    if max_width is None or width <= max_width:
        return height, width
    return max(1, round(height * max_width / width)), max_width


def _weak_classes(sample: Sample, pairs: Pairs, weak_class_of: PictureOf | None) -> np.ndarray:
    """(P,) uint8 weak class of each pair."""
    weak_class = np.full(len(pairs), IGNORE_ID, np.uint8)
    if weak_class_of is None:
        return weak_class
    for number, view in enumerate(sample.views):
        ids = _ids_of(sample, view, weak_class_of)
        mine = pairs.camera_index == number
        u, v = pairs.pixel_uv[mine].T
        weak_class[mine] = ids[v, u]
    return weak_class


def _superpixels(sample: Sample, superpixels_of: PictureOf, sizes: list[tuple[int, int]]) -> tuple[np.ndarray, ...]:
    """Superpixels of each image, (h, w) int32; the store's NO_SEGMENT becomes -1."""
    resized = [
        resized_ids(_ids_of(sample, view, superpixels_of), size) for view, size in zip(sample.views, sizes, strict=True)
    ]
    return tuple(np.where(ids == NO_SEGMENT, -1, ids.astype(np.int32)).astype(np.int32) for ids in resized)


def _ids_of(sample: Sample, view: CameraView, picture_of: PictureOf) -> np.ndarray:
    ids = picture_of(view)
    if ids.shape != (view.camera.height, view.camera.width):
        raise BadDataset(
            f"{sample.name}, {view.name}: expected ids of {view.camera.height} x {view.camera.width} pixels, found shape "
            f"{ids.shape}. The labels belong to another image or another size of it: label these images again."
        )
    return ids


def _in_resized(pairs: Pairs, sample: Sample, sizes: list[tuple[int, int]]) -> np.ndarray:
    """(P, 2) int32 column, row of each pair in its resized image."""
    pixel_uv = pairs.pixel_uv.copy()
    for number, (view, size) in enumerate(zip(sample.views, sizes, strict=True)):
        mine = pairs.camera_index == number
        whole = (0, 0, view.camera.width, view.camera.height)
        pixel_uv[mine] = moved_pixels(pixel_uv[mine], whole, size)[0]
    return pixel_uv
