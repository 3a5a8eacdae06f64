"""Spinning multi-beam LiDARs: tables of beams, mounting and noise of some that are sold, and of ones that nobody built."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.geometry.rigid_transform import RigidTransform


@dataclass(frozen=True)
class LidarSpec:
    """A LiDAR and where it sits. Beams leave from `height_m`; coordinates are given in a frame at `frame_height_m`."""

    name: str
    elevation_deg: tuple[float, ...]  # one per ring, from the lowest ring number up
    azimuth_steps: int
    rate_hz: float = 10.0
    min_range_m: float = 1.0
    max_range_m: float = 100.0
    range_sigma_m: float = 0.015
    loss: float = 0.02  # share of pulses lost whatever they hit
    intensity_scale: float = 1.0
    intensity_gamma: float = 1.0
    height_m: float = 1.84  # of the optical centre above the ground
    frame_height_m: float | None = None  # of the origin of the coordinates; None = the optical centre
    forward_m: float = 0.3  # before the vehicle's base frame
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    yaw_rad: float = 0.0
    motion_compensated: bool = True  # False: each point as the sensor saw it at its own time

    @property
    def origin_height_m(self) -> float:
        """Height of the coordinate frame's origin."""
        return self.height_m if self.frame_height_m is None else self.frame_height_m

    def T_base_lidar(self) -> RigidTransform:
        """Mounting: base_link on the ground -> LiDAR frame."""
        cr, sr, cp, sp, cy, sy = (f(a) for a in (self.roll_rad, self.pitch_rad, self.yaw_rad) for f in (np.cos, np.sin))
        roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        return RigidTransform(yaw @ pitch @ roll, np.array([self.forward_m, 0.0, self.origin_height_m]))

    @staticmethod
    def random(rng: np.random.Generator) -> "LidarSpec":
        """A LiDAR nobody built: 16 to 128 beams, even, centred or jittered tables, on a car, a van or a robot."""
        beams = int(rng.choice([16, 24, 32, 40, 64, 80, 128], p=[0.08, 0.08, 0.3, 0.12, 0.24, 0.1, 0.08]))
        low, high = rng.uniform(-34, -16), rng.uniform(2, 16)
        share = np.linspace(0, 1, beams)
        if rng.random() < 0.45:  # denser about the horizon, as Pandar64 and OS2 are
            power = rng.uniform(1.3, 2.4)
            level = -low / (high - low)
            below, above = np.clip(level - share, 0, None) / level, np.clip(share - level, 0, None) / (1 - level)
            share = level - level * below**power + (1 - level) * above**power
        elevation = np.sort(low + (high - low) * share + rng.normal(0, 0.05, beams))
        height = rng.uniform(1.5, 2.2) if rng.random() < 0.7 else rng.uniform(0.3, 2.6)
        return LidarSpec(
            name="random",
            elevation_deg=tuple(float(value) for value in elevation),
            azimuth_steps=int(np.clip(rng.uniform(700, 2100), 500, 80000 / beams)),
            rate_hz=float(rng.choice([10.0, 20.0])),
            max_range_m=float(rng.uniform(60, 130)),
            range_sigma_m=float(rng.uniform(0.005, 0.03)),
            loss=float(rng.uniform(0.0, 0.1)),
            intensity_scale=float(rng.uniform(0.5, 1.6)),
            intensity_gamma=float(rng.uniform(0.6, 1.7)),
            height_m=float(height),
            frame_height_m=float(rng.uniform(0.0, 0.6)) if rng.random() < 0.25 else None,
            roll_rad=float(np.radians(rng.uniform(-1.5, 1.5))),
            pitch_rad=float(np.radians(rng.uniform(-1.8, 1.8))),
            motion_compensated=bool(rng.random() < 0.7),
        )


def _even(low: float, high: float, beams: int) -> tuple[float, ...]:
    return tuple(float(value) for value in np.linspace(low, high, beams))


# Hesai Pandar64 user manual: 1 deg steps at the edges, 1/6 deg about the horizon.
_PANDAR64 = tuple(
    float(value)
    for value in np.concatenate(
        [[-25.0, -19.0], np.arange(-14.0, -6.5, 1.0), -6.0 + np.arange(49) / 6.0, [3.0, 5.0, 8.0, 11.0, 15.0]]
    )
)

LIDARS: dict[str, LidarSpec] = {
    "hdl32": LidarSpec("hdl32", _even(-30.67, 10.67, 32), 1085, rate_hz=20.0, max_range_m=90.0, range_sigma_m=0.02),
    "hdl64": LidarSpec(
        "hdl64", _even(-24.9, 2.0, 64), 2000, max_range_m=110.0, height_m=1.73, forward_m=0.0, intensity_gamma=0.8
    ),
    "pandar64": LidarSpec(
        "pandar64", _PANDAR64, 1800, max_range_m=150.0, height_m=1.9, frame_height_m=0.3, intensity_gamma=1.4
    ),
    "os128": LidarSpec(
        "os128", _even(-22.5, 22.5, 128), 1024, max_range_m=110.0, range_sigma_m=0.01, intensity_gamma=1.2
    ),
    "vlp16": LidarSpec("vlp16", _even(-15.0, 15.0, 16), 1800, max_range_m=90.0, height_m=1.5),
}
