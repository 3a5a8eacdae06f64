"""The batch of one step: one part, or several whose gradients make one step, for large batches where memory holds small ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Parts:
    """The parts, each a batch of the trainer's own kind: tensors in dataclasses, tuples and lists."""

    parts: tuple[Any, ...]

    def to(self, device: torch.device | str) -> "Parts":
        """On another device; from pinned memory the copies run beside what is computed."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Parts":
        """In memory that a CUDA device copies from by itself. DataLoader's thread for it calls this."""
        return self._changed(lambda tensor: tensor.pin_memory())

    def _changed(self, change: Callable[[Tensor], Tensor]) -> "Parts":
        return Parts(tuple(_changed(part, change) for part in self.parts))


def in_parts(collate: Callable[[Sequence[Any]], Any], accumulate: int) -> Callable[[Sequence[Any]], Parts]:
    """A collate for so many equal parts of the samples of a step; picklable."""
    return partial(_in_parts, collate=collate, accumulate=accumulate)


def _in_parts(samples: Sequence[Any], collate: Callable[[Sequence[Any]], Any], accumulate: int) -> Parts:
    size = len(samples) // accumulate
    return Parts(tuple(collate(samples[number * size : (number + 1) * size]) for number in range(accumulate)))


def _changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401
    """The value with its tensors changed; the value itself, with what it has computed, where none of them is another."""
    if isinstance(value, Tensor):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        before = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        after = {name: _changed(each, change) for name, each in before.items()}
        return value if all(after[name] is before[name] for name in before) else replace(value, **after)
    if isinstance(value, tuple | list):
        items = [_changed(each, change) for each in value]
        if all(one is other for one, other in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
