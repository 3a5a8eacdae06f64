"""Decoded images cached on disk at the size at which training reads them. Touches the disk.

Six PandaSet images take 140 ms to decode and shrink to a width of 480 pixels, 5 ms from this cache.
"""

import hashlib
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.files import atomic_writer
from offline_training.datasets.base.picture_resize import resized_rgb
from offline_training.pretraining.views.bounded_folder import BoundedFolder


class PictureCache:
    """Caches images by file content and size, so that a changed file is decoded again, as is a damaged copy."""

    def __init__(self, folder: Path, max_bytes: int = 20_000_000_000) -> None:
        self._folder = BoundedFolder(Path(folder), "*/*.npy", max_bytes)

    def __call__(self, view: CameraView, size: tuple[int, int]) -> np.ndarray:
        """A view's image at a size (height, width): (h, w, 3) uint8. Views without an image file are not cached."""
        if view.read_bytes is None:
            return decoded(view, size)
        name = hashlib.sha256(f"{size[0]}x{size[1]} ".encode() + view.read_bytes()).hexdigest()[:32]
        path = self._folder.folder / name[:2] / f"{name}.npy"
        kept = _read(path)
        if kept is not None and kept.shape == (*size, 3) and kept.dtype == np.uint8:
            return kept
        rgb = decoded(view, size)
        if self._folder.takes(rgb.nbytes):
            with atomic_writer(path) as handle:
                np.save(handle, rgb, allow_pickle=False)
            self._folder.wrote(path)
        return rgb


def decoded(view: CameraView, size: tuple[int, int]) -> np.ndarray:
    """A view's image at a size (height, width): (h, w, 3) uint8."""
    return resized_rgb(view.load_rgb(), size)


def _read(path: Path) -> np.ndarray | None:
    """The image in a file; None if it is missing or damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
