"""Fog, wet ground and snow on a labelled scan: attenuated and lost echoes, and echoes of what hangs in the air.

Whether a weakened echo is still seen follows the radar equation: an echo of intensity I at range r arrives with I / r^2, and the
sensor still sees a tenth of full reflectivity at 80 m (what makers of 32-beam sensors state). These are our own models; the files
of nuScenes-C are made by Robo3D's code.
"""

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.voxels.features import ground_height_m
from offline_training.datasets.augment.point_augment import LabelledScan

SEVERITIES = ("light", "moderate", "heavy")

_FAINTEST = 0.1 / 80.0**2  # intensity over squared range of an echo that is just seen
_CLEAR_MARGIN = 2.0  # by which an echo that was seen in clear air exceeded it at least: intensities are not calibrated
_BLACK = 0.01  # intensity of what reports none: it was seen, so it reflects
_VISIBILITY_M = (200.0, 100.0, 40.0)  # meteorological range, at which contrast falls to 5 %
_NEAREST_DROPLET_M = 1.5  # nearer, sender and receiver do not overlap
_FOG_ECHO = 0.4  # of the pulses that fog swallows, how many give an echo of the fog itself
_WET_SHARE = (0.3, 0.6, 0.9)  # of the ground's surface
_WATER_INDEX, _WET_DARKENING = 1.33, 0.6
_GROUND_BAND_M, _GROUND_SLOPE = (
    0.3,
    0.02,
)  # of what counts as ground: above and below its height, and per metre of range
_FLAKES_PER_M = (0.004, 0.010, 0.025)  # met by a beam, large enough for an echo
_SNOW_EXTINCTION = (0.003, 0.006, 0.012)  # per metre
_FARTHEST_FLAKE_M = 25.0  # a flake covers too little of the beam farther away


def level(severity: str) -> int:
    """0, 1 or 2 for a name of SEVERITIES; raises BadRequest for another."""
    if severity not in SEVERITIES:
        raise BadRequest(f"severity: expected one of {', '.join(SEVERITIES)}, found {severity!r}.")
    return SEVERITIES.index(severity)


def fog(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """Echoes weakened by exp(-2 alpha r); of those that are lost, some come back from droplets nearer by.

    alpha = ln 20 / visibility (Koschmieder): 200, 100 and 40 m.
    """
    alpha = np.log(20.0) / _VISIBILITY_M[level(severity)]
    range_m = _range_m(scan)
    passed = np.exp(-2.0 * alpha * range_m)
    seen = _still_seen(scan, range_m, passed)
    droplet_m = _NEAREST_DROPLET_M + rng.exponential(0.5 / alpha, len(scan))
    from_fog = ~seen & (rng.random(len(scan)) < _FOG_ECHO) & (droplet_m < range_m)
    faint = rng.uniform(0.0, 0.1, len(scan))
    return _with_air_echoes(scan, range_m, passed, from_fog, droplet_m, faint).take(seen | from_fog)


def wet_ground(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """A film of water mirrors the beam away at flat angles and darkens what passes it: far ground gives no echo.

    The share of light that passes the surface twice follows Fresnel for water; ground is what lies near its height.
    """
    range_m, ground_m = _range_m(scan), ground_height_m(scan.xyz_m)
    above_m = scan.xyz_m[:, 2] - ground_m
    is_ground = np.abs(above_m) < _GROUND_BAND_M + _GROUND_SLOPE * range_m
    cosine = np.clip(abs(ground_m) / np.maximum(range_m, 1e-3), 0.0, 1.0)  # of the angle to the ground's normal
    covered = np.clip(_WET_SHARE[level(severity)] + rng.normal(0.0, 0.1, len(scan)), 0.0, 1.0)  # puddles and dry spots
    wet = _WET_DARKENING * _passes_water(cosine) ** 2
    passed = np.where(is_ground, 1.0 - covered * (1.0 - wet), 1.0)
    dimmed = LabelledScan(scan.xyz_m, (scan.intensity * passed).astype(np.float32), scan.class_id, scan.ring)
    return dimmed.take(_still_seen(scan, range_m, passed))


def snow(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """Some beams end on a flake in the first 25 m, as flakes are met at random along the way; all others are weakened."""
    range_m = _range_m(scan)
    flake_m = _NEAREST_DROPLET_M + rng.exponential(1.0 / _FLAKES_PER_M[level(severity)], len(scan))
    struck = flake_m < np.minimum(range_m, _FARTHEST_FLAKE_M)
    passed = np.exp(-2.0 * _SNOW_EXTINCTION[level(severity)] * range_m)
    bright = rng.uniform(0.1, 0.9, len(scan))  # white, but covering part of the beam only
    seen = struck | _still_seen(scan, range_m, passed)
    return _with_air_echoes(scan, range_m, passed, struck, flake_m, bright).take(seen)


def _range_m(scan: LabelledScan) -> np.ndarray:
    return np.linalg.norm(scan.xyz_m.astype(np.float64), axis=1)


def _still_seen(scan: LabelledScan, range_m: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """(N,) bool: echoes above the sensor's limit when `passed` of their light is left; all were well above it with all of it."""
    arriving = np.maximum(scan.intensity, _BLACK) / np.maximum(range_m, 1e-3) ** 2
    return np.maximum(arriving, _CLEAR_MARGIN * _FAINTEST) * passed >= _FAINTEST


def _with_air_echoes(
    scan: LabelledScan,
    range_m: np.ndarray,
    passed: np.ndarray,
    from_air: np.ndarray,
    air_range_m: np.ndarray,
    air_intensity: np.ndarray,
) -> LabelledScan:
    """The scan with some points drawn towards the sensor along their rays, as class 255, and the others weakened."""
    factor = np.where(from_air, air_range_m / np.maximum(range_m, 1e-3), 1.0)
    xyz_m = np.where(from_air[:, None], scan.xyz_m * factor[:, None], scan.xyz_m).astype(np.float32)
    intensity = np.where(from_air, air_intensity, scan.intensity * passed).astype(np.float32)
    return LabelledScan(xyz_m, intensity, np.where(from_air, np.uint8(IGNORE_ID), scan.class_id), scan.ring)


def _passes_water(cosine: np.ndarray) -> np.ndarray:
    """(N,) share of unpolarised light that enters water at an angle of incidence (Fresnel)."""
    refracted = np.sqrt(1.0 - (1.0 - cosine**2) / _WATER_INDEX**2)
    across = (cosine - _WATER_INDEX * refracted) / (cosine + _WATER_INDEX * refracted)
    along = (refracted - _WATER_INDEX * cosine) / (refracted + _WATER_INDEX * cosine)
    return 1.0 - 0.5 * (across**2 + along**2)
