"""Random changes to a labelled scan, so that a network meets other sensors, mounts and places than its training data has.

Every function takes the randomness as `rng`; none changes its arguments. Labels always go with their points.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.config import Config, Use
from lidar_vl_core.voxels.features import ground_height_m
from offline_training.datasets.augment.amounts import FactorRange, Probability


class AugmentConfig(Config):
    """How strongly scans are changed; probabilities are per scan, ranges are uniform unless said otherwise."""

    yaw_rad: float = 3.14159265  # rotation about z within +- this
    tilt_rad: float = 0.05  # roll and pitch within +- this (3 degrees)
    flip_probability: Probability = 0.5  # each of x and y
    scale: FactorRange = (0.92, 1.08)
    shift_xy_m: float = 1.0  # standard deviation
    shift_z_m: float = 0.5  # within +-; a sensor mounted higher or lower
    jitter_m: float = 0.01  # standard deviation per coordinate, cut at three of it
    beam_drop_probability: Probability = 0.5  # keep every 2nd..4th ring, or a random part of the rings
    rings_when_unknown: int = 64  # elevation bins that stand for rings where the cloud has no `ring`
    point_drop_probability: Probability = 0.3
    point_drop_max: Probability = 0.5  # share of points
    range_crop_probability: Probability = 0.15
    range_crop_m: FactorRange = (20.0, 60.0)
    intensity_scale: FactorRange = (0.4, 2.0)  # log-uniform
    intensity_gamma: FactorRange = (0.6, 1.7)  # log-uniform
    intensity_offset: float = 0.05  # within +-
    intensity_zero_probability: Probability = 0.15  # a sensor that reports none
    mix_probability: Probability = 0.3  # azimuth sectors of another scan
    paste_probability: Probability = 0.3  # points of `paste_classes` of another scan, turned about z
    paste_classes: tuple[int, ...] = ()  # class ids that are rare

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            (self.beam_drop_probability > 0, ("rings_when_unknown",), "with beam_drop_probability above 0"),
            (self.point_drop_probability > 0, ("point_drop_max",), "with point_drop_probability above 0"),
            (self.range_crop_probability > 0, ("range_crop_m",), "with range_crop_probability above 0"),
            (self.paste_probability > 0, ("paste_classes",), "with paste_probability above 0"),
        )


@dataclass(frozen=True)
class LabelledScan:
    """The arrays of one scan that augmentation touches; row i is one point throughout."""

    xyz_m: np.ndarray  # (N, 3) float32
    intensity: np.ndarray  # (N,) float32, 0..1
    class_id: np.ndarray  # (N,) uint8, 255 = ignore
    ring: np.ndarray | None = None  # (N,) beam number

    def __len__(self) -> int:
        return len(self.xyz_m)

    def take(self, rows: np.ndarray) -> "LabelledScan":
        """Some of the points. rows: (n,) indices, or a mask (N,)."""
        ring = None if self.ring is None else self.ring[rows]
        return LabelledScan(self.xyz_m[rows], self.intensity[rows], self.class_id[rows], ring)

    def moved_to(self, xyz_m: np.ndarray) -> "LabelledScan":
        """The same points at other places xyz_m, (N, 3)."""
        return LabelledScan(xyz_m.astype(np.float32), self.intensity, self.class_id, self.ring)


def augment(
    scan: LabelledScan,
    config: AugmentConfig,
    rng: np.random.Generator,
    draw_other: Callable[[], LabelledScan] | None = None,
) -> LabelledScan:
    """Change a scan at random. `draw_other` gives a second scan to mix in; without it nothing is mixed."""
    scan = _thin(scan, config, rng)
    if draw_other is not None and rng.random() < config.mix_probability:
        scan = swap_sectors(scan, _as_donor(draw_other(), config, rng), rng)
    if draw_other is not None and config.paste_classes and rng.random() < config.paste_probability:
        scan = paste_turned(scan, _as_donor(draw_other(), config, rng), config.paste_classes, rng)
    if rng.random() < config.range_crop_probability:
        scan = crop_range(scan, rng.uniform(*config.range_crop_m))
    return with_intensity_change(moved(scan, config, rng), config, rng)


def moved(scan: LabelledScan, config: AugmentConfig, rng: np.random.Generator) -> LabelledScan:
    """Turn, tilt, flip, scale, shift and jitter. Without jitter and with scale 1 distances stay as they are."""
    turn = _rotation(
        rng.uniform(-config.tilt_rad, config.tilt_rad),
        rng.uniform(-config.tilt_rad, config.tilt_rad),
        rng.uniform(-config.yaw_rad, config.yaw_rad),
    )
    flip = np.where(rng.random(2) < config.flip_probability, -1.0, 1.0)
    linear = rng.uniform(*config.scale) * np.diag([*flip, 1.0]) @ turn
    shift_m = np.array([*rng.normal(0.0, config.shift_xy_m, 2), rng.uniform(-config.shift_z_m, config.shift_z_m)])
    xyz_m = scan.xyz_m @ linear.T.astype(np.float32) + shift_m.astype(np.float32)
    if config.jitter_m > 0:
        noise_m = config.jitter_m * rng.standard_normal(xyz_m.shape, dtype=np.float32)
        xyz_m = xyz_m + np.clip(noise_m, -3 * config.jitter_m, 3 * config.jitter_m)
    return scan.moved_to(xyz_m)


def drop_beams(scan: LabelledScan, rings_when_unknown: int, rng: np.random.Generator) -> LabelledScan:
    """Keep every 2nd, 3rd or 4th ring, or a random 40 to 90 % of the rings: what a sensor with fewer beams sees."""
    ring = scan.ring if scan.ring is not None else elevation_ring(scan.xyz_m, rings_when_unknown)
    present = np.unique(ring)
    if rng.random() < 0.5:
        step = int(rng.integers(2, 5))
        kept = present[int(rng.integers(step)) :: step]
    else:
        kept = present[rng.random(len(present)) < rng.uniform(0.4, 0.9)]
    return scan.take(np.isin(ring, kept))


def elevation_ring(xyz_m: np.ndarray, rings: int) -> np.ndarray:
    """(N,) int bin of the elevation angle, for clouds whose driver gives no ring. Bins span what is there."""
    elevation = np.arctan2(xyz_m[:, 2], np.hypot(xyz_m[:, 0], xyz_m[:, 1]))
    if len(elevation) == 0:
        return np.zeros(0, np.int64)
    low, high = np.quantile(elevation, [0.005, 0.995])
    share = np.clip((elevation - low) / max(high - low, 1e-6), 0.0, 1.0 - 1e-6)
    return (share * rings).astype(np.int64)


def drop_points(scan: LabelledScan, share: float, rng: np.random.Generator) -> LabelledScan:
    """Drop each point with probability `share`."""
    return scan.take(rng.random(len(scan)) >= share)


def crop_range(scan: LabelledScan, range_m: float) -> LabelledScan:
    """Keep the points within a horizontal range."""
    return scan.take(np.hypot(scan.xyz_m[:, 0], scan.xyz_m[:, 1]) < range_m)


def with_intensity_change(scan: LabelledScan, config: AugmentConfig, rng: np.random.Generator) -> LabelledScan:
    """Scale, gamma and offset of the intensity, cut to 0..1; or none at all."""
    scale = np.exp(rng.uniform(*np.log(config.intensity_scale)))
    gamma = np.exp(rng.uniform(*np.log(config.intensity_gamma)))
    offset = rng.uniform(-config.intensity_offset, config.intensity_offset)
    if rng.random() < config.intensity_zero_probability:
        intensity = np.zeros_like(scan.intensity)
    else:
        intensity = np.clip(scale * np.clip(scan.intensity, 0, None) ** gamma + offset, 0, 1).astype(np.float32)
    return LabelledScan(scan.xyz_m, intensity, scan.class_id, scan.ring)


def swap_sectors(scan: LabelledScan, other: LabelledScan, rng: np.random.Generator) -> LabelledScan:
    """Replace an azimuth sector of 60 to 180 degrees by the other scan's, on one ground (the idea of PolarMix)."""
    start, width = rng.uniform(0, 2 * np.pi), rng.uniform(np.pi / 3, np.pi)
    inside = [_in_sector(one.xyz_m, start, width) for one in (scan, other)]
    return _joined(scan.take(~inside[0]), _on_ground_of(other, scan).take(inside[1]))


