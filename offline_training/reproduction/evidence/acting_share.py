"""The share of the learning-rate budget in which OLIVINE's consistency loss is active, from its schedule alone."""

from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.keys.olivine import OlivineConfig
from offline_training.pretraining.schedule import Schedule
from offline_training.reproduction.evidence.findings import Findings


def acting_share_lines(findings: Findings) -> list[str]:
    """One line for all rows with a consistency loss; none without such a row."""
    shares: dict[float, list[str]] = {}
    for row in findings.rows:
        settings = findings.pretraining(row, findings.study.seeds[0])
        config = None if settings is None else pretrain_config_of(settings, f"reproduce, {row.name}")
        if config is not None and (share := acting_share(config)) is not None:
            shares.setdefault(share, []).append(row.name)
    return [
        f"The consistency loss is active in {100 * share:.0f} % of the learning-rate budget of {', '.join(names)}."
        for share, names in shares.items()
    ]


def acting_share(config: PretrainConfig) -> float | None:
    """Share of the summed learning rate that falls on steps with an active consistency loss; None if it is never active.

    Also None for runs whose length is in epochs, because their steps depend on the data.
    """
    if not isinstance(config, OlivineConfig) or config.max_steps is None:
        return None
    if config.class_model == "none" or config.loss_weights[2] == 0.0:
        return None
    schedule = Schedule(config, steps_per_epoch=config.max_steps)
    rates = [schedule.learning_rate(step) for step in range(config.max_steps)]
    return sum(rates[config.freeze_step + 1 :]) / sum(rates)
