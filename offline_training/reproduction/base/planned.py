"""The remaining work of a study, planned without PyTorch and without opening any data."""

from collections.abc import Callable
from dataclasses import dataclass

from offline_training.reproduction.base.data_needed import Needed


@dataclass(frozen=True)
class PlannedStage:
    """The runs of one stage."""

    name: str
    runs: int
    done: (
        Callable[[], int] | None
    )  # counts finished ones in the study's folder; None: the stage resumes scene by scene or image by image
    is_training: bool = True  # false for measurements of trained networks


@dataclass(frozen=True)
class Plan:
    """The plan of some rows of a study."""

    stages: tuple[PlannedStage, ...]
    needed: tuple[Needed, ...]
    disk: Callable[[], tuple[str, ...]]  # lines on the checkpoints
    unknown_disk: tuple[str, ...]  # what else takes space, and why its size is unknown
    cost: Callable[[], tuple[str, ...]]  # lines on hours and memory, if measured

    @property
    def training_runs(self) -> int:
        """Number of trainings in the study."""
        return sum(stage.runs for stage in self.stages if stage.is_training)


NOT_MEASURED = "unknown until the first run"
