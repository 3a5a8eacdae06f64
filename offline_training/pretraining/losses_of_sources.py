"""The loss of each data set of a run on several, from time to time: which sensor is learned, and which is not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offline_training.pretraining.base.objective import Objective

PERIOD = 50  # steps between two measurements, which cost the heads and losses once more


def losses_of_sources(
    objective: Objective,
    features: Any,  # noqa: ANN401  as the objective's own
    teacher_map: Tensor | None,
    batch: Any,  # noqa: ANN401
    step: int,
    scans_of: Mapping[str, np.ndarray],
) -> dict[str, float]:
    """The objective's loss on the scans of each data set in this process's first batch of a step, alone.

    scans_of: by the data set's name, (B,) bool; none for a single data set. Empty between the steps of a measurement. The
    objective's state stays as it is. Every process has to call it, because an objective may ask the others.
    """
    if not scans_of or step % PERIOD:
        return {}
    stored = {name: tensor.clone() for name, tensor in objective.state_dict().items()}
    losses = {}
    for name, chosen in scans_of.items():
        generator = torch.Generator().manual_seed(step)
        with torch.no_grad():
            part = objective.of_scans(features, batch, torch.from_numpy(chosen))
            loss = objective(part[0], teacher_map, part[1], step, generator)["loss"]
        objective.load_state_dict(stored)
        if chosen.any():
            losses[f"loss_{name}"] = float(loss)
    return losses
