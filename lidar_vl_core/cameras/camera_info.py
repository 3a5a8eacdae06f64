"""sensor_msgs/msg/CameraInfo to the camera of the image it comes with: the raw one, or the rectified one."""

from typing import Any

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.lens_names import lens_of
from lidar_vl_core.foundation.errors import BadCalibration

_MOST_NUMBERS = 100  # of any list; OpenCV has 14 coefficients
_LARGEST_SHIFT_PX = 0.5  # what rectification may turn or shift an image by without being told apart from none


def camera_of(message: Any, rectified: bool = False) -> CameraModel:  # noqa: ANN401 - duck-typed CameraInfo
    """The camera of a CameraInfo message: K and D for the raw image, P without D for the rectified one.

    Region of interest and binning are applied as sensor_msgs defines them. Raises BadCalibration for an uncalibrated camera
    (zeros), a D that does not fit, an unknown distortion model, and a rectification that turns or shifts the camera: whether
    its frame in tf is turned and shifted with it, no message says.
    """
    size = int(message.width), int(message.height)
    if rectified:
        whole = CameraModel(*size, _rectified_intrinsics(message))
    else:
        whole = CameraModel(*size, _numbers(message, "k", 9).reshape(3, 3), *_lens(message))
    roi = message.roi
    delivered = whole
    if roi.width or roi.height:  # 0 x 0 means the whole image
        delivered = whole.cropped(int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
    bin_x, bin_y = max(int(message.binning_x), 1), max(int(message.binning_y), 1)  # 0 means 1
    if bin_x == bin_y == 1:
        return delivered
    return delivered.scaled(delivered.width // bin_x, delivered.height // bin_y)


def calibration_content(message: Any) -> tuple:  # noqa: ANN401
    """What a CameraInfo says about its camera, to be compared: equal for a calibration that was only sent again.

    Raises BadCalibration for a list that no camera has.
    """
    roi = message.roi
    return (
        *(message.width, message.height, message.distortion_model),
        *(tuple(_short(message, name)) for name in ("d", "k", "r", "p")),
        *(message.binning_x, message.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height),
    )


def is_second_of_pair(message: Any) -> bool:  # noqa: ANN401
    """Whether P shifts the camera: the second of a stereo pair, to the right of the first or below it."""
    P = np.asarray(_field(message, "p"), np.float64).reshape(-1)
    return P.size == 12 and bool(np.abs(P[[3, 7]]).max() > _LARGEST_SHIFT_PX)


def _field(message: Any, name: str) -> Any:  # noqa: ANN401
    """ROS 1 wrote D, K, R and P in capitals."""
    return getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())


def _short(message: Any, name: str) -> Any:  # noqa: ANN401
    numbers = _field(message, name)
    if len(numbers) > _MOST_NUMBERS:
        raise BadCalibration(
            f"{name.upper()}: expected at most {_MOST_NUMBERS} numbers, found {len(numbers)}. Calibrate the camera."
        )
    return numbers


def _numbers(message: Any, name: str, count: int) -> np.ndarray:  # noqa: ANN401
    numbers = np.asarray(_field(message, name), np.float64).reshape(-1)
    if numbers.size != count:
        raise BadCalibration(f"{name.upper()}: expected {count} numbers, found {numbers.size}. Calibrate the camera.")
    return numbers


def _lens(message: Any) -> tuple[str, tuple[float, ...]]:  # noqa: ANN401
    return lens_of(str(message.distortion_model), tuple(_short(message, "d")))


def _rectified_intrinsics(message: Any) -> np.ndarray:  # noqa: ANN401
    P = _numbers(message, "p", 12).reshape(3, 4)
    R = _numbers(message, "r", 9).reshape(3, 3)
    if not P.any():
        return _intrinsics_where_nothing_was_to_rectify(message)
    largest_side_px = max(int(message.width), int(message.height))
    turned_px = 0.0 if not R.any() else np.abs(R - np.eye(3)).max() * max(abs(P[0, 0]), largest_side_px)
    shift_px = np.abs(P[:, 3]).max()  # of what is a metre away
    if not (turned_px <= _LARGEST_SHIFT_PX and shift_px <= _LARGEST_SHIFT_PX):  # NaN is neither
        raise BadCalibration(
            f"rectified image: expected R = identity and no shift in P, found R {R.tolist()} and shift {P[:, 3].tolist()}. "
            "Such a rectification turns the camera or belongs to the second of a stereo pair, and no message says whether "
            "its frame in tf is that of the rectified image; use the raw image, or the first camera of the pair."
        )
    return P[:, :3]


def _intrinsics_where_nothing_was_to_rectify(message: Any) -> np.ndarray:  # noqa: ANN401
    """K, where P is not set and D says that raw and rectified images are one."""
    model, D = _lens(message)
    if model == "equidistant" or any(D):
        raise BadCalibration(
            f"rectified image: expected its camera in P, found zeros beside D {list(D)}, which belongs to the raw image. "
            "Fill in P, or use the raw image."
        )
    return _numbers(message, "k", 9).reshape(3, 3)