def paste_turned(
    scan: LabelledScan, other: LabelledScan, classes: tuple[int, ...], rng: np.random.Generator
) -> LabelledScan:
    """Add the other scan's points of some classes, turned about z to a random place (PolarMix's second half)."""
    donor = _on_ground_of(other, scan)
    donor = donor.take(np.isin(donor.class_id, classes))
    turn = _rotation(0.0, 0.0, rng.uniform(-np.pi, np.pi)).astype(np.float32)
    return _joined(scan, donor.moved_to(donor.xyz_m @ turn.T))


def _thin(scan: LabelledScan, config: AugmentConfig, rng: np.random.Generator) -> LabelledScan:
    if rng.random() < config.beam_drop_probability:
        scan = drop_beams(scan, config.rings_when_unknown, rng)
    if rng.random() < config.point_drop_probability:
        scan = drop_points(scan, rng.uniform(0.0, config.point_drop_max), rng)
    return scan


def _as_donor(other: LabelledScan, config: AugmentConfig, rng: np.random.Generator) -> LabelledScan:
    return with_intensity_change(_thin(other, config, rng), config, rng)


def _on_ground_of(scan: LabelledScan, target: LabelledScan) -> LabelledScan:
    lift_m = ground_height_m(target.xyz_m) - ground_height_m(scan.xyz_m)
    return scan.moved_to(scan.xyz_m + np.array([0.0, 0.0, lift_m], np.float32))


def _joined(a: LabelledScan, b: LabelledScan) -> LabelledScan:
    return LabelledScan(
        np.concatenate([a.xyz_m, b.xyz_m]),
        np.concatenate([a.intensity, b.intensity]),
        np.concatenate([a.class_id, b.class_id]),
    )


def _in_sector(xyz_m: np.ndarray, start_rad: float, width_rad: float) -> np.ndarray:
    return (np.arctan2(xyz_m[:, 1], xyz_m[:, 0]) - start_rad) % (2 * np.pi) < width_rad


def _rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """(3, 3) rotation: roll about x, then pitch about y, then yaw about z; radians."""
    cr, sr, cp, sp, cy, sy = np.cos(roll), np.sin(roll), np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
