"""DepthContrast (Zhang et al., ICCV 2021): whole scans told apart, with a slow second encoder and a queue of its answers."""

import torch
from torch import Tensor, nn

from offline_training.losses.info_nce import at_least_float32, mean_or_zero, similarity_logits


class KeyQueue(nn.Module):
    """The newest `length` keys of earlier batches, the negatives of instance_contrastive; it lies in checkpoints."""

    keys: Tensor
    filled: Tensor
    place: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(length, dim))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))  # of the next key
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def negatives(self) -> Tensor:
        """(Q, C) keys held so far; a copy, as the queue moves on before the backward pass."""
        return self.keys[: int(self.filled)].clone()

    @torch.no_grad()
    def push(self, key: Tensor) -> None:
        """Take in the (B, C) keys of a batch, in place of the oldest ones."""
        length = len(self.keys)
        newest = key[-length:].detach().to(self.keys.dtype)
        slots = (self.place + torch.arange(len(newest), device=self.keys.device)) % length
        self.keys[slots] = newest
        self.place.copy_((self.place + len(newest)) % length)
        self.filled.copy_((self.filled + len(newest)).clamp_max(length))


def instance_contrastive(query: Tensor, key: Tensor, negatives: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE of each scan's query with its own key against the queue's keys (eq. 1).

    query, key: (B, C), unit rows, row i of both is one scan; negatives: (Q, C). No gradient goes into the keys.
    Returns a scalar; without scans 0, with a gradient path.
    """
    own = (at_least_float32(query) * at_least_float32(key).detach()).sum(dim=1, keepdim=True) / temperature
    logits = torch.cat([own, similarity_logits(query, negatives.detach(), temperature)], dim=1)
    return mean_or_zero(logits.logsumexp(dim=1) - own.squeeze(1))


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, momentum: float = 0.999) -> None:
    """Move the weights of the key encoder towards those of the query encoder, slow = momentum slow + (1 - momentum) fast."""
    for behind, ahead in zip(slow.parameters(), fast.parameters(), strict=True):
        behind.lerp_(ahead, 1.0 - momentum)
