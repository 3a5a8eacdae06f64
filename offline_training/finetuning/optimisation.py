"""The optimiser of a fine-tuning and its learning rates, step by step."""

import math
from collections.abc import Sequence

import torch

from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.linear_probe import head_of
from offline_training.networks.base.point_backbone import PointBackbone

_SGD_MOMENTUM, _SGD_DAMPENING = 0.9, 0.1  # of PPKT, SLidR and OLIVINE


def build_optimizer(
    config: FinetuneConfig, network: PointBackbone, beside_head: Sequence[torch.nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """Optimiser of all parameters, or of the head alone when probing; the head is a group of its own where it has its own rate.

    beside_head: parameters that are treated as the head's.
    """
    own = {id(parameter) for parameter in head_of(network).parameters()}
    head = [*head_of(network).parameters(), *beside_head]
    backbone = [parameter for parameter in network.parameters() if id(parameter) not in own]
    head_peak = config.head_learning_rate or config.learning_rate
    if config.probe:
        groups = [{"params": head, "peak": head_peak}]
    elif config.head_learning_rate is None:
        groups = [{"params": [*network.parameters(), *beside_head], "peak": config.learning_rate}]
    else:
        groups = [{"params": backbone, "peak": config.learning_rate}, {"params": head, "peak": head_peak}]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        groups,
        lr=config.learning_rate,
        momentum=_SGD_MOMENTUM,
        dampening=_SGD_DAMPENING,
        weight_decay=config.weight_decay,
    )


def set_rates(optimizer: torch.optim.Optimizer, config: FinetuneConfig, step: int) -> float:
    """Give every group its rate of a step; returns learning_rate()."""
    share = rate_share(config, step)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
    return config.learning_rate * share


def learning_rate(config: FinetuneConfig, step: int) -> float:
    """The rate of the backbone in a step."""
    return config.learning_rate * rate_share(config, step)


def rate_share(config: FinetuneConfig, step: int) -> float:
    """Share of its peak that a rate has: a linear rise from a 25th, then half a cosine down to final_rate.

    By epochs it stays as it is within each, and the first one without a rise has the peak.
    """
    done = (step + 1) / config.max_steps
    if config.schedule == "cosine_per_epoch" and config.epochs is not None:
        done = step * config.epochs // config.max_steps / config.epochs
    if done < config.warm_up:
        return 0.04 + 0.96 * done / config.warm_up
    after = (done - config.warm_up) / max(1.0 - config.warm_up, 1e-9)
    return config.final_rate + (1.0 - config.final_rate) * 0.5 * (1.0 + math.cos(math.pi * min(after, 1.0)))
