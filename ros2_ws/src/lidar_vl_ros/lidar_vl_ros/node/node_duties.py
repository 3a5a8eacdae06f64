"""What a node that serves clouds does itself; PerceptionNode does the rest."""

from abc import ABC, abstractmethod
from typing import Any

from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.optional_duties import OptionalDuties


class NodeDuties(OptionalDuties, ABC):
    """A child loads its model in `load`, and answers one frame in `serve`, which runs in the worker's thread."""

    @abstractmethod
    def load(self, settings: Any) -> None:  # noqa: ANN401
        """Open the model, then the `outputs`. Raises LidarVlError to refuse the configuration."""

    @abstractmethod
    def warm_up(self) -> None:
        """Prepare the first answer; runs in the worker, so that services answer meanwhile."""

    @abstractmethod
    def serve(self, frame: SensorFrame) -> None:
        """Answer one cloud, and count what became of it."""

    @abstractmethod
    def unload(self) -> None:
        """Give back what `load` took, all or part of it; the outputs are closed."""

    @abstractmethod
    def prepare(self, settings: Any) -> Any:  # noqa: ANN401
        """Make ready what other settings of a configured node need, changing nothing. Raises LidarVlError to refuse them."""

    @abstractmethod
    def apply(self, prepared: Any) -> None:  # noqa: ANN401
        """Take over what `prepare` made ready; a cloud may be in work."""
