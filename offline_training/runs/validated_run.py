"""ValidatedRun: a training run that is measured now and then, and keeps its best weights."""

import math
from abc import abstractmethod
from typing import Any

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.runs.checkpoint import Checkpoint
from offline_training.runs.step_run import StepRun


class ValidatedRun(StepRun):
    """A run whose checkpoint `best` has the highest mean IoU that was measured."""

    best_score = -1.0

    @abstractmethod
    def validation(self) -> ConfusionMatrix | None:
        """Answers of the network as it is now on data it is not trained on; None where there is none, or no time left."""

    def after_step(self) -> None:
        """Measure and save when it is time."""
        every = self.rhythm.validate_every
        is_time = self.is_complete or (every > 0 and self.step % every == 0)
        confusion = self.validation() if is_time else None
        if confusion is None:
            super().after_step()
            return
        if self.log_book is not None:
            self.log_book.write_validation(self.step, confusion)
        score = confusion.mean_iou()
        is_best = math.isfinite(score) and score > self.best_score
        self.best_score = score if is_best else self.best_score
        self.save(is_best)

    def state(self) -> dict[str, Any]:
        """With the best score."""
        return {**super().state(), "best_score": self.best_score}

    def restore(self, start: Checkpoint) -> None:
        """With the best score."""
        super().restore(start)
        self.best_score = start.state["best_score"]
