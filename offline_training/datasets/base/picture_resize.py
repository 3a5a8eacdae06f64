"""Images, id maps and pixels through one change of window and size, so that each pixel stays on what it showed."""

from typing import Literal

import numpy as np

Window = tuple[int, int, int, int]  # left, top, width, height in pixels
PixelRule = Literal["centre", "rounded", "floor"]  # where a pixel goes, see moved_pixels


def resized_rgb(
    rgb: np.ndarray, size: tuple[int, int], window: Window | None = None, antialias: bool = True
) -> np.ndarray:
    """A window of an (H, W, 3) uint8 image at another size (height, width): bilinear.

    antialias: averaged where it shrinks; else of four pixels each, as torchvision resizes tensors unless told otherwise before 0.17.
    """
    part = _cut(rgb, window)
    if part.shape[:2] == size:
        return part
    import torch  # here, so that configurations are read without it
    import torch.nn.functional as F

    # On (1, 3, h, w) bytes whose memory is (h, w, 3) torch is 3 to 4 times as fast as Pillow.
    writable = part if part.flags.writeable else part.copy()  # decoders give read-only images; torch warns of them
    channels_first = torch.from_numpy(writable)[None].permute(0, 3, 1, 2)
    if not antialias:  # torch adds bytes up in fixed point then, and errs by whole steps
        channels_first = channels_first.float()
    resized = F.interpolate(channels_first, size, mode="bilinear", align_corners=False, antialias=antialias)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).round().to(torch.uint8).numpy())


def resized_ids(ids: np.ndarray, size: tuple[int, int], window: Window | None = None) -> np.ndarray:
    """A window of an (H, W) map of ids at another size: each pixel takes the id under its centre."""
    part = _cut(ids, window)
    if part.shape == size:
        return part
    row, column = (
        (2 * np.arange(new) + 1) * old // (2 * new)  # whole numbers: a half is not left to rounding
        for new, old in zip(size, part.shape, strict=True)
    )
    return part[row[:, None], column]


def moved_pixels(
    pixel_uv: np.ndarray, window: Window, size: tuple[int, int], rule: PixelRule = "centre"
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (P, 2) of an image -> pixels (P, 2) int32 of the resized window, inside (P,) bool; those outside come back as (0, 0).

    rule: `centre`, the pixel that holds the centre of the old one; `rounded`, column and row times the scale, rounded, as SLidR
    and OLIVINE crop (inside is what lies in the new image then); `floor`, the same rounded down, as ScaLR resizes.
    """
    left, top, width, height = window
    shifted = pixel_uv - np.array([left, top])
    inside = ((shifted >= 0) & (shifted < (width, height))).all(axis=1)
    new = np.array([size[1], size[0]])
    if rule == "centre":
        moved = (2 * shifted + 1) * new // (2 * width, 2 * height)
    elif rule == "floor":
        moved = shifted * new // (width, height)
    else:
        moved = np.round(shifted * (new / (width, height))).astype(np.int64)
        inside = ((moved >= 0) & (moved < new)).all(axis=1)
    moved = moved.astype(np.int32)
    moved[~inside] = 0
    return moved, inside


def _cut(picture: np.ndarray, window: Window | None) -> np.ndarray:
    if window is None:
        return picture
    left, top, width, height = window
    return picture[top : top + height, left : left + width]
