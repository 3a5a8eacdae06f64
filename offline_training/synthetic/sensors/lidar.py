"""A spinning multi-beam LiDAR in a synthetic world: motion during the sweep, noise, drop-out, intensity."""

from collections.abc import Iterator

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.sensors.lidar_spec import LidarSpec
from offline_training.synthetic.sensors.scene import ActorRays, Hits, Scene
from offline_training.synthetic.streets.paint import WHITE, YELLOW
from offline_training.synthetic.world.materials import Material, material_table

_MOMENTS = 8  # exact poses per sweep; between them the way is straight
_ROUGHNESS_M = {
    Material.GRASS: 0.03,
    Material.LEAVES: 0.03,
    Material.SOIL: 0.012,
    Material.CLOTH: 0.006,
    Material.BARK: 0.008,
}


def sweep(
    scene: Scene,
    spec: LidarSpec,
    end_time_s: float,
    stamp_ns: int,
    rng: np.random.Generator,
    frame_id: str = "lidar_top",
) -> PointCloud:
    """One turn that ends at `end_time_s`, which is also the stamp.

    Returned points are in the LiDAR frame at the stamp; when the spec is not motion compensated, each is in the frame at its own time.
    extra: "ring" uint16, "time" float32 seconds (from -1/rate to 0, before the stamp), "label" uint8.
    """
    steps, beams = spec.azimuth_steps, len(spec.elevation_deg)
    time_s = end_time_s + (np.arange(1, steps + 1) / steps - 1.0) / spec.rate_hz
    direction_lidar = _directions(spec, rng)  # (steps, beams, 3)
    borders = np.linspace(0, steps, _MOMENTS + 1).astype(int)
    T_base_lidar = spec.T_base_lidar()
    moments = [scene.world.ego_pose(float(t)) @ T_base_lidar for t in (time_s[0], *time_s[borders[1:] - 1])]
    rotation, center = _poses_between(moments, borders, steps)
    beam_origin = np.array([0.0, 0.0, spec.height_m - spec.origin_height_m])
    origin = np.repeat(center + rotation @ beam_origin, beams, axis=0).astype(np.float32)
    direction = np.einsum("sij,sbj->sbi", rotation, direction_lidar).reshape(-1, 3).astype(np.float32)
    moving = _actor_rays(scene, spec, time_s, center, direction.reshape(steps, beams, 3))
    hits = scene.cast(origin, direction, spec.max_range_m, moving)
    signal, kept = _returns(spec, hits, direction, rng)
    row = np.flatnonzero(kept)
    measured = _measured_range(spec, hits, row, rng)
    if spec.motion_compensated:
        world_m = origin[row].astype(np.float64) + measured[:, None] * direction[row]
        xyz = moments[-1].inverse().apply(world_m)
    else:
        xyz = beam_origin + measured[:, None] * direction_lidar.reshape(-1, 3)[row]
    seconds = np.repeat(time_s - end_time_s, beams)[row]
    return PointCloud(
        xyz_m=np.ascontiguousarray(xyz, np.float32),
        intensity=signal[row],
        stamp_ns=stamp_ns,
        frame_id=frame_id,
        extra={
            "ring": (row % beams).astype(np.uint16),
            "time": seconds.astype(np.float32),
            "label": hits.class_id[row],
        },
    )


def _directions(spec: LidarSpec, rng: np.random.Generator) -> np.ndarray:
    """(steps, beams, 3) in the sensor frame; the head turns clockwise seen from above, from straight behind."""
    steps, beams = spec.azimuth_steps, len(spec.elevation_deg)
    azimuth = np.pi - (np.arange(steps) + rng.random()) * (2 * np.pi / steps)
    azimuth = azimuth[:, None] + rng.normal(0, 2e-4, (steps, beams))
    elevation = np.radians(spec.elevation_deg)[None, :] + rng.normal(0, 2e-4, (steps, beams))
    return np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    )


