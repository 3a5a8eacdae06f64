"""Random sensors of the wide world: kinds that are sold in large numbers, in many mounts, beside ones nobody built."""

from dataclasses import replace

import numpy as np

from offline_training.synthetic.sensors.lidar_spec import LIDARS, LidarSpec

# Velodyne HDL-64E S3 data sheet: 32 upper lasers 1/3 degree apart from +2, 32 lower ones 1/2 degree apart from -8.83.
HDL64_DEG = tuple(
    float(value) for value in np.sort([2.0 - np.arange(32) / 3.0, -8.83 - np.arange(32) / 2.0], axis=None)
)


def wide_lidar(rng: np.random.Generator) -> LidarSpec:
    """A LiDAR of 16 to 128 beams; the frame of its points lies -0.5 to 2.5 m above the ground."""
    kind = str(rng.choice(["hdl64", "pandar64", "hdl32", "other"], p=[0.45, 0.13, 0.12, 0.3]))
    spec = LidarSpec.random(rng) if kind == "other" else _varied(LIDARS[kind], rng)
    if kind == "hdl64":
        elevation = np.array(HDL64_DEG) + rng.normal(0, 0.08, 64)
        spec = replace(
            spec,
            elevation_deg=tuple(float(value) for value in np.sort(elevation)),
            azimuth_steps=int(rng.integers(1200, 2050)),
            max_range_m=float(rng.uniform(70, 120)),
        )
    if rng.random() < 0.3:
        spec = replace(spec, frame_height_m=float(rng.uniform(-0.5, 2.5)))
    return spec


def _varied(spec: LidarSpec, rng: np.random.Generator) -> LidarSpec:
    return replace(
        spec,
        height_m=float(spec.height_m + rng.normal(0, 0.15)),
        range_sigma_m=float(rng.uniform(0.005, 0.03)),
        loss=float(rng.uniform(0.0, 0.12)),
        intensity_scale=float(rng.uniform(0.4, 1.6)),
        intensity_gamma=float(rng.uniform(0.5, 1.7)),
        roll_rad=float(np.radians(rng.uniform(-1.5, 1.5))),
        pitch_rad=float(np.radians(rng.uniform(-1.8, 1.8))),
        motion_compensated=bool(rng.random() < 0.7),
    )
