"""What a node does with every frame: the interface of a task, and what tasks pass to each other."""

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
    """One source's class for each point of a frame's cloud."""

    source: str  # "segmentation" or "images"
    class_id: np.ndarray  # (N,) uint8, 255 = no answer
    classes: ClassTable


@dataclass(frozen=True, eq=False)
class Served:
    """The result for a frame."""

    timing_ms: dict[str, float]  # by stage, and "total"
    opinions: tuple[PointOpinion, ...] = ()  # for later tasks
    points: PointAnswer | None = None  # from segmentation, for the black box
    boxes: Boxes3d | None = None  # from detection, for the black box


def tell_engine(reporter: Reporter, engine_problem: str) -> None:
    """Count a cloud processed by another engine than requested, and say why, once; does nothing without a problem."""
    if engine_problem:
        reporter.lasting_problem("other_engine", engine_problem)


class Task(OptionalDuties, ABC):
    """Loads a model while the node is configured, and processes frame after frame in the worker's thread."""

    def __init__(self) -> None:
        self.outputs = Outputs()  # closed by the node

    @abstractmethod
    def load(self, settings: Any) -> None:  # noqa: ANN401  the task's own
        """Open the model, then the `outputs`. Raises LidarVlError to refuse the configuration."""

    @abstractmethod
    def stages(self) -> Sequence[str]:
        """The keys of timing_ms that are published besides the total; asked after `load`."""

    @abstractmethod
    def serve(self, frame: SensorFrame, opinions: Sequence[PointOpinion]) -> Served | None:
        """Process a frame and publish the answer; None if the model was released in the meantime.

        opinions: of earlier tasks.
        """

    @abstractmethod
    def unload(self) -> None:
        """Release what `load` took, all or part of it."""

    @abstractmethod
    def warm_up(self) -> None:
        """Prepare the first answer."""

    @abstractmethod
    def prepare(self, settings: Any) -> Any:  # noqa: ANN401
        """Prepare new settings of the task without changing anything. Raises LidarVlError to refuse them."""

    def must_retry(self) -> bool:
        """Whether the settings applied last have failed since, so that the same ones are to be prepared again."""
        return False

    @abstractmethod
    def apply(self, settings: Any, prepared: Any) -> None:  # noqa: ANN401
        """Apply settings, and what `prepare` prepared for them; a cloud may be in progress."""
