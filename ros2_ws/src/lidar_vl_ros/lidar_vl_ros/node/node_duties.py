"""What a subclass of PerceptionNode has to do itself."""

from abc import ABC, abstractmethod
from typing import Any

from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.optional_duties import OptionalDuties


class NodeDuties(OptionalDuties, ABC):
    """A subclass loads its model in `load`, and processes one frame in `serve`, which runs in the worker's thread."""

    @abstractmethod
    def load(self, settings: Any) -> None:  # noqa: ANN401
        """Open the model, then the `outputs`. Raises LidarVlError to refuse the configuration."""

    @abstractmethod
    def warm_up(self) -> None:
        """Prepare the first answer; runs in the worker, so that services answer meanwhile."""

    @abstractmethod
    def serve(self, frame: SensorFrame) -> None:
        """Process one cloud, and count its outcome."""

    @abstractmethod
    def unload(self) -> None:
        """Release what `load` took, all or part of it; the outputs are closed already."""

    @abstractmethod
    def prepare(self, settings: Any) -> Any:  # noqa: ANN401
        """Prepare new settings of a configured node without changing anything. Raises LidarVlError to refuse them."""

    @abstractmethod
    def apply(self, prepared: Any) -> None:  # noqa: ANN401
        """Apply what `prepare` prepared; a cloud may be in progress."""
