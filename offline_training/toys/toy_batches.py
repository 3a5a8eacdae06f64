"""Training batches of the toy language model: random images, and some regions of each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.networks.image.toy_language import CELL_PX
from offline_training.toys.toy_regions import LabelledPicture

_BRIGHTNESS = (0.85, 1.15)  # small, because black and white are colours too


@dataclass(frozen=True)
class DrawnRegions:
    """Some regions of one image."""

    picture: LabelledPicture
    regions: np.ndarray  # (r,) int64


class BatchDraw:
    """Draws images so that each kind of region is equally likely: people take few pixels in few images."""

    def __init__(self, pictures: Sequence[LabelledPicture], regions_per_picture: int) -> None:
        self._pictures, self._regions_per_picture = pictures, regions_per_picture
        kinds = np.unique(np.concatenate([picture.kind for picture in pictures]))
        self._pictures_with = [
            np.flatnonzero([bool((picture.kind == kind).any()) for picture in pictures]) for kind in kinds
        ]

    def __call__(self, pictures: int, rng: np.random.Generator) -> list[DrawnRegions]:
        """Draw `count` images, sorted by size, and for each one region of each of some of its kinds, larger ones more likely."""
        return sorted((self._one(rng) for _ in range(pictures)), key=lambda drawn: drawn.picture.rgb.shape)

    def _one(self, rng: np.random.Generator) -> DrawnRegions:
        wanted = int(rng.integers(len(self._pictures_with)))
        picture = self._pictures[int(rng.choice(self._pictures_with[wanted]))]
        kinds = rng.permutation(np.unique(picture.kind))[: self._regions_per_picture]
        weight = [np.sqrt(picture.area_px) * (picture.kind == kind) for kind in kinds]
        chosen = [int(rng.choice(len(each), p=each / each.sum())) for each in weight]
        return DrawnRegions(picture, np.array(chosen, np.int64))


@dataclass(frozen=True)
class PictureBatch:
    """Images of one size as network input."""

    images: Tensor  # (I, 3, H, W) of 0..1
    drawn: list[DrawnRegions]
    flipped: list[bool]


def picture_batches(drawn: Sequence[DrawnRegions], rng: np.random.Generator) -> list[PictureBatch]:
    """Group neighbours of one size, flipped and slightly brightened at random."""
    batches = []
    begin = 0
    for end in range(1, len(drawn) + 1):
        if end < len(drawn) and drawn[end].picture.rgb.shape == drawn[begin].picture.rgb.shape:
            continue
        members = list(drawn[begin:end])
        flipped = [bool(rng.random() < 0.5) for _ in members]
        seen = [
            each.picture.rgb[:, ::-1] if flip else each.picture.rgb for each, flip in zip(members, flipped, strict=True)
        ]
        images = torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2).float() / 255
        brightness = torch.from_numpy(rng.uniform(*_BRIGHTNESS, (len(members), 1, 1, 1)).astype(np.float32))
        batches.append(PictureBatch((images * brightness).clamp(0, 1), members, flipped))
        begin = end
    return batches


def region_cover(drawn: DrawnRegions, flip: bool) -> Tensor:
    """(r, cells) share of each region in each cell of its image; rows sum to 1."""
    region = torch.from_numpy(drawn.picture.region[:, ::-1].copy() if flip else drawn.picture.region)
    inside = (region[None] == torch.from_numpy(drawn.regions)[:, None, None]).float()
    height, width = (max(1, round(side / CELL_PX)) for side in region.shape)
    cover = F.adaptive_avg_pool2d(inside[None], (height, width))[0].flatten(1)
    return cover / cover.sum(dim=1, keepdim=True)
