"""The disk space of checkpoints, computed from configurations alone."""

from collections import Counter
from collections.abc import Iterable

from offline_training.networks.sparse.minkunet_shapes import SHAPES, weight_count
from offline_training.runs.backbone_config import BackboneConfig

KEPT = 2  # checkpoints kept of a run: the last and the previous one
_BYTES = 4  # of a number


def checkpoint_bytes(config: BackboneConfig, optimizer: str, averages: bool = False, probe: bool = False) -> int | None:
    """Bytes of one checkpoint: weights and optimiser state, without heads and statistics of norms.

    averages: a second set of weights is stored; probe: the optimiser trains the head only. None for networks other than
    MinkUNets.
    """
    if config.network not in SHAPES:
        return None
    states = 0 if probe else {"sgd": 1, "adamw": 2, "adam": 2}[optimizer]  # SGD: momentum; Adam: two moments
    return _BYTES * (1 + averages + states) * weight_count(config.shape, len(config.features))


def disk_lines(stage: str, runs: Iterable[tuple[str, int | None]]) -> Iterable[str]:
    """One line for each size of checkpoint; runs: network and bytes of each run of a stage."""
    for (network, size), count in Counter(runs).items():
        if size is None:
            yield f"{stage}: {count} x {KEPT} checkpoints of {network}: size unknown: computed for MinkUNets only"
        else:
            total, each = count * KEPT * size / 1e9, size / 1e9
            yield f"{stage}: {count} x {KEPT} checkpoints of {network}, {each:.3f} GB each: {total:.2f} GB"
