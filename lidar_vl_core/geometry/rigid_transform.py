"""Rigid transforms between frames; `T_b_a.apply(xyz_a_m)` gives the points of frame a in frame b."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadTransform

_QUATERNION_NORM_TOLERANCE = 1e-2  # what drivers and text files round away; beyond it tf2 ignores a transform, too
_ROTATION_TOLERANCE = 1e-3  # the same for matrices read from calibration files
_SLERP_MINIMUM_ANGLE_RAD = 1e-6


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A rotation followed by a translation, kept in float64 and checked once."""

    rotation: np.ndarray  # (3, 3) float64, orthonormal, determinant +1
    translation_m: np.ndarray  # (3,) float64

    def __post_init__(self) -> None:
        """Raise BadTransform unless the rotation is a rotation and all numbers are finite."""
        object.__setattr__(self, "rotation", np.asarray(self.rotation, np.float64))
        object.__setattr__(self, "translation_m", np.asarray(self.translation_m, np.float64))
        if self.rotation.shape != (3, 3) or self.translation_m.shape != (3,):
            raise BadTransform(
                f"expected a rotation (3, 3) and a translation (3,), found {self.rotation.shape} and "
                f"{self.translation_m.shape}. Give a 3x3 matrix and three metres."
            )
        _require_rotation(self.rotation, tolerance=1e-6)
        if not np.isfinite(self.translation_m).all():
            raise BadTransform(
                f"expected a finite translation, found {self.translation_m.tolist()}. Check the calibration or pose."
            )

    @staticmethod
    def identity() -> "RigidTransform":
        """The transform that moves nothing."""
        return RigidTransform(np.eye(3), np.zeros(3))

    @staticmethod
    def from_matrix(matrix: np.ndarray) -> "RigidTransform":
        """Transform from a (4, 4) or (3, 4) matrix whose rotation is right to 1e-3; the nearest rotation is taken.

        Raises BadTransform when it is scaled, sheared, mirrored or not finite.
        """
        values = np.asarray(matrix, np.float64)
        if values.shape not in ((4, 4), (3, 4)):
            raise BadTransform(f"expected a 4x4 or 3x4 matrix, found shape {values.shape}. Check the calibration.")
        if values.shape == (4, 4) and not np.allclose(values[3], (0.0, 0.0, 0.0, 1.0), atol=1e-9):
            raise BadTransform(
                f"expected 0 0 0 1 as the last row, found {values[3].tolist()}. "
                "The matrix is not rigid, or it is transposed."
            )
        _require_rotation(values[:3, :3], _ROTATION_TOLERANCE)
        left, _, right = np.linalg.svd(values[:3, :3])
        return RigidTransform(left @ right, values[:3, 3].copy())

    @staticmethod
    def from_quaternion(
        xyzw: Sequence[float] | np.ndarray, translation_m: Sequence[float] | np.ndarray
    ) -> "RigidTransform":
        """Transform from a quaternion in ROS order (x, y, z, w) and a translation in metres.

        A norm within 1e-2 of one is normalised; anything else, all zeros included, raises BadTransform.
        """
        quaternion = np.asarray(xyzw, np.float64)
        if quaternion.shape != (4,):
            raise BadTransform(f"expected a quaternion of 4 numbers x y z w, found shape {quaternion.shape}.")
        norm = float(np.linalg.norm(quaternion))
        if not abs(norm - 1.0) <= _QUATERNION_NORM_TOLERANCE:  # also true for NaN
            raise BadTransform(
                f"expected a quaternion of length 1, found {quaternion.tolist()} with length {norm:.6g}. "
                "Fix the node that sends it; it is not read as a rotation."
            )
        return RigidTransform(_rotation_of(quaternion / norm), np.asarray(translation_m, np.float64))

    def apply(self, xyz_m: np.ndarray) -> np.ndarray:
        """Move points (N, 3) into the target frame; float32 stays float32, NaN stays NaN."""
        with np.errstate(invalid="ignore", over="ignore"):
            moved = xyz_m @ self.rotation.T  # float64 inside, so that metres far from the origin keep their millimetres
            moved += self.translation_m
        return moved.astype(xyz_m.dtype, copy=False) if xyz_m.dtype == np.float32 else moved

    def __matmul__(self, other: "RigidTransform") -> "RigidTransform":
        """T_c_b @ T_b_a = T_c_a."""
        return RigidTransform(self.rotation @ other.rotation, self.rotation @ other.translation_m + self.translation_m)

    def inverse(self) -> "RigidTransform":
        """The inverse transform: T_a_b of T_b_a."""
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation_m)

    def matrix(self) -> np.ndarray:
        """(4, 4) float64 homogeneous matrix."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.translation_m
        return matrix

    def quaternion(self) -> np.ndarray:
        """(4,) unit quaternion x, y, z, w with w >= 0."""
        return _quaternion_of(self.rotation)


def interpolate(a: RigidTransform, b: RigidTransform, fraction: float) -> RigidTransform:
    """The pose between a (fraction 0) and b (fraction 1): constant turn rate (slerp), constant speed.

    Raises BadTransform outside 0..1: a pose is never guessed beyond what was measured.
    """
    if not 0.0 <= fraction <= 1.0:
        raise BadTransform(f"expected a fraction in 0..1, found {fraction}. Extrapolation is not supported.")
    start, end = a.quaternion(), b.quaternion()
    cosine = float(start @ end)
    if cosine < 0.0:  # q and -q are one rotation: take the shorter way
        end, cosine = -end, -cosine
    angle = float(np.arccos(min(cosine, 1.0)))
    if angle < _SLERP_MINIMUM_ANGLE_RAD:
        blended = (1.0 - fraction) * start + fraction * end
    else:
        blended = (np.sin((1.0 - fraction) * angle) * start + np.sin(fraction * angle) * end) / np.sin(angle)
    translation_m = (1.0 - fraction) * a.translation_m + fraction * b.translation_m
    return RigidTransform(_rotation_of(blended / np.linalg.norm(blended)), translation_m)


def _require_rotation(rotation: np.ndarray, tolerance: float) -> None:
    error = np.abs(rotation @ rotation.T - np.eye(3)).max() if np.isfinite(rotation).all() else np.inf
    if not error <= tolerance:
        raise BadTransform(
            f"expected a rotation matrix (orthonormal to {tolerance:g}), found {rotation.tolist()}, off by {error:.3g}. "
            "The matrix is scaled, sheared, projective or damaged: check the calibration or pose."
        )
    if np.linalg.det(rotation) < 0.0:
        raise BadTransform(
            f"expected a rotation matrix, found a mirrored one {rotation.tolist()}. Check the axes of the calibration."
        )


def _rotation_of(unit_xyzw: np.ndarray) -> np.ndarray:
    x, y, z, w = unit_xyzw
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """Numerically safe at every angle: the eigenvector of Bar-Itzhack's symmetric matrix (J. Guidance 23(6), 2000)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    symmetric = np.array(
        [
            [xx - yy - zz, yx + xy, zx + xz, zy - yz],
            [yx + xy, yy - xx - zz, zy + yz, xz - zx],
            [zx + xz, zy + yz, zz - xx - yy, yx - xy],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    quaternion = np.linalg.eigh(symmetric)[1][:, -1]
    return quaternion if quaternion[3] >= 0.0 else -quaternion
