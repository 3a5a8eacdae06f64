"""What a study has before it, told without PyTorch and without opening any data."""

from collections.abc import Callable
from dataclasses import dataclass

from offline_training.reproduction.base.data_needed import Needed


@dataclass(frozen=True)
class PlannedStage:
    """Runs of one sort."""

    name: str
    runs: int
    done: Callable[[], int] | None  # counts finished ones in the study's folder; None: the stage goes on piece by piece
    is_training: bool = True  # not the measuring of what was trained


@dataclass(frozen=True)
class Plan:
    """Of some rows of a study."""

    stages: tuple[PlannedStage, ...]
    needed: tuple[Needed, ...]
    disk: Callable[[], tuple[str, ...]]  # lines on the checkpoints
    unknown_disk: tuple[str, ...]  # what takes room, too, and why nobody knows how much
    cost: Callable[[], tuple[str, ...]]  # lines on hours and memory, where measured

    @property
    def training_runs(self) -> int:
        """How many trainings the study is."""
        return sum(stage.runs for stage in self.stages if stage.is_training)


NOT_MEASURED = "not known: measured after the first run"
