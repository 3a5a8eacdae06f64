"""ValidatedRun: a training run that is measured now and then, and keeps its best weights."""

import math
from abc import abstractmethod
from typing import Any

from offline_training.runs.checkpoint import Checkpoint
from offline_training.runs.log import Measurement
from offline_training.runs.step_run import StepRun


class ValidatedRun(StepRun):
    """A run whose checkpoint `best` has the highest score that was measured."""

    best_score = -1.0
    owes_measurement = False

    @abstractmethod
    def validation(self) -> Measurement | None:
        """Answers of the network as it is now on data it is not trained on; None where there is none, or no time left."""

    def after_step(self) -> None:
        """Measure and save when it is time; a measurement that a signal cuts short is owed by the checkpoint."""
        every = self.rhythm.validate_every
        is_time = self.is_complete or (every > 0 and self.step % every == 0)
        measured = self.validation() if is_time else None
        self.owes_measurement = is_time and measured is None and self.stop.is_asked
        if measured is None:
            super().after_step()
            return
        if self.log_book is not None:
            self.log_book.write_validation(self.step, measured)
        score = measured.score()
        is_best = math.isfinite(score) and score > self.best_score
        self.best_score = score if is_best else self.best_score
        self.save(is_best)

    def catch_up(self) -> None:
        """Measure what the run was stopped in, so that `best` is what it would be without the stop."""
        if self.owes_measurement:
            self.saved_step = -1  # the checkpoint of this step says that it owes something
            self.after_step()

    def state(self) -> dict[str, Any]:
        """The state, with the best score."""
        owed = {"owes_measurement": True} if self.owes_measurement else {}
        return {**super().state(), "best_score": self.best_score, **owed}

    def restore(self, start: Checkpoint) -> None:
        """Restore the state, with the best score."""
        super().restore(start)
        self.best_score = start.state["best_score"]
        self.owes_measurement = start.state.get("owes_measurement", False)
