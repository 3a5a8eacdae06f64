"""PointCloud: the one form that a LiDAR sweep has in this code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from lidar_vl_core.foundation.errors import BadPointCloud


@dataclass(frozen=True)
class PointCloud:
    """One LiDAR sweep in its sensor frame, in the sensor's point order; or a scene in a frame of its own.

    Points without a return stay in the count, so that a result can always be given per input point.
    """

    xyz_m: np.ndarray  # (N, 3) float32, metres; NaN, Inf or 0, 0, 0 where the sensor saw nothing
    intensity: np.ndarray  # (N,) float32, 0..1; zeros where the sensor gives none
    stamp_ns: int  # time of the sweep as its header says, nanoseconds
    frame_id: str  # e.g. "lidar_top"
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)  # other fields by name, each (N,), original type
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)  # where xyz_m is told from, in the frame: far places need it
    in_sensor_frame: bool = True  # False: a scene, merged or indoors, where (0, 0, 0) is a place like any other

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

    def has_return(self) -> np.ndarray:
        """(N,) bool, true where the beam hit something: a finite point that is not the sensor itself.

        Drivers that keep the sensor's grid of beams write NaN or exactly 0, 0, 0 (-0.0 as well) for one that met nothing.
        """
        # A sum of sizes is NaN or Inf as soon as one part is, and 0 only of zeros; float64 keeps it from overflowing.
        size = np.abs(self.xyz_m)
        with np.errstate(invalid="ignore"):  # of signalling NaN, as bytes in the wrong order hold them
            total = np.add(size[:, 0], size[:, 1], dtype=np.float64)
            total += size[:, 2]
        return (total > 0.0 if self.in_sensor_frame else total >= 0.0) & (total < np.inf)

    def measured_xyz_m(self) -> np.ndarray:
        """(N, 3) float32, xyz_m with NaN where there was no return: what is voxelised and paired with images."""
        return with_nan_where(~self.has_return(), self.xyz_m)

    def coordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y and z in the frame, (N,) each: float32, or float64 where the points have an origin of their own."""
        x, y, z = self.xyz_m.T
        if not any(self.origin_m):
            return x, y, z
        x, y, z = self.xyz_m.T.astype(np.float64) + np.array(self.origin_m)[:, None]
        return x, y, z


def with_nan_where(left_out: np.ndarray, xyz_m: np.ndarray) -> np.ndarray:
    """The points (N, 3) with NaN for those of a mask (N,); the very same array where the mask is empty."""
    if not left_out.any():
        return xyz_m
    kept = xyz_m.copy()
    kept[left_out] = np.nan
    return kept


class PointLabelled(Protocol):
    """The answer of a segmenter: one class and one probability per point."""

    @property
    def class_id(self) -> np.ndarray:
        """(N,) uint8, 255 = no answer."""
        ...

    @property
    def probability(self) -> np.ndarray:
        """(N,) float32 probability of each point's class."""
        ...


def _require(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise BadPointCloud(
            f"{name}: expected shape {shape} of {np.dtype(dtype)}, found {array.shape} of {array.dtype}. "
            "Convert the array before building the PointCloud."
        )
