"""Augmentation of the scans of stage 3: rooms as in 3DSS-VLG's recipe; streets rotated, flipped and scaled."""

import math

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.datasets.augment.point_augment import AugmentConfig, LabelledScan, moved
from offline_training.networks.base.point_backbone import Scan

# No shift and no jitter: rotation and scale already change the phase of the grid. The original flips with probability 0.95, then each
# axis with 0.5.
_INDOOR = AugmentConfig(
    yaw_rad=math.pi,
    tilt_rad=math.pi / 64,
    flip_probability=0.475,
    scale=(0.9, 1.1),
    shift_xy_m=0.0,
    shift_z_m=0.0,
    jitter_m=0.0,
)
_OUTDOOR = _INDOOR.model_copy(update={"tilt_rad": 0.0, "flip_probability": 0.5, "scale": (0.95, 1.05)})
_CONTRAST_PROBABILITY, _COLOUR_PROBABILITY = 0.2, 0.95
_TRANSLATION, _JITTER = (
    0.1,
    0.05,
)  # as shares of a channel's range: largest translation; standard deviation of the jitter
_SATURATION = 0.2  # at most, of what there is


def augment_scan(scan: Scan, kind: str, hue: float, rng: np.random.Generator) -> Scan:
    """A scan with augmented points and, indoors, colours.

    kind: indoor, outdoor or none; hue: largest hue shift, as a share of the circle.
    """
    if kind == "none":
        return scan
    xyz_m, intensity, *rgb = scan
    labelled = LabelledScan(xyz_m, intensity, np.full(len(xyz_m), IGNORE_ID, np.uint8))
    xyz_m = moved(labelled, _INDOOR if kind == "indoor" else _OUTDOOR, rng).xyz_m
    if not rgb:
        return xyz_m, intensity
    return xyz_m, intensity, with_colour_change(rgb[0], hue, rng) if kind == "indoor" else rgb[0]


def turned(scan: Scan, outdoor: bool, rng: np.random.Generator) -> Scan:
    """A scan rotated and scaled, but neither flipped nor recoloured: the authors' voxeliser does this in tests, too."""
    xyz_m, *others = scan
    place = (_OUTDOOR if outdoor else _INDOOR).model_copy(update={"flip_probability": 0.0})
    labelled = LabelledScan(xyz_m, scan[1], np.full(len(xyz_m), IGNORE_ID, np.uint8))
    return (moved(labelled, place, rng).xyz_m, *others)


def with_colour_change(rgb: np.ndarray, hue: float, rng: np.random.Generator) -> np.ndarray:
    """Auto-contrast, translation, jitter, then hue and saturation. rgb: (N, 3) uint8; returns the same shape and type."""
    colour = rgb.astype(np.float32) / 255.0
    if rng.random() < _CONTRAST_PROBABILITY:
        colour = _auto_contrast(colour, float(rng.random()))
    if rng.random() < _COLOUR_PROBABILITY:
        colour = colour + rng.uniform(-_TRANSLATION, _TRANSLATION, 3).astype(np.float32)
    if rng.random() < _COLOUR_PROBABILITY:
        colour = colour + _JITTER * rng.standard_normal(colour.shape, dtype=np.float32)
    colour = _turn_hue(np.clip(colour, 0.0, 1.0), rng.uniform(-hue, hue), 1 + rng.uniform(-_SATURATION, _SATURATION))
    return np.rint(255.0 * np.clip(colour, 0.0, 1.0)).astype(np.uint8)


def _auto_contrast(colour: np.ndarray, blend: float) -> np.ndarray:
    """Each channel stretched to 0..1 from its darkest to its brightest value, blended with the original."""
    low = colour.min(axis=0, initial=1.0)
    span = np.maximum(colour.max(axis=0, initial=0.0) - low, 1.0 / 255.0)
    return (1.0 - blend) * colour + blend * (colour - low) / span


def _turn_hue(colour: np.ndarray, turn: float, saturation: float) -> np.ndarray:
    from skimage.color import hsv2rgb, rgb2hsv

    if len(colour) == 0:
        return colour
    hsv = rgb2hsv(colour)
    hsv[:, 0] = (hsv[:, 0] + turn) % 1.0
    hsv[:, 1] = np.clip(hsv[:, 1] * saturation, 0.0, 1.0)
    return hsv2rgb(hsv)
