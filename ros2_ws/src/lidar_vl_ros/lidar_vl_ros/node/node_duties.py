"""What a node that serves clouds does itself; PerceptionNode does the rest."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.inputs.sensor_frame import SensorFrame


class NodeDuties:
    """A child loads its model in `load`, and answers one frame in `serve`, which runs in the worker's thread."""

    def load(self, settings: Any) -> None:  # noqa: ANN401
        """Open the model, then the `outputs`. Raises LidarVlError to refuse the configuration."""
        raise NotImplementedError

    def warm_up(self) -> None:
        """Prepare the first answer; runs in the worker, so that services answer meanwhile."""

    def serve(self, frame: SensorFrame) -> None:
        """Answer one cloud, and count what became of it."""
        raise NotImplementedError

    def images_needed(self) -> bool:
        """Whether the next answer itself needs images, whoever looks at them."""
        return False

    def picture_came(self, name: str, paired: Paired, load_rgb: Callable[[], np.ndarray]) -> None:
        """Take a picture of a camera as it comes, in the executor's thread; load_rgb: decodes it, raises LidarVlError."""

    def reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        """Further lines of diagnostics at a time of the steady clock, by name."""
        return ()

    def motion_told_by(self) -> str | None:
        """Where it is told how the sensor moves: a topic of odometry, or "" for /tf alone; None where that is not asked for."""
        return None

    def extra_fields(self) -> Sequence[str]:
        """Fields of the clouds to read besides position and intensity; asked for after `load`."""
        return ()

    def reads_colours(self) -> bool:
        """Whether the colours of the points are wanted; asked for after `load`."""
        return False

    def unload(self) -> None:
        """Give back what `load` took, all or part of it; the outputs are closed."""
        raise NotImplementedError

    def prepare(self, settings: Any) -> Any:  # noqa: ANN401
        """Make ready what other settings of a configured node need, changing nothing. Raises LidarVlError to refuse them."""

    def apply(self, prepared: Any) -> None:  # noqa: ANN401
        """Take over what `prepare` made ready; a cloud may be in work."""
