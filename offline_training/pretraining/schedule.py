"""Length of a pre-training, and the learning rate of each step."""

import math

from offline_training.pretraining.base.config import PretrainConfig


class Schedule:
    """Number of steps and learning rates of a run."""

    def __init__(self, config: PretrainConfig, steps_per_epoch: int) -> None:
        self._config, self.steps_per_epoch = config, steps_per_epoch
        self.end_step = config.max_steps or (config.epochs or 0) * steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step: linear rise from 0, then half a cosine to the final share, per step or per epoch."""
        rise, final = self._config.warm_up_steps, self._config.final_rate
        if step < rise:
            return self._config.learning_rate * step / rise
        if self._config.schedule == "cosine_per_step":
            done = (step - rise) / max(self.end_step - rise, 1)
        else:
            done = (step // self.steps_per_epoch) / math.ceil(self.end_step / self.steps_per_epoch)
        return self._config.learning_rate * (final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * done)))
