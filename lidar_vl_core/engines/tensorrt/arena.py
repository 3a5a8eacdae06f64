"""Where tensors are in one block of memory, so that one copy moves them all."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_ALIGNED_TO = 256  # bytes, as CUDA's own allocations


@dataclass(frozen=True)
class Slot:
    """One tensor's place."""

    offset: int  # bytes from the start of the block
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


def packed(tensors: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> tuple[dict[str, Slot], int]:
    """A place for each tensor, one after the other, and the bytes they take together."""
    slots, end = {}, 0
    for name, (shape, dtype) in tensors.items():
        slots[name] = Slot(end, shape, dtype)
        end += -(-max(slots[name].size, 1) // _ALIGNED_TO) * _ALIGNED_TO
    return slots, end


def view(address: int, slot: Slot) -> np.ndarray:
    """The tensor, in its slot's shape, at its place in a block of the host's memory; no copy."""
    block = (ctypes.c_byte * slot.size).from_address(address + slot.offset)
    return np.frombuffer(memoryview(block), slot.dtype).reshape(slot.shape)
