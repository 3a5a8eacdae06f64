"""A toy image teacher trained without classes: ESPNet learns to recognise an image location in another view of the image.

Two random crops of an image differ in size, colours and perhaps mirroring; a location in one must be nearer to the same
location in the other than to any location in other images (dense InfoNCE: Pinheiro et al., VADeR, NeurIPS 2020).
"""

import sys
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from offline_training.losses.info_nce import mean_or_zero
from offline_training.networks.image.espnet import ESPNet, normalise_for_espnet
from offline_training.toys.toy_teacher_config import ToyTeacherConfig

_CHANNELS = 32  # of what is compared
_TEMPERATURE = 0.2
_PLACES = 48  # of each image, per step
_SMALLEST_CROP = 0.5  # of a side
_SIZE_PX = (64, 96)  # height, width of a view


class _View(NamedTuple):
    """One crop of each of several images."""

    images: Tensor  # (B, 3, h, w) of 0..1
    grid: Tensor  # (B, 2, 3): from the view's own -1..1 to the image's


def taught_by_views(config: ToyTeacherConfig, pictures: Tensor) -> ESPNet:
    """An ESPNet trained on images (I, 3, H, W) uint8 only, in evaluation mode."""
    from tqdm import tqdm

    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    network = ESPNet(_CHANNELS).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on CPUs
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps)
    for _ in tqdm(range(config.steps), desc="toy teacher", unit="step", disable=not sys.stderr.isatty()):
        chosen = torch.randint(len(pictures), (config.batch_size,), generator=generator)
        images = pictures[chosen].float() / 255
        loss = view_contrast(network, _view(images, generator), _view(images, generator), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def view_contrast(network: ESPNet, one: _View, other: _View, generator: torch.Generator) -> Tensor:
    """InfoNCE of locations visible in both views, against locations in other images.

    Returns a scalar; 0 with a gradient path if the views share no location.
    """
    places, is_seen = _common_places(one.grid, other.grid, generator)
    features = []
    for view, place in zip((one, other), places, strict=True):
        seen = normalise_for_espnet(view.images).contiguous(memory_format=torch.channels_last)
        at = F.grid_sample(network(seen), place[:, None], align_corners=False)[:, :, 0]  # (B, C, N)
        features.append(F.normalize(at.transpose(1, 2), dim=2)[is_seen])  # (M, C)
    picture = torch.arange(len(is_seen))[:, None].expand_as(is_seen)[is_seen]
    logits = features[0] @ features[1].T / _TEMPERATURE
    own = torch.arange(len(logits))
    near = (picture[:, None] == picture[None]) & (own[:, None] != own[None])  # may show the same object
    return mean_or_zero(F.cross_entropy(logits.masked_fill(near, float("-inf")), own, reduction="none"))


def _common_places(one: Tensor, other: Tensor, generator: torch.Generator) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Random locations, (B, N, 2) of -1..1 in each view, and (B, N) whether the other view shows them."""
    in_one = torch.rand(len(one), _PLACES, 2, generator=generator) * 2 - 1
    in_picture = in_one @ one[:, :, :2].transpose(1, 2) + one[:, None, :, 2]
    in_other = (in_picture - other[:, None, :, 2]) @ torch.linalg.inv(other[:, :, :2]).transpose(1, 2)
    return (in_one, in_other), (in_other.abs() < 1).all(dim=2)


def _view(images: Tensor, generator: torch.Generator) -> _View:
    """A random crop of each of the images (B, 3, H, W), perhaps mirrored, with changed colours."""
    count = len(images)

    def drawn(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    share = drawn(_SMALLEST_CROP, 1.0)
    middle = drawn(-1.0, 1.0, 2) * (1 - share)[:, None]
    mirror = torch.where(drawn(0.0, 1.0) < 0.5, -1.0, 1.0)
    grid = torch.zeros(count, 2, 3)
    grid[:, 0, 0], grid[:, 1, 1], grid[:, :, 2] = share * mirror, share, middle
    sampled = F.grid_sample(
        images,
        F.affine_grid(grid, [count, 3, *_SIZE_PX], align_corners=False),
        padding_mode="reflection",
        align_corners=False,
    )
    coloured = sampled * drawn(0.6, 1.4, 1, 1, 1) * drawn(0.85, 1.15, 3, 1, 1)
    grey = coloured.mean(dim=1, keepdim=True)
    coloured = grey + drawn(0.2, 1.2, 1, 1, 1) * (coloured - grey)
    return _View(coloured.clamp(0, 1), grid)