def _poses_between(moments: list[RigidTransform], borders: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (steps, 3, 3) and position (steps, 3) of every step, linear between the moments (at most 12 ms apart)."""
    known = np.array([0, *(borders[1:] - 1)], float)
    at = np.clip(np.searchsorted(known, np.arange(steps), side="right") - 1, 0, len(known) - 2)
    share = ((np.arange(steps) - known[at]) / (known[at + 1] - known[at]))[:, None]
    rotations = np.stack([pose.rotation for pose in moments])
    positions = np.stack([pose.translation_m for pose in moments])
    rotation = rotations[at] + share[..., None] * (rotations[at + 1] - rotations[at])
    return rotation, positions[at] + share * (positions[at + 1] - positions[at])


def _actor_rays(
    scene: Scene, spec: LidarSpec, time_s: np.ndarray, center_m: np.ndarray, direction: np.ndarray
) -> Iterator[ActorRays]:
    """For every moving thing in range, the steps whose beams pass it, with its place at each step's time."""
    beams = direction.shape[1]
    heading = np.arctan2(direction[:, 0, 1], direction[:, 0, 0])
    starts, rotations = scene.actor_poses(float(time_s[0]))
    ends, _ = scene.actor_poses(float(time_s[-1]))
    for number, (start, end, rotation) in enumerate(zip(starts, ends, rotations, strict=True)):
        radius = float(scene.actor_radius_m[number]) + 0.3
        if np.linalg.norm(start - center_m[0]) > spec.max_range_m + radius:
            continue
        if np.linalg.norm(end - start) > 5.0:  # it just left the street at one end and came back at the other
            continue
        position = start + np.linspace(0, 1, len(time_s))[:, None] * (end - start)
        ahead = position - center_m
        distance = np.hypot(ahead[:, 0], ahead[:, 1])
        off = np.abs((np.arctan2(ahead[:, 1], ahead[:, 0]) - heading + np.pi) % (2 * np.pi) - np.pi)
        step = np.flatnonzero(
            off
            < np.arcsin(np.clip(radius / np.maximum(distance, 1e-6), 0, 1)) + np.where(distance < radius, np.pi, 0.02)
        )
        rows = (step[:, None] * beams + np.arange(beams)).ravel()
        yield ActorRays(number, rows, np.repeat(position[step], beams, axis=0), rotation)


def _returns(
    spec: LidarSpec, hits: Hits, direction: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Intensity (N,) float32 in 0..1 and which pulses come back (N,) bool."""
    table = material_table()
    brightness = hits.color_rgb.astype(np.float32).mean(axis=1) / 255.0
    reflectivity = table.reflectivity[hits.material] * (0.45 + 1.1 * brightness)
    reflectivity[(hits.paint == WHITE) | (hits.paint == YELLOW)] = 0.7  # glass beads
    cosine = np.abs(np.einsum("ij,ij->i", hits.normal, direction))
    seen = np.isfinite(hits.range_m) & (hits.range_m > spec.min_range_m)
    with np.errstate(invalid="ignore"):
        # A black car's 6 % at normal incidence is seen to about half of the range, as data sheets promise 10 % there.
        power = 14.0 * reflectivity * np.sqrt(cosine) * (0.5 * spec.max_range_m / np.maximum(hits.range_m, 1.0)) ** 2
    chance = (1.0 - np.exp(-power)) * (1.0 - table.loss[hits.material]) * (1.0 - spec.loss)
    kept = seen & (rng.random(len(chance)) < chance)
    level = np.clip(reflectivity * np.sqrt(cosine) * spec.intensity_scale, 0.0, None) ** spec.intensity_gamma
    noisy = level * rng.normal(1.0, 0.12, len(level)) + rng.normal(0, 0.008, len(level))
    return np.clip(noisy, 0.0, 1.0).astype(np.float32), kept


def _measured_range(spec: LidarSpec, hits: Hits, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rough = np.zeros(len(Material))
    for material, value in _ROUGHNESS_M.items():
        rough[material] = value
    noise = rng.normal(0, 1, len(row)) * spec.range_sigma_m
    depth = (
        np.abs(rng.normal(0, 1, len(row))) * rough[hits.material[row]]
    )  # blades and leaves stand out towards the sensor
    return np.minimum(hits.range_m[row].astype(np.float64) + noise - depth, spec.max_range_m)
