"""Scans as eight faults of weather, mounting and sensor would leave them, in three severities, after Robo3D (Kong et al., ICCV 2023).

The published nuScenes-C files are made by Robo3D's own generators and are what its tables are measured on
(evaluation/nuscenes_c.py reads them). These are our own models of the same eight causes, for data sets without such files; their
figures compare networks with each other, not with published tables. Points that no longer show a surface of the scene, such as
snowflakes, have class 255. Every function takes the randomness as `rng`; none changes its arguments; the order of the points that
stay is kept.
"""

from collections.abc import Callable

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.errors import BadRequest
from offline_training.datasets.augment.corruptions_weather import SEVERITIES, fog, level, snow, wet_ground
from offline_training.datasets.augment.point_augment import LabelledScan, elevation_ring

CORRUPTIONS = (
    "fog",
    "wet_ground",
    "snow",
    "motion_blur",
    "beam_missing",
    "crosstalk",
    "incomplete_echo",
    "cross_sensor",
)  # in the order of Robo3D's tables

_RINGS_WHEN_UNKNOWN = 32  # elevation bins that stand for rings where the cloud has none; nuScenes' sensor has 32
_VEHICLES = frozenset(
    ("bicycle", "bus", "car", "construction_vehicle", "motorcycle", "trailer", "truck", "other-vehicle")
)
_SHIFT_M, _TURN_RAD = (0.06, 0.10, 0.14), (0.002, 0.004, 0.006)  # standard deviations of a point's pose
_MISSING_RINGS = (0.25, 0.5, 0.75)  # share of the beams; of nuScenes' 32 as many as Robo3D's cross_sensor drops
_STRAY_POINTS = (0.03, 0.07, 0.12)  # share of the points; the lightest as Robo3D
_STRAY_RANGE_M = (1.0, 80.0)
_LOST_ECHOES = (0.75, 0.85, 0.95)  # share of each vehicle class's points, as Robo3D
_DARK = 0.05  # added to intensities, so that black has odds as well


def corrupt(
    scan: LabelledScan, corruption: str, severity: str, rng: np.random.Generator, classes: ClassTable
) -> LabelledScan:
    """The scan under one of CORRUPTIONS at one of SEVERITIES; raises BadRequest for other names.

    classes: what the scan's class ids mean; incomplete echoes strike vehicles.
    """
    changes: dict[str, Callable[[], LabelledScan]] = {
        "fog": lambda: fog(scan, severity, rng),
        "wet_ground": lambda: wet_ground(scan, severity, rng),
        "snow": lambda: snow(scan, severity, rng),
        "motion_blur": lambda: motion_blur(scan, severity, rng),
        "beam_missing": lambda: beam_missing(scan, severity, rng),
        "crosstalk": lambda: crosstalk(scan, severity, rng),
        "incomplete_echo": lambda: incomplete_echo(scan, severity, rng, classes),
        "cross_sensor": lambda: cross_sensor(scan, severity, rng),
    }
    if corruption not in changes or severity not in SEVERITIES:
        raise BadRequest(
            f"expected a corruption of {', '.join(CORRUPTIONS)} and a severity of {', '.join(SEVERITIES)}, "
            f"found {corruption!r}, {severity!r}."
        )
    return changes[corruption]()


def motion_blur(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """Each point seen from a pose of its own: a vibrating mount shifts and turns the sensor between two shots."""
    shift_m = rng.normal(0.0, _SHIFT_M[level(severity)], scan.xyz_m.shape)
    turn_rad = rng.normal(0.0, _TURN_RAD[level(severity)], len(scan))
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    x, y, z = scan.xyz_m.T
    return scan.moved_to(np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1) + shift_m)


def beam_missing(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """Some beams, chosen at random for the whole scan, give nothing."""
    ring = _rings(scan)
    present = np.unique(ring)
    missing = rng.permutation(present)[: round(_MISSING_RINGS[level(severity)] * len(present))]
    return scan.take(~np.isin(ring, missing))


def crosstalk(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """Pulses of another LiDAR are taken for own echoes: some points stand anywhere along their ray, with any intensity."""
    struck = rng.random(len(scan)) < _STRAY_POINTS[level(severity)]
    range_m = np.linalg.norm(scan.xyz_m, axis=1)
    stray_m = rng.uniform(*_STRAY_RANGE_M, len(scan))
    factor = np.where(struck, stray_m / np.maximum(range_m, 1e-3), 1.0)
    intensity = np.where(struck, rng.random(len(scan)), scan.intensity).astype(np.float32)
    class_id = np.where(struck, np.uint8(IGNORE_ID), scan.class_id)
    moved = (scan.xyz_m * factor[:, None]).astype(np.float32)
    return LabelledScan(np.where(struck[:, None], moved, scan.xyz_m), intensity, class_id, scan.ring)


def incomplete_echo(scan: LabelledScan, severity: str, rng: np.random.Generator, classes: ClassTable) -> LabelledScan:
    """Vehicles give few echoes, as dark or shining paint does: a share of each vehicle class is lost, dark points first by odds."""
    share = _LOST_ECHOES[level(severity)]
    kept = np.ones(len(scan), bool)
    # Exponential clocks: the first to ring are a draw without replacement, each point in proportion to its darkness.
    ring_time = rng.exponential(size=len(scan)) * (np.clip(scan.intensity, 0.0, 1.0) + _DARK)
    for class_id in [classes.id_of(name) for name in classes.names if name in _VEHICLES]:
        points = np.flatnonzero(scan.class_id == class_id)
        kept[points[np.argsort(ring_time[points])[: int(share * len(points))]]] = False
    return scan.take(kept)


def cross_sensor(scan: LabelledScan, severity: str, rng: np.random.Generator) -> LabelledScan:
    """What a sensor with 3/4, 1/2 or 1/4 of the beams, evenly spread, and half the shots would have seen."""
    ring = _rings(scan)
    present = np.unique(ring)
    wanted = round((1.0 - _MISSING_RINGS[level(severity)]) * len(present))
    first = rng.random()  # where the spread begins
    spread = ((np.arange(wanted) + first) * len(present) / max(wanted, 1)).astype(np.int64)
    of_kept = scan.take(np.isin(ring, present[spread]))
    return of_kept.take(np.arange(len(of_kept)) % 2 == 0)


def _rings(scan: LabelledScan) -> np.ndarray:
    return scan.ring if scan.ring is not None else elevation_ring(scan.xyz_m, _RINGS_WHEN_UNKNOWN)
