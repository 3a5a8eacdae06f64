"""The room that checkpoints take, from the configurations alone."""

from collections import Counter
from collections.abc import Iterable

from offline_training.networks.sparse.minkunet_shapes import SHAPES, weight_count
from offline_training.runs.backbone_config import BackboneConfig

KEPT = 2  # checkpoints of a run: the last one, and the one before
_BYTES = 4  # of a number


def checkpoint_bytes(config: BackboneConfig, optimizer: str, averages: bool = False, probe: bool = False) -> int | None:
    """Of one checkpoint: weights and the state of their optimiser, without heads and norms' statistics.

    averages: a second set of weights is kept; probe: the optimiser knows the head alone. None for networks other than MinkUNets.
    """
    if config.network not in SHAPES:
        return None
    states = 0 if probe else {"sgd": 1, "adamw": 2, "adam": 2}[optimizer]  # momentum; two moments
    return _BYTES * (1 + averages + states) * weight_count(config.shape, len(config.features))


def disk_lines(stage: str, runs: Iterable[tuple[str, int | None]]) -> Iterable[str]:
    """A line for each size of checkpoint; runs: network and bytes of each run of a stage."""
    for (network, size), count in Counter(runs).items():
        if size is None:
            yield f"{stage}: {count} x {KEPT} checkpoints of {network}: not known: sizes are told for MinkUNets alone"
        else:
            total, each = count * KEPT * size / 1e9, size / 1e9
            yield f"{stage}: {count} x {KEPT} checkpoints of {network}, {each:.3f} GB each: {total:.2f} GB"
