"""PointCloud: the one form in which a LiDAR sweep walks through this code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from lidar_vl_core.foundation.errors import BadPointCloud


@dataclass(frozen=True)
class PointCloud:
    """One LiDAR sweep in its sensor frame, in the sensor's point order.

    Non-finite points stay in the count, so that a result can always be given per input point.
    """

    xyz_m: np.ndarray  # (N, 3) float32, metres; NaN or Inf where the sensor saw nothing
    intensity: np.ndarray  # (N,) float32, 0..1; zeros where the sensor gives none
    stamp_ns: int  # time of the sweep as its header says, nanoseconds
    frame_id: str  # e.g. "lidar_top"
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)  # other fields by name, each (N,), original type

    def __post_init__(self) -> None:
        _require("xyz_m", self.xyz_m, (len(self.xyz_m), 3), np.float32)
        _require("intensity", self.intensity, (len(self.xyz_m),), np.float32)
        for name, values in self.extra.items():
            if len(values) != len(self.xyz_m):
                raise BadPointCloud(
                    f"field {name}: expected {len(self.xyz_m)} values, one per point, found {len(values)}. "
                    "Give each field one value per point."
                )

    def __len__(self) -> int:
        return len(self.xyz_m)

    def finite(self) -> np.ndarray:
        """(N,) bool, true where all three coordinates are finite."""
        # A sum is NaN or Inf as soon as one part is; float64 keeps three finite float32 from overflowing.
        with np.errstate(invalid="ignore"):
            total = np.add(self.xyz_m[:, 0], self.xyz_m[:, 1], dtype=np.float64)
            total += self.xyz_m[:, 2]
        return np.isfinite(total)


class PointLabelled(Protocol):
    """What a segmenter gives: one class and one probability per point."""

    @property
    def class_id(self) -> np.ndarray:
        """(N,) uint8, 255 = no answer."""
        ...

    @property
    def probability(self) -> np.ndarray:
        """(N,) float32."""
        ...


def normalise_intensity(raw: np.ndarray) -> np.ndarray:
    """Intensity in 0..1 whatever the driver's scale: 0..1 floats stay, 0..255 and 0..65535 are divided.

    raw: any number type and shape, e.g. (N,). Returns float32 of that shape. uint8 is always 0..255; other types are
    judged by their maximum. What is not finite or negative becomes 0.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(raw, np.float32)  # a copy: worked on in place, pass by pass, for every cloud
    least, largest = float(values.min(initial=0.0)), float(values.max(initial=0.0))  # NaN wins both
    if not (least == 0.0 and np.isfinite(largest)):
        np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        np.maximum(values, np.float32(0.0), out=values)
        largest = float(values.max(initial=0.0))
    if raw.dtype == np.uint8 or 1.0 < largest <= 255.0:
        values /= np.float32(255.0)
    elif largest > 255.0:
        values /= np.float32(65535.0)
        np.minimum(values, np.float32(1.0), out=values)
    return values


def _require(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise BadPointCloud(
            f"{name}: expected shape {shape} of {np.dtype(dtype)}, found {array.shape} of {array.dtype}. "
            "Convert the array before building the PointCloud."
        )
