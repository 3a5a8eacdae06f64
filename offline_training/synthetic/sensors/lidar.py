"""A spinning multi-beam LiDAR in a synthetic world: beam tables, motion during the sweep, noise, drop-out, intensity."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform
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
