"""What real sweeps have and clean ones lack: uncalibrated intensity, rain, the own car's body, pulses that did not return."""

from dataclasses import replace

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud
from offline_training.synthetic.sensors.lidar_spec import LidarSpec


def disturbed(cloud: PointCloud, spec: LidarSpec, rng: np.random.Generator) -> PointCloud:
    """A random choice of disturbances; what belongs to no class gets label 255."""
    cloud = replace(cloud, intensity=_intensity(cloud, rng))
    if rng.random() < 0.12:
        cloud = _rain(cloud, rng)
    if rng.random() < 0.2:
        cloud = _own_car(cloud, spec, rng)
    if rng.random() < 0.15:
        cloud = _no_returns(cloud, rng)
    return cloud


def _intensity(cloud: PointCloud, rng: np.random.Generator) -> np.ndarray:
    """Gains that differ from beam to beam and surface to surface, a loss with range; or one value, or none at all."""
    kind = str(rng.choice(["gains", "constant", "none"], p=[0.9, 0.03, 0.07]))
    if kind != "gains":
        return np.full(len(cloud), 0.0 if kind == "none" else rng.uniform(0.05, 1.0), np.float32)
    beam = np.exp(rng.normal(0, rng.uniform(0.0, 0.3), 256))[cloud.extra["ring"]]
    surface = np.exp(rng.normal(0, rng.uniform(0.0, 0.4), 256))[cloud.extra["label"]]
    range_m = np.maximum(np.linalg.norm(cloud.xyz_m, axis=1), 1.0)
    loss = (15.0 / range_m) ** rng.uniform(0.0, 0.6) if rng.random() < 0.5 else 1.0
    return np.clip(cloud.intensity * beam * surface * loss, 0.0, 1.0).astype(np.float32)


def _rain(cloud: PointCloud, rng: np.random.Generator) -> PointCloud:
    """Drops near the sensor return some pulses, and far points are lost."""
    range_m = np.linalg.norm(cloud.xyz_m, axis=1)
    cloud = _taken(cloud, rng.random(len(cloud)) < np.exp(-range_m / rng.uniform(60, 300)))
    range_m = np.maximum(np.linalg.norm(cloud.xyz_m, axis=1), 0.1)
    at_m = 1.0 + rng.exponential(4.0, len(cloud))
    hit = np.flatnonzero((rng.random(len(cloud)) < rng.uniform(0.002, 0.03)) & (at_m < range_m))
    xyz_m, intensity, label = cloud.xyz_m.copy(), cloud.intensity.copy(), cloud.extra["label"].copy()
    xyz_m[hit] *= (at_m[hit] / range_m[hit])[:, None].astype(np.float32)
    intensity[hit] *= 0.2
    label[hit] = IGNORE_ID
    return replace(cloud, xyz_m=xyz_m, intensity=intensity, extra={**cloud.extra, "label": label})


def _own_car(cloud: PointCloud, spec: LidarSpec, rng: np.random.Generator) -> PointCloud:
    """Beams that meet the own car's roof or bonnet, which the sensor stands well above, return from there."""
    lift = np.array([0.0, 0.0, spec.height_m - spec.origin_height_m], np.float32)
    ray = cloud.xyz_m - lift  # from where the beams leave
    down = np.minimum(ray[:, 2], -1e-3)
    xyz_m, intensity, label = cloud.xyz_m.copy(), cloud.intensity.copy(), cloud.extra["label"].copy()
    roof_m = spec.height_m - rng.uniform(0.4, 0.8)
    for top_m, rear_m, front_m in ((roof_m - 0.4, -2.3, 2.3), (roof_m, -1.4, 0.7)):
        share = (top_m - spec.height_m) / down
        met = ray * share[:, None]
        inside = (met[:, 0] > rear_m) & (met[:, 0] < front_m) & (np.abs(met[:, 1]) < 0.8)
        hit = inside & (share > 0) & (share < 1) & (label != IGNORE_ID)
        xyz_m[hit] = met[hit] + lift + rng.normal(0, 0.02, (int(hit.sum()), 3)).astype(np.float32)
        intensity[hit] = rng.uniform(0.02, 0.8)
        label[hit] = IGNORE_ID
    return replace(cloud, xyz_m=xyz_m, intensity=intensity, extra={**cloud.extra, "label": label})


def _no_returns(cloud: PointCloud, rng: np.random.Generator) -> PointCloud:
    """Points at (0, 0, 0), as some drivers write them."""
    gone = rng.choice(len(cloud), int(len(cloud) * rng.uniform(0.005, 0.05)), replace=False)
    xyz_m, intensity, label = cloud.xyz_m.copy(), cloud.intensity.copy(), cloud.extra["label"].copy()
    xyz_m[gone], intensity[gone], label[gone] = 0.0, 0.0, IGNORE_ID
    return replace(cloud, xyz_m=xyz_m, intensity=intensity, extra={**cloud.extra, "label": label})


def _taken(cloud: PointCloud, kept: np.ndarray) -> PointCloud:
    extra = {name: values[kept] for name, values in cloud.extra.items()}
    return replace(cloud, xyz_m=cloud.xyz_m[kept], intensity=cloud.intensity[kept], extra=extra)
