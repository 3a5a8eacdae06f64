"""Superpixels of an image: SLIC as in SLidR, and SAM masks from disk painted as in Seal."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadLabels
from offline_training.weak_labels.pictures.id_picture import decode_ids
from offline_training.weak_labels.pictures.mask_painting import Uncovered
from offline_training.weak_labels.pictures.picture_path import PicturePath
from offline_training.weak_labels.store.label_store import NO_SEGMENT


class Superpixels(Protocol):
    """Cuts images into segments."""

    def identity(self) -> dict[str, Any]:
        """Everything that determines the result, as JSON."""
        ...

    def source(self, view: CameraView) -> str:
        """Hash of files beside the image that determine its segments; "" if there are none."""
        ...

    def segment_id(self, view: CameraView, image: Callable[[], np.ndarray]) -> np.ndarray:
        """(H, W) uint16 segment ids of a view's image, 65535 = none; image() gives its pixels (H, W, 3) uint8."""
        ...


@dataclass(frozen=True)
class SlicSuperpixels:
    """SLIC with SLidR's parameters (Sautier et al. 2022; 30 segments for its VoxelNet)."""

    segments: int = 150
    compactness: float = 6.0
    sigma: float = 3.0  # pixels sigma of the blur before SLIC

    def identity(self) -> dict[str, Any]:
        """The parameters, and the version of the library, whose results have changed between versions."""
        return {"model": "slic", "revision": f"scikit-image {version('scikit-image')}", **vars(self)}

    def source(self, view: CameraView) -> str:
        """As in Superpixels; only the image determines the result."""
        return ""

    def segment_id(self, view: CameraView, image: Callable[[], np.ndarray]) -> np.ndarray:
        """(H, W) as in Superpixels; every pixel belongs to a segment."""
        return slic(image(), self.segments, self.compactness, self.sigma)


@dataclass(frozen=True)
class SamSuperpixels:
    """Superpixels from masks of the Segment Anything Model on disk: a folder of PNGs for each image."""

    path: PicturePath
    uncovered: Uncovered = 255

    def identity(self) -> dict[str, Any]:
        """How masks become segments; the masks are compared image by image."""
        return {"model": "sam", "uncovered": self.uncovered}

    def source(self, view: CameraView) -> str:
        """See Superpixels. Raises BadLabels if there are no masks."""
        digest = hashlib.sha256()
        for content in _mask_files(self.path.of(view)).values():
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    def segment_id(self, view: CameraView, image: Callable[[], np.ndarray]) -> np.ndarray:
        """(H, W) as in Superpixels; the pixels are not used."""
        shape = (view.camera.height, view.camera.width)
        return sam_superpixels(read_masks(self.path.of(view)), shape, self.uncovered)


def slic(image: np.ndarray, segments: int = 150, compactness: float = 6.0, sigma: float = 3.0) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (H, W) uint16 segment ids from 0, about as many as `segments` and never more than 65535."""
    from skimage.segmentation import slic as segment

    segment_id = segment(image, n_segments=segments, compactness=compactness, sigma=sigma, start_label=0)
    return segment_id.astype(np.uint16)


def sam_superpixels(masks: Sequence[np.ndarray], shape: tuple[int, int], uncovered: Uncovered = 255) -> np.ndarray:
    """Paint masks (H, W) bool from the largest to the smallest, so that small ones win; ids are ranks by area, 0 = largest.

    Returns (H, W) uint16. Pixels under no mask are 65535, or with uncovered=0 belong to the largest mask as in Seal's
    files. Of equal areas the earlier mask ranks first. Raises BadLabels for masks of another size.
    """
    if len(masks) > NO_SEGMENT:
        raise BadLabels(f"masks: expected at most {NO_SEGMENT}, found {len(masks)}. Keep the largest ones.")
    for mask in masks:
        if mask.shape != shape or mask.dtype != np.bool_:
            raise BadLabels(
                f"mask: expected {shape} bool, the image's size, found {mask.shape} {mask.dtype}. "
                "These masks belong to another image."
            )
    largest_first = sorted(range(len(masks)), key=lambda k: -int(np.count_nonzero(masks[k])))
    segment_id = np.full(shape, 0 if uncovered == 0 else NO_SEGMENT, np.uint16)
    for rank, k in enumerate(largest_first):
        segment_id[masks[k]] = rank
    return segment_id


def read_masks(folder: Path) -> list[np.ndarray]:
    """The masks of one image, (H, W) bool each, by file name; non-zero pixels belong to the mask. Raises BadLabels."""
    return [decode_ids(content, str(path)) > 0 for path, content in _mask_files(folder).items()]


def _mask_files(folder: Path) -> dict[Path, bytes]:
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise BadLabels(f"{folder}: expected one PNG for each mask, found none. Correct folder or template.")
    try:
        return {path: path.read_bytes() for path in paths}
    except OSError as error:
        raise BadLabels(f"{folder}: expected readable masks, found: {error}. Fix their permissions.") from error
