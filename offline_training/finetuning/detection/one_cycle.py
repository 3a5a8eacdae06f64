"""Adam over one cycle of the learning rate (Smith 2018), as OpenPCDet's adam_onecycle trains detectors with."""

import math
from collections.abc import Iterable

import torch

_RISE = 0.4  # share of the steps in which the rate rises, from a tenth of its peak
_DIVISOR, _LAST_DIVISOR = 10.0, 1e4  # peak over first rate, first rate over last
_MOMENTUM, _MOMENTUM_AT_PEAK = 0.95, 0.85
_SECOND_MOMENT = 0.99


def build_optimizer(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Adam whose decay is taken off the weights, those of norms among them."""
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=(_MOMENTUM, _SECOND_MOMENT), weight_decay=weight_decay)


def one_cycle(step: int, steps: int, peak: float) -> tuple[float, float]:
    """Learning rate and momentum of a step: half a cosine up, half a cosine down, the momentum against it."""
    done, first = step / steps, peak / _DIVISOR
    if done < _RISE:
        return _between(first, peak, done / _RISE), _between(_MOMENTUM, _MOMENTUM_AT_PEAK, done / _RISE)
    fallen = (done - _RISE) / (1.0 - _RISE)
    return _between(peak, first / _LAST_DIVISOR, fallen), _between(_MOMENTUM_AT_PEAK, _MOMENTUM, fallen)


def set_cycle(optimizer: torch.optim.Optimizer, step: int, steps: int, peak: float) -> float:
    """Give an optimiser the rate and the momentum of a step; returns the rate."""
    rate, momentum = one_cycle(step, steps, peak)
    for group in optimizer.param_groups:
        group["lr"], group["betas"] = rate, (momentum, _SECOND_MOMENT)
    return rate


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))
