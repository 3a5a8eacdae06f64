"""What a node does with every frame: the shape of a task, and what tasks tell each other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lidar_vl_core.black_box.triggers import PointAnswer
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.optional_duties import OptionalDuties
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
    points: PointAnswer | None = None  # what a black box looks at, of segmentation
    boxes: Boxes3d | None = None  # and of detection


def tell_engine(reporter: Reporter, engine_problem: str) -> None:
    """Count a cloud that another engine answered than was asked for, and say why, once; nothing where there is no problem."""
    if engine_problem:
        reporter.lasting_problem("other_engine", engine_problem)


class Task(OptionalDuties, ABC):
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

    @abstractmethod
    def prepare(self, settings: Any) -> Any:  # noqa: ANN401
        """Make ready what other settings of the task need, changing nothing. Raises LidarVlError to refuse them."""

    def must_retry(self) -> bool:
        """Whether what it last took over failed since, so that the same settings are to be prepared again."""
        return False

    @abstractmethod
    def apply(self, settings: Any, prepared: Any) -> None:  # noqa: ANN401
        """Take over settings, and what `prepare` made ready for them; a cloud may be in work."""
