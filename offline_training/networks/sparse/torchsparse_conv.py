"""Submanifold convolution by torchsparse 2.1, where it is installed and the tensors are on CUDA: same weights, same numbers.

torchsparse builds its kernel maps on the GPU itself; they are kept with the coordinates, one per level and batch.
"""

import importlib.util
from typing import Any

import torch
from torch import Tensor

# Kernel maps by the identity of a level's coordinates; one batch at a time is alive, so a few entries are enough.
_CACHES: dict[int, tuple[Tensor, Any]] = {}
_LEVELS_KEPT = 16


def is_available() -> bool:
    """True where torchsparse can be imported and a CUDA device is there."""
    return torch.cuda.is_available() and importlib.util.find_spec("torchsparse") is not None


def submanifold_conv(x: Tensor, weight: Tensor, coords: Tensor) -> Tensor:
    """x: (N, C_in); weight: (27 or 125, C_in, C_out), ours; coords: (N, 4) int32 batch, x, y, z. Returns (N, C_out)."""
    from torchsparse import SparseTensor
    from torchsparse.nn.functional import conv3d

    sparse = SparseTensor(coords=coords, feats=x)
    sparse._caches = _caches_of(coords, sparse._caches)
    ordered = to_torchsparse_order(weight)
    return conv3d(sparse, ordered, kernel_size=_side(weight), training=torch.is_grad_enabled()).feats


def to_torchsparse_order(weight: Tensor) -> Tensor:
    """Offsets with z fastest (ours) to offsets with x fastest (torchsparse's odd kernels). weight: (27 or 125, C_in, C_out)."""
    return weight.reshape(*[_side(weight)] * 3, *weight.shape[1:]).permute(2, 1, 0, 3, 4).reshape(weight.shape)


def _side(weight: Tensor) -> int:
    return {27: 3, 125: 5}[len(weight)]


def _caches_of(coords: Tensor, fresh: Any) -> Any:  # noqa: ANN401  torchsparse's TensorCache
    kept = _CACHES.get(id(coords))
    if kept is not None and kept[0] is coords:
        return kept[1]
    while len(_CACHES) >= _LEVELS_KEPT:
        _CACHES.pop(next(iter(_CACHES)))
    _CACHES[id(coords)] = (coords, fresh)
    return fresh
