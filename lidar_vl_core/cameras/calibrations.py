"""What a camera_info topic says over time, of a recording or of a running system."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from lidar_vl_core.cameras.camera_info import calibration_content, camera_of
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.stamps import stamp_ns


@dataclass
class Calibrations:
    """What one camera_info topic said over time; a repeated calibration is kept once."""

    rectified: bool = False  # whether the images it is asked for are rectified
    frame_id: str = ""
    _stamps_ns: list[int] = field(default_factory=list)
    _models: list[CameraModel] = field(default_factory=list)
    _last: tuple | None = None

    def add(self, message: Any) -> None:  # noqa: ANN401  a CameraInfo of any library
        """Take over one CameraInfo. Raises BadCalibration where it cannot be used."""
        content = calibration_content(message)
        if content != self._last:
            model = camera_of(message, self.rectified)
            self._last, self.frame_id = content, message.header.frame_id
            self._stamps_ns.append(stamp_ns(message.header.stamp))
            self._models.append(model)

    def at(self, stamp_ns: int) -> CameraModel | None:
        """The calibration valid at a time: the last one before it, else the first one; None when there is none."""
        if not self._models:
            return None
        return self._models[max(bisect_right(self._stamps_ns, stamp_ns) - 1, 0)]
