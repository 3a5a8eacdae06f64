"""A sheet of a few images with their labels and superpixels, for visual inspection."""

from collections.abc import Sequence

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.drawing.figures import png_bytes
from offline_training.weak_labels.store.label_store import LabelStore

_WIDTH_PX = 480  # of one image on the sheet
_LINE_PX = 18
_UNCOVERED_RGB, _BORDER_RGB = (255, 255, 255), (255, 255, 0)


def contact_sheet(rows: Sequence[np.ndarray], classes: ClassTable | None) -> bytes:
    """A PNG of rows of `sheet_row`, (H, W, 3) uint8 each, with a class legend below."""
    from PIL import Image

    width = max((row.shape[1] for row in rows), default=_WIDTH_PX)
    blocks = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    if classes is not None:
        blocks.append(_legend(classes, width))
    return png_bytes(Image.fromarray(np.vstack(blocks)))


def sheet_row(view: CameraView, store: LabelStore, classes: ClassTable | None, superpixels: bool) -> np.ndarray:
    """(h, w, 3) uint8: an image, its coloured labels unless classes is None, and its superpixels.

    Raises BadLabels if the view has none.
    """
    rgb = _small(view.load_rgb(), nearest=False)
    panels = [rgb]
    if classes is not None:
        class_id = _small(store.read_class_id(view), nearest=True)
        colors = np.where((class_id == IGNORE_ID)[..., None], np.array(_UNCOVERED_RGB), classes.colorize(class_id))
        panels.append((0.35 * rgb + 0.65 * colors).astype(np.uint8))
    if superpixels:
        segment = _small(store.read_superpixels(view), nearest=True)
        border = np.zeros(segment.shape, bool)
        border[:, 1:] |= segment[:, 1:] != segment[:, :-1]
        border[1:] |= segment[1:] != segment[:-1]
        panels.append(np.where(border[..., None], np.array(_BORDER_RGB, np.uint8), rgb))
    return np.hstack(panels)


def _small(picture: np.ndarray, nearest: bool) -> np.ndarray:
    """Scale to the sheet's width; ids by nearest neighbour."""
    from PIL import Image

    height = max(round(picture.shape[0] * _WIDTH_PX / picture.shape[1]), 1)
    if nearest:
        row = np.arange(height) * picture.shape[0] // height
        column = np.arange(_WIDTH_PX) * picture.shape[1] // _WIDTH_PX
        return picture[row[:, None], column]
    return np.asarray(Image.fromarray(picture).resize((_WIDTH_PX, height)))


def _legend(classes: ClassTable, width: int) -> np.ndarray:
    from PIL import Image, ImageDraw

    names = [*classes.names, "uncovered"]
    colors = [*map(tuple, classes.colors_rgb.tolist()), _UNCOVERED_RGB]
    columns = max(width // 200, 1)
    lines = -(-len(names) // columns)
    sheet = Image.new("RGB", (width, lines * _LINE_PX + 6), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    for place, (name, color) in enumerate(zip(names, colors, strict=True)):
        x, y = 4 + 200 * (place % columns), 4 + _LINE_PX * (place // columns)
        draw.rectangle((x, y, x + 24, y + _LINE_PX - 6), fill=color, outline=(120, 120, 120))
        draw.text((x + 30, y), name, fill=(30, 30, 30))
    return np.asarray(sheet)
