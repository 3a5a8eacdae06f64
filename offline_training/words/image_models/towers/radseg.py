"""RADSeg's two attentions of tokens to similar tokens. Tensors in, tensors out."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SHARPNESS = 10.0


def plain(q: Tensor, k: Tensor, v: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
    """project(softmax(q k^T) v): attention as the network was trained. q, k, v (B, heads, n, D) -> (B, n, width)."""
    weights = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).softmax(dim=-1)
    return project((weights @ v).transpose(1, 2).flatten(2))


def self_correlated(q: Tensor, k: Tensor, v: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
    """SCRA: tokens with similar plain outputs, head by head, share their values once more. Shapes as of plain().

    o = plain(q, k, v); softmax over the entries of 10 cos(o, o) not below 0; project(weights v).
    """
    answers = plain(q, k, v, project).unflatten(-1, (q.shape[1], -1)).transpose(1, 2)
    directions = functional.normalize(answers, dim=-1)
    weights = _weights(directions @ directions.transpose(-1, -2))
    return project((weights @ v).transpose(1, 2).flatten(2))


def globally_aggregated(features: Tensor) -> Tensor:
    """SCGA: cells (n, D) of a whole image -> means over similar cells: softmax over entries of 10 (S - mean(S)) not below 0."""
    directions = functional.normalize(features, dim=-1)
    similarity = directions @ directions.T
    return _weights(similarity - similarity.mean()) @ features


def _weights(scores: Tensor) -> Tensor:
    """Softmax whose rows sum to 1; the diagonal is always kept, as only rounding can push it below 0."""
    itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    return (SHARPNESS * scores).masked_fill((scores < 0) & ~itself, -torch.inf).softmax(dim=-1)
