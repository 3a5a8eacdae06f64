"""What a node or a task may do but need not: called by PerceptionNode; a node of tasks passes it on to each task."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_ros.health.health import Report


class OptionalDuties:
    """Does nothing, unless a subclass overrides it."""

    def images_needed(self) -> bool:
        """Whether the next answer itself needs images, apart from any output."""
        return False

    def picture_came(self, name: str, paired: Paired, load_rgb: Callable[[], np.ndarray]) -> None:
        """Take an image of a camera as it arrives, in the executor's thread.

        load_rgb: decodes it to (H, W, 3) uint8, raises LidarVlError.
        """

    def reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        """Further diagnostics, by name. now_ns: on the steady clock."""
        return ()

    def motion_told_by(self) -> str | None:
        """The source of the sensor's motion: an odometry topic, or "" for /tf alone; None if motion is not needed."""
        return None

    def extra_fields(self) -> Sequence[str]:
        """Fields of the clouds to read besides position and intensity; asked after `load`."""
        return ()

    def reads_colours(self) -> bool:
        """Whether the colours of the points are wanted; asked after `load`."""
        return False
