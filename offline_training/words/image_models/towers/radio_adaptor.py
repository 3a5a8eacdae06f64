"""The language adaptor of a RADIO: the MLP that maps a summary into the space of words. Reads files."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.image.weight_file import load_weights, read_weight_file

_PART = "head_mlp."


class SummaryHead(nn.Module):
    """fc1, residual blocks, final; each of norm, GELU, Linear. Parameter names are those of published adaptors."""

    def __init__(self, sizes: tuple[int, int, int], blocks: int) -> None:
        """sizes: channels of input, hidden layers, output."""
        super().__init__()
        width, hidden, channels = sizes
        self.fc1 = nn.Linear(width, hidden)
        self.blocks = nn.ModuleList([_normed_linear(hidden, hidden) for _ in range(blocks)])
        self.final = _normed_linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., C)."""
        x = self.fc1(x)
        for block in self.blocks:
            x = x + block(x)
        return self.final(x)


def read_summary_head(path: Path, adaptor: str, width: int) -> SummaryHead:
    """The head of an adaptor from a file whose tensors are named ...head_mlp.fc1.weight and so on.

    adaptor: part of the name of the adaptor to use, if a file has several; width: of the network's tokens.
    Raises BadCheckpoint if there is none, several match, or it is of another kind.
    """
    heads: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in read_weight_file(path).items():
        before, found, own = name.rpartition(_PART)
        if found:
            heads[before][own] = tensor
    chosen = list(heads) if len(heads) == 1 else [before for before in heads if adaptor in before.split(".")]
    if len(chosen) != 1:
        raise BadCheckpoint(
            f"{path}: expected one adaptor named {adaptor!r} with tensors {_PART}fc1.weight and so on, found "
            f"{', '.join(sorted(each.rstrip('.') or 'one without a name' for each in heads)) or 'none'}. Save RADIO's "
            "adaptor.state_dict() as safetensors."
        )
    tensors = heads[chosen[0]]
    head = SummaryHead(_sizes(tensors, path, width), sum(name.endswith(".2.weight") for name in tensors) - 1)
    load_weights(head, tensors, path)
    return head.eval()


def _sizes(tensors: Mapping[str, Tensor], path: Path, width: int) -> tuple[int, int, int]:
    first, last = tensors.get("fc1.weight", torch.zeros(0)), tensors.get("final.2.weight", torch.zeros(0))
    if first.ndim != 2 or last.ndim != 2 or first.shape[1] != width:
        raise BadCheckpoint(
            f"{path}: expected {_PART}fc1.weight (hidden, {width}) and {_PART}final.2.weight (channels, hidden), found "
            f"{tuple(first.shape)} and {tuple(last.shape)}. Use the adaptor of this RADIO, without spectral "
            "reparametrisation."
        )
    return width, first.shape[0], last.shape[0]


def _normed_linear(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Linear(width, channels))
