"""Ways to read the last block of a CLIP ViT so that each patch keeps its own meaning: tensors in, tensors out.

q, k, v: (B, heads, 1 + h*w, D), projections of the normalised tokens, the class token first. Scores are scaled by D **
-0.5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Grid = tuple[int, int]  # rows h and columns w of patches
GAUSSIAN_STD_PATCHES = 5.0  # NACLIP


@dataclass(frozen=True)
class Reading:
    """What replaces the block's attention, and whether the rest of the block remains."""

    attend: Callable[[Tensor, Tensor, Tensor, Grid], Tensor]  # q, k, v, grid -> (B, heads, 1 + h*w, D)
    keeps_residual: bool  # the residual around the attention, and the MLP after it with its own


def plain(q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
    """softmax(q k^T) v: CLIP as it was trained. q, k, v: (..., tokens, C), as the result."""
    return _weights(q, k) @ v


def maskclip(q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
    """Each token keeps its own value (MaskCLIP)."""
    return v


def sclip(q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
    """(softmax(q q^T) + softmax(k k^T)) v: the sum, whose rows sum to 2 (SCLIP)."""
    return (_weights(q, q) + _weights(k, k)) @ v


def clearclip(q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
    """softmax(q q^T) v (ClearCLIP)."""
    return _weights(q, q) @ v


def naclip(q: Tensor, k: Tensor, v: Tensor, grid: Grid) -> Tensor:
    """softmax(k k^T + window) v, where the window favours each patch's neighbours (NACLIP)."""
    return neighbour_weights(k, grid) @ v


def neighbour_weights(k: Tensor, grid: Grid) -> Tensor:
    """NACLIP's attention (B, heads, 1 + h*w, 1 + h*w); rows sum to 1."""
    return _weights(k, k, gaussian_window(grid).to(k))


def gaussian_window(grid: Grid, std_patches: float = GAUSSIAN_STD_PATCHES) -> Tensor:
    """(1 + h*w, 1 + h*w): exp(-d^2 / (2 std^2)) between patches d apart, 0 in the class token's row and column."""
    rows, columns = torch.meshgrid(*(torch.arange(length, dtype=torch.float32) for length in grid), indexing="ij")
    place = torch.stack([rows.flatten(), columns.flatten()], dim=1)  # (h*w, 2)
    squared = (place[:, None] - place[None]).square().sum(dim=-1)  # of whole numbers: exact
    window = torch.zeros(1 + len(place), 1 + len(place))
    window[1:, 1:] = torch.exp(-squared / (2.0 * std_patches**2))
    return window


def _weights(a: Tensor, b: Tensor, added: Tensor | None = None) -> Tensor:
    scores = (a * a.shape[-1] ** -0.5) @ b.transpose(-1, -2)
    return (scores if added is None else scores + added).softmax(dim=-1)


READINGS = {
    "plain": Reading(plain, keeps_residual=True),
    "maskclip": Reading(maskclip, keeps_residual=True),
    "sclip": Reading(sclip, keeps_residual=True),
    "clearclip": Reading(clearclip, keeps_residual=False),
    "naclip": Reading(naclip, keeps_residual=False),
}
