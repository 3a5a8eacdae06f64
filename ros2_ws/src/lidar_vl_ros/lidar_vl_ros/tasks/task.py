"""What a node does with every frame: the shape of a task, and what tasks tell each other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.output import Outputs


@dataclass(frozen=True, eq=False)
class PointOpinion:
    """What somebody says of each point of a frame's cloud."""

    source: str  # "segmentation" or "images"
    class_id: np.ndarray  # (N,) uint8, 255 = nothing
    classes: ClassTable


@dataclass(frozen=True, eq=False)
class Served:
    """What became of a frame."""

    timing_ms: dict[str, float]  # by stage, and "total"
    opinions: tuple[PointOpinion, ...] = ()  # for tasks that come after


def tell_engine(reporter: Reporter, engine_problem: str) -> None:
    """Count a cloud that another engine answered than was asked for, and say why, once; nothing where there is no problem."""
    if engine_problem:
        reporter.lasting_problem("other_engine", engine_problem)


class Task(ABC):
    """Loads a model while the node is configured, and answers frame after frame in the worker's thread."""

    def __init__(self) -> None:
        self.outputs = Outputs()  # closed by the node

    @abstractmethod
    def load(self, settings: Any) -> None:  # noqa: ANN401  the task's own
        """Open the model, then the `outputs`. Raises LidarVlError to refuse the configuration."""

    @abstractmethod
    def stages(self) -> Sequence[str]:
        """Of timing_ms, those that are told on topics besides the total; asked for after `load`."""

    @abstractmethod
    def serve(self, frame: SensorFrame, opinions: Sequence[PointOpinion]) -> Served | None:
        """Answer a frame and tell of it; None where the model was given back meanwhile.

        opinions: of the tasks before.
        """

    @abstractmethod
    def unload(self) -> None:
        """Give back what `load` took, all or part of it."""

    @abstractmethod
    def warm_up(self) -> None:
        """Prepare the first answer."""

    def images_needed(self) -> bool:
        """Whether the answer itself needs images, whoever looks at them."""
        return False

    def picture_came(self, name: str, paired: Paired, load_rgb: Callable[[], np.ndarray]) -> None:  # noqa: B027
        """As PerceptionNode's."""

    def reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        """As PerceptionNode's."""
        return ()

    def motion_told_by(self) -> str | None:
        """As PerceptionNode's."""
        return None

    def extra_fields(self) -> Sequence[str]:
        """As PerceptionNode's."""
        return ()

    def reads_colours(self) -> bool:
        """As PerceptionNode's."""
        return False

    @abstractmethod
    def prepare(self, settings: Any) -> Any:  # noqa: ANN401
        """Make ready what other settings of the task need, changing nothing. Raises LidarVlError to refuse them."""

    @abstractmethod
    def apply(self, settings: Any, prepared: Any) -> None:  # noqa: ANN401
        """Take over settings, and what `prepare` made ready for them; a cloud may be in work."""
