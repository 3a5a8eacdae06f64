"""The own vehicle in its LiDAR's view: points on it are not part of the scene."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from lidar_vl_core.clouds.point_cloud import with_nan_where
from lidar_vl_core.foundation.errors import BadConfig


@dataclass(frozen=True)
class EgoRegion:
    """Where points are taken for the own vehicle, in the cloud's frame: a ball around the sensor, a box, or both."""

    radius_m: float = 0.0  # from the sensor; 0 = no ball
    box_m: tuple[float, ...] = ()  # x, y, z of the lower corner, then of the upper one; () = no box

    def __post_init__(self) -> None:
        """Raise BadConfig on an invalid region."""
        if not (math.isfinite(self.radius_m) and self.radius_m >= 0):
            raise BadConfig(f"ego radius: expected 0 (off) or a number of metres, found {self.radius_m}.")
        box_is_whole = len(self.box_m) == 6 and all(math.isfinite(value) for value in self.box_m)
        if self.box_m and not (
            box_is_whole and all(low < high for low, high in zip(self.box_m, self.box_m[3:], strict=False))
        ):
            raise BadConfig(
                f"ego box: expected x, y, z of its lower corner, then of its upper one, in metres, found {self.box_m}. "
                "Give six numbers, the first three below the others."
            )

    def contains(self, xyz_m: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the points (N, 3) lie on the own vehicle; the faces belong to it."""
        own = np.zeros(len(xyz_m), bool)
        with np.errstate(invalid="ignore", over="ignore"):
            if self.radius_m > 0:
                own |= np.square(xyz_m).sum(axis=1) <= np.float32(self.radius_m * self.radius_m)
            if self.box_m:
                own |= (
                    (xyz_m >= np.array(self.box_m[:3], np.float32)) & (xyz_m <= np.array(self.box_m[3:], np.float32))
                ).all(axis=1)
        return own

    def cut_out_of(self, xyz_m: np.ndarray) -> np.ndarray:
        """The points (N, 3) with NaN for those on the own vehicle."""
        return with_nan_where(self.contains(xyz_m), xyz_m)


def _whole_box(box_m: tuple[float, ...]) -> tuple[float, ...]:
    try:
        return EgoRegion(box_m=box_m).box_m
    except BadConfig as error:
        raise PydanticCustomError("ego_box", "{told}", {"told": str(error)}) from error


EgoBox = Annotated[tuple[float, ...], AfterValidator(_whole_box)]  # of a configuration: () or two corners
