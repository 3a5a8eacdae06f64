"""Colours of figures on white paper and on a dark screen: ink, points by class, and points by right or wrong."""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable

INK_RGB = (33, 37, 41)  # text, scale bars, the vehicle
FAINT_RGB = (222, 226, 230)  # what stays behind the points: range rings
WRONG_RGB = (214, 30, 36)
RIGHT_RGB = (176, 180, 184)
UNKNOWN_RGB = (226, 228, 230)  # no answer of the network, or no truth to hold it against

_DARKEST = 90.0  # luma; darker class colours vanish on a dark screen
_LIGHTEST = 185.0  # luma; brighter class colours (nuScenes' manmade is lavender) vanish on white


def class_colors(classes: ClassTable) -> np.ndarray:
    """Colour of every class id: (256, 3) uint8; ids without a class, 255 among them, are light grey."""
    rgb = np.asarray(classes.colors_rgb, np.float64).reshape(-1, 3)
    luma = rgb @ (0.299, 0.587, 0.114)
    readable = rgb * np.minimum(1.0, _LIGHTEST / np.maximum(luma, 1.0))[:, None]
    table = np.tile(np.array(UNKNOWN_RGB, np.uint8), (256, 1))
    table[: len(readable)] = readable.round().astype(np.uint8)
    return table


def screen_colors(classes: ClassTable) -> np.ndarray:
    """Colour of every class: (K, 3) uint8, dark ones mixed with white until they stand out on a dark screen."""
    rgb = np.asarray(classes.colors_rgb, np.float64).reshape(-1, 3)
    luma = rgb @ (0.299, 0.587, 0.114)
    white = np.clip((_DARKEST - luma) / (255.0 - luma + 1e-9), 0.0, 1.0)[:, None]
    return np.asarray((rgb + white * (255.0 - rgb)).round(), np.uint8)


def error_colors(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour points by whether the answer is right: wrong ones red, right ones grey, as the papers draw it.

    prediction, truth: (N,) class ids; truth 255 is neither right nor wrong.
    Returns colours (N, 3) uint8 and priority (N,) int64, higher is drawn later, so that no error hides behind a right point.
    """
    known = truth != IGNORE_ID
    priority = np.where(known, np.where(prediction == truth, 1, 2), 0)
    return np.array((UNKNOWN_RGB, RIGHT_RGB, WRONG_RGB), np.uint8)[priority], priority
