"""What a node or a task may do and need not: asked for by PerceptionNode, which a node of tasks asks of each."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_ros.health.health import Report


class OptionalDuties:
    """Nothing, unless a child says so."""

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
