"""The plan of a synthetic street in numbers; street coordinates are s along the centre line and d to its left."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Crossing:
    """A road that crosses the street at s, or ends at it when one arm is missing."""

    s_m: float
    half_width_m: float
    left: bool
    right: bool
    signals: bool


@dataclass(frozen=True)
class Side:
    """What lies beside the road on one side, from the road's edge outwards."""

    lanes: int
    parking_m: float  # 0 where there is none
    verge_m: float  # grass between kerb and sidewalk; 0 where there is none
    walk_m: float  # 0 where there is no sidewalk
    yard_m: float  # from the sidewalk to the house fronts
    style: str  # "town" | "suburb" | "country" | "industry"
    rise: float  # slope of the ground behind the sidewalk


@dataclass(frozen=True)
class StreetPlan:
    """A street in numbers; d > 0 is left of the centre line, traffic keeps right."""

    length_m: float
    curve: np.ndarray  # (K, 4) float64: s, x, y, heading
    hills: np.ndarray  # (H, 4) float64: amplitude m, wave vector x and y in 1/m, phase
    lane_m: float
    median_m: float  # width of an island between the directions; 0 where there is none
    median_class: int
    kerb_m: float
    left: Side
    right: Side
    crossings: tuple[Crossing, ...]

    def side(self, sign: int) -> Side:
        """The left side for +1, the right one for -1."""
        return self.left if sign > 0 else self.right

    def edge_m(self, sign: int) -> float:
        """Distance of the kerb from the centre line."""
        side = self.side(sign)
        return self.median_m / 2 + side.lanes * self.lane_m + side.parking_m

    def walk_end_m(self, sign: int) -> float:
        """Distance of the sidewalk's outer edge from the centre line."""
        return self.edge_m(sign) + self.side(sign).verge_m + self.side(sign).walk_m

    def lane_d_m(self, sign: int, lane: int) -> float:
        """Middle of a lane, 0 the innermost."""
        return sign * (self.median_m / 2 + (lane + 0.5) * self.lane_m)

    def warp(self, s_m: np.ndarray, d_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Street coordinates to x, y in metres and heading in radians in the world; all of one shape."""
        x = np.interp(s_m, self.curve[:, 0], self.curve[:, 1])
        y = np.interp(s_m, self.curve[:, 0], self.curve[:, 2])
        heading = np.interp(s_m, self.curve[:, 0], self.curve[:, 3])
        return x - np.sin(heading) * d_m, y + np.cos(heading) * d_m, heading

    def ground_z(self, s_m: np.ndarray, d_m: np.ndarray) -> np.ndarray:
        """Height of the road's level there; kerbs come on top. s_m, d_m: of one shape, which the result has."""
        x, y, _ = self.warp(s_m, d_m)
        z = np.zeros(np.broadcast(x, y).shape)
        for amplitude, kx, ky, phase in self.hills:
            z = z + amplitude * np.sin(kx * x + ky * y + phase)
        for sign in (1, -1):
            outside = np.clip(sign * np.asarray(d_m) - self.walk_end_m(sign) - 0.5, 0, 45)
            z = z + self.side(sign).rise * outside**2 / (outside + 4.0)
        return z

    def in_crossing(self, s_m: float, sign: int, margin_m: float = 0.0) -> bool:
        """Whether an arm of a crossing opens on that side at s."""
        return any(
            (crossing.left if sign > 0 else crossing.right)
            and abs(s_m - crossing.s_m) < crossing.half_width_m + margin_m
            for crossing in self.crossings
        )

    def pose(
        self, s_m: float, d_m: float, yaw_rad: float, level_m: float = 0.0, tilt: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """(3,) position and (3, 3) rotation of a thing standing at (s, d), turned by yaw against the street; `tilt` follows the slope."""
        positions, rotations = self.poses(
            np.array([s_m]), np.array([d_m]), np.array([yaw_rad]), np.array([level_m]), tilt
        )
        return positions[0], rotations[0]

    def poses(
        self, s_m: np.ndarray, d_m: np.ndarray, yaw_rad: np.ndarray, level_m: np.ndarray, tilt: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Positions (N, 3) and rotations (N, 3, 3) of N things, as `pose` gives them one by one."""
        x, y, heading = self.warp(s_m, d_m)
        z = self.ground_z(s_m, d_m)
        cosine, sine, zero = np.cos(heading + yaw_rad), np.sin(heading + yaw_rad), np.zeros_like(x)
        forward = np.stack([cosine, sine, zero], axis=1)
        up = np.stack([zero, zero, zero + 1.0], axis=1)
        if tilt:
            along, across = self.ground_z(s_m + 1.0, d_m) - z, self.ground_z(s_m, d_m + 1.0) - z
            # The ground's gradient turned from street axes to world axes.
            up[:, 0] = -along * np.cos(heading) + across * np.sin(heading)
            up[:, 1] = -along * np.sin(heading) - across * np.cos(heading)
            up /= np.sqrt((up * up).sum(axis=1, keepdims=True))
            forward -= up * (up * forward).sum(axis=1, keepdims=True)
            forward /= np.sqrt((forward * forward).sum(axis=1, keepdims=True))
        left = np.stack(
            [
                up[:, 1] * forward[:, 2] - up[:, 2] * forward[:, 1],
                up[:, 2] * forward[:, 0] - up[:, 0] * forward[:, 2],
                up[:, 0] * forward[:, 1] - up[:, 1] * forward[:, 0],
            ],
            axis=1,
        )
        return np.stack([x, y, z + level_m], axis=1), np.stack([forward, left, up], axis=2)
