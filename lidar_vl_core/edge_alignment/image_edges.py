"""Edges of an image, by how much each stands out from its surroundings."""

from dataclasses import dataclass

import numpy as np

_SMOOTHED_PX = 1.0  # grain of the sensor
_AROUND_PX = 41
_FLAT = 0.02  # of the strongest edge: what is weaker everywhere around is no edge
_WIDTH_PX = 1.5  # an edge is felt so far beside it


@dataclass(frozen=True, eq=False)
class ImageEdges:
    """How strongly brightness changes at each pixel, as standard scores of the image."""

    upright: np.ndarray  # (H, W) float32, of changes from left to right
    level: np.ndarray  # (H, W) float32, of changes from top to bottom


def image_edges(rgb: np.ndarray, width: int, height: int) -> ImageEdges:
    """Edges of an image (H, W, 3) uint8, reduced to width x height."""
    from PIL import Image
    from scipy import ndimage

    small = Image.fromarray(rgb).convert("L").resize((width, height), Image.Resampling.BOX)
    grey = ndimage.gaussian_filter(np.asarray(small, np.float32), _SMOOTHED_PX)
    return ImageEdges(*(_standing_out(np.abs(ndimage.sobel(grey, axis))) for axis in (1, 0)))


def _standing_out(strength: np.ndarray) -> np.ndarray:
    """Near 1 where an edge is much stronger than its surroundings, whatever the contrast of the scene; as standard scores."""
    from scipy import ndimage

    around = ndimage.uniform_filter(strength, _AROUND_PX) + _FLAT * strength.max() + 1e-3
    felt = ndimage.gaussian_filter(strength / (strength + around), _WIDTH_PX)
    return ((felt - felt.mean()) / (felt.std() + 1e-6)).astype(np.float32)
