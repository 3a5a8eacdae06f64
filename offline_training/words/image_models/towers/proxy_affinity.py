"""ProxyCLIP's affinity: patches that are similar to a self-supervised network share their values.

Tensors in, tensors out.
"""

import torch
from torch import Tensor
from torch.nn import functional

MEAN_FACTOR = 1.2  # similarities below this many times the mean count as dissimilar
SHARPNESS = 3.0


def proxy_weights(features: Tensor) -> Tensor:
    """(B, n, D) patch features -> (B, n, n) attention; rows sum to 1, exactly 0 between dissimilar patches.

    S = cosines, Z = (S - 1.2 mean(S)) * 3, softmax over entries not below 0 (ProxyCLIP). The mean is over each image's
    own matrix; over a batch, as published, an image's features would depend on the rest of the batch. A row's greatest
    entry is its own patch, so a row stays empty only where mean(S) > 1 / 1.2, a uniform image: each patch then attends
    to itself only.
    """
    directions = functional.normalize(features, dim=-1)
    similarity = directions @ directions.transpose(-1, -2)
    scores = (similarity - MEAN_FACTOR * similarity.mean(dim=(-2, -1), keepdim=True)) * SHARPNESS
    itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    return scores.masked_fill((scores < 0) & ~itself, -torch.inf).softmax(dim=-1)


def resized_values(values: Tensor, grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """Resample patch values (B, heads, h*w, D) bilinearly to another grid: (B, heads, h'*w', D)."""
    pictures = values.transpose(-1, -2).flatten(0, 1).unflatten(-1, grid)  # (B * heads, D, h, w)
    resized = functional.interpolate(pictures, new_grid, mode="bilinear", align_corners=False)
    return resized.flatten(2).transpose(1, 2).unflatten(0, values.shape[:2])
