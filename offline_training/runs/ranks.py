"""Several processes that train one network: who is who, and what they exchange. One process alone needs nothing of it."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Ranks:
    """Place of this process among all, as torchrun gives it."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0  # on its machine: which GPU it has


@contextmanager
def joined_ranks(uses_cuda: bool) -> Iterator[Ranks]:
    """Join the processes that torchrun started, if it did: NCCL on CUDA, gloo on the CPU."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    ranks = Ranks(int(os.environ["RANK"]), count, int(os.environ["LOCAL_RANK"]))
    if uses_cuda:
        torch.cuda.set_device(ranks.local_rank)
    distributed.init_process_group("nccl" if uses_cuda else "gloo")
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()


def are_joined() -> bool:
    """Whether there is another process."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one message.

    The same parameters have a gradient in every process: losses keep their gradient path when they have nothing to say.
    """
    if not are_joined():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set in any process; all of them hear the same answer."""
    return bool(largest_over_ranks(int(flag), device))


def largest_over_ranks(number: int, device: torch.device) -> int:
    """The largest of all processes' numbers; all of them hear the same answer."""
    if not are_joined():
        return number
    told = torch.tensor(number, device=device)
    distributed.all_reduce(told, distributed.ReduceOp.MAX)
    return int(told)


def mean_over_ranks(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Scalars by name, averaged over the processes; all processes have the same names."""
    values = torch.stack([loss.detach().double() for loss in losses.values()])
    if are_joined():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()
    return dict(zip(losses, values.tolist(), strict=True))


def gather_rows(rows: Tensor) -> Tensor:
    """(P_all, ...) rows (P, ...) of all processes in their order, with a gradient; alone, the rows themselves.

    Every process has to call it and to use the result in the same loss: backward sums the gradients of all of them, and
    average_gradients divides, which gives the gradient of that loss over the joined batch.
    """
    return _GatherRows.apply(rows) if are_joined() else rows


class _GatherRows(torch.autograd.Function):
    """all_gather of unequal lengths, by filling up to the longest."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:  # noqa: ANN401
        lengths = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(distributed.get_world_size())]
        distributed.all_gather(lengths, torch.tensor([len(rows)], device=rows.device))
        context.lengths = [int(length) for length in lengths]
        padded = rows.new_zeros((max(context.lengths), *rows.shape[1:]))
        padded[: len(rows)] = rows
        gathered = [torch.empty_like(padded) for _ in lengths]
        distributed.all_gather(gathered, padded)
        return torch.cat([part[:length] for part, length in zip(gathered, context.lengths, strict=True)])

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total.split(context.lengths)[distributed.get_rank()]
