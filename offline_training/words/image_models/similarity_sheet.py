"""A sheet that shows how well the words of a table locate objects in a few images. Writes a PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.words.text_table import TextTable
from offline_training.datasets.base.picture_resize import resized_rgb
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.base.refinement import class_scores, prompt_cosines

_WIDTH_PX = 240  # of one panel
_TITLE_PX = 16
_PANELS_A_LINE = 8


def write_similarity_sheet(path: Path, model: DenseImageModel, images: Sequence[np.ndarray], table: TextTable) -> None:
    """One block for each image: the image, its class map in the table's colours, and its cosines to every prompt.

    Cosines of one image share one scale, given in the title. Raises BadTextTable for a table of another width.
    images: (H, W, 3) uint8 each.
    """
    from offline_training.weak_labels.preview import contact_sheet

    write_bytes(path, contact_sheet([_block(model, image, table) for image in images], table.class_table))


def _block(model: DenseImageModel, image: np.ndarray, table: TextTable) -> np.ndarray:
    """(h, w, 3) uint8 block of one image."""
    size = (max(round(image.shape[0] * _WIDTH_PX / image.shape[1]), 1), _WIDTH_PX)
    small = resized_rgb(image, size)
    class_id = _enlarged(class_scores(model, image, table), size).argmax(axis=0)
    colors = table.colors_rgb[class_id]
    blended = (0.35 * small + 0.65 * colors).astype(np.uint8)
    cosines = _enlarged(prompt_cosines(model, image, table), size)
    lowest, highest = float(cosines.min()), float(cosines.max())
    panels = [_titled(small, f"cosines {lowest:.2f} to {highest:.2f}"), _titled(blended, "best class")]
    scaled = (cosines - lowest) / max(highest - lowest, 1e-6)
    panels += [_titled(_heat(each), prompt) for each, prompt in zip(scaled, table.prompts, strict=True)]
    return _in_lines(panels)


def _in_lines(panels: list[np.ndarray]) -> np.ndarray:
    """Panels of one size from left to right, eight per line; the last line is padded with white."""
    columns = min(len(panels), _PANELS_A_LINE)
    panels = panels + [np.full_like(panels[0], 255)] * (-len(panels) % columns)
    return np.vstack([np.hstack(panels[first : first + columns]) for first in range(0, len(panels), columns)])


def _enlarged(cells: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(n, h, w) -> (n, *size), bilinear."""
    large = torch.nn.functional.interpolate(cells[None], size, mode="bilinear", align_corners=False)
    return large[0].float().cpu().numpy()


def _heat(value: np.ndarray) -> np.ndarray:
    """(H, W) 0..1 -> (H, W, 3) uint8."""
    from matplotlib import colormaps

    return colormaps["turbo"](value, bytes=True)[..., :3]


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (picture.shape[1], _TITLE_PX), (255, 255, 255))
    ImageDraw.Draw(strip).text((3, 2), title, fill=(30, 30, 30))
    return np.vstack([np.asarray(strip), picture])
