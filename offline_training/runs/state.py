"""What every training run keeps to go on exactly: the optimiser's tensors, and how many steps had to be left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.runs.checkpoint import Checkpoint, weights_of

_PREFIX = "optimizer"
_MAX_BAD_STEPS = 10  # in a row: then it is no accident


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser by dotted name, for a checkpoint; shapes are those of the parameters."""
    return {
        f"{_PREFIX}.{number}.{name}": tensor
        for number, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
        if tensor is not None
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, start: Checkpoint) -> None:
    """Give an optimiser the state that optimizer_tensors() put into a checkpoint."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in weights_of(start, _PREFIX).items():
        number, _, key = name.partition(".")
        states.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def give_rate(optimizer: torch.optim.Optimizer, rate: float) -> float:
    """Set the learning rate of all parameters; returns it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


@dataclass
class BadSteps:
    """Steps that were left out since their loss or gradient was not finite."""

    count: int = 0
    in_a_row: int = 0

    def add(self, step: int, folder: Path) -> None:
        """Count one; raises BadConfig, naming the last checkpoint of `folder`, when too many came in a row."""
        self.count += 1
        self.in_a_row += 1
        if self.in_a_row == _MAX_BAD_STEPS:
            raise BadConfig(
                f"step {step}: expected a finite loss and gradient, found none in {_MAX_BAD_STEPS} steps in a row. "
                f"{folder / 'last.json'} is older: lower learning_rate, or check the data of these steps."
            )

    def end_row(self) -> None:
        """End the row of steps with bad gradients."""
        self.in_a_row = 0

    def to_state(self) -> dict[str, int]:
        """For a checkpoint's state."""
        return {"bad_steps": self.count, "bad_in_a_row": self.in_a_row}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "BadSteps":
        """Restore what to_state() returned."""
        return cls(state["bad_steps"], state["bad_in_a_row"])
