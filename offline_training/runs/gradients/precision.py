"""In which numbers a run computes: autocast to half precision, and the scale that keeps gradients in float16's range."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

_FIRST_SCALE, _SMALLEST_SCALE, _LARGEST_SCALE = 2.0**16, 1.0, 2.0**24
_STEPS_TO_GROW = 2000  # good ones in a row


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Autocast of a precision as configurations name it, auto included: bfloat16 on CUDA, nothing on a CPU."""
    if precision == "auto":
        precision = "bf16-mixed" if device.type == "cuda" else "32-true"
    dtype = torch.float16 if precision == "16-mixed" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "32-true")


class LossScale:
    """Factor of the loss before the backward pass, for float16, whose smallest number is 6e-8; else 1.

    It is halved by every gradient that is too large, a step that is left out then, and doubled by 2,000 good steps in a row
    (Micikevicius et al., ICLR 2018). All processes see the same gradient and so have the same scale.
    """

    def __init__(self, value: float, is_used: bool) -> None:
        self.value, self.is_used, self.good_steps = value, is_used, 0

    @classmethod
    def of(cls, precision: str) -> "LossScale":
        """For a precision as configurations name it."""
        is_used = precision == "16-mixed"
        return cls(_FIRST_SCALE if is_used else 1.0, is_used)

    @property
    def can_shrink(self) -> bool:
        """Whether a gradient that is not finite may be the scale's fault."""
        return self.is_used and self.value > _SMALLEST_SCALE

    def take_out(self, gradients: Iterable[Tensor]) -> None:
        """Divide gradients, of any shape, by the scale, in place."""
        if self.is_used:
            for gradient in gradients:
                gradient.div_(self.value)

    def update(self, is_bad: bool) -> None:
        """After a step: was its loss or gradient not finite?"""
        if not self.is_used:
            return
        self.good_steps = 0 if is_bad else self.good_steps + 1
        if is_bad:
            self.value = max(self.value / 2.0, _SMALLEST_SCALE)
        elif self.good_steps == _STEPS_TO_GROW:
            self.value, self.good_steps = min(self.value * 2.0, _LARGEST_SCALE), 0

    def numbers(self) -> dict[str, float]:
        """The numbers for the log."""
        return {"loss_scale": self.value} if self.is_used else {}

    def to_state(self) -> dict[str, float]:
        """For a checkpoint's state."""
        return {"loss_scale": self.value, "loss_scale_good_steps": self.good_steps} if self.is_used else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what to_state() returned."""
        if self.is_used:
            self.value, self.good_steps = state["loss_scale"], state["loss_scale_good_steps"]
