"""The calibrations on a camera_info topic over time, in a recording or a running system."""

from bisect import bisect_right, insort_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lidar_vl_core.cameras.camera_info import calibration_content, camera_of, is_second_of_pair
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.errors import BadCalibration
from lidar_vl_core.foundation.stamps import stamp_ns


@dataclass
class Calibrations:
    """The calibrations from one camera_info topic over time; a repeated one is kept once."""

    rectified: bool = False  # whether the images it is asked for are rectified
    frame_id: str = ""
    is_second: bool = False  # of a stereo pair, by the shift in P
    _models: list[tuple[int, CameraModel]] = field(default_factory=list)  # by stamp, however they came
    _last: tuple | None = None

    def add(self, message: Any) -> None:  # noqa: ANN401  a CameraInfo of any library
        """Add one CameraInfo. Raises BadCalibration where it cannot be used."""
        content = calibration_content(message)
        if content != self._last:
            model = camera_of(message, self.rectified)
            self._last, self.frame_id, self.is_second = content, message.header.frame_id, is_second_of_pair(message)
            insort_right(self._models, (stamp_ns(message.header.stamp), model), key=_stamp_of)

    def at(self, stamp_ns: int) -> CameraModel | None:
        """The calibration valid at a time: the last one before it, else the first one; None when there is none."""
        if not self._models:
            return None
        return self._models[max(bisect_right(self._models, stamp_ns, key=_stamp_of) - 1, 0)][1]

    def expected_at(self, stamp_ns: int) -> CameraModel:
        """The calibration valid at a time. Raises BadCalibration when there is none."""
        model = self.at(stamp_ns)
        if model is None:
            raise BadCalibration(
                "expected a usable camera_info, found none. Calibrate the camera and publish the result."
            )
        return model

    def require_own_frame(self, others: Iterable["Calibrations"]) -> None:
        """Raise BadCalibration for the second camera of a pair that carries the frame of the first, as stereo_image_proc asks.

        What it sees would be drawn as if it stood where the first one stands.
        """
        if self.is_second and any(not other.is_second and other.frame_id == self.frame_id for other in others):
            raise BadCalibration(
                f"expected a frame of its own, found {self.frame_id}, in which another camera stands, while P shifts this one. "
                "It is the second of a stereo pair; use the first camera, or give this one its own frame in tf."
            )


def _stamp_of(stamped: tuple[int, CameraModel]) -> int:
    return stamped[0]
