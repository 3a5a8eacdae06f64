"""A sweep in a few numbers: enough to tell that a sensor differs from those a network was trained with."""

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud

STATISTICS = {  # name -> what people call it
    "points": "points per sweep",
    "near_range_m": "range that 10 % of the points are within, in m",
    "median_range_m": "median range, in m",
    "far_range_m": "range that 90 % of the points are within, in m",
    "ground_m": "height of the ground (5 % of the points within 25 m lie lower), in m",
    "steepest_down_deg": "lowest beam (1 % of the points lie below), in degrees",
    "steepest_up_deg": "highest beam (1 % of the points lie above), in degrees",
    "seen_around": "share of the directions around the sensor that have points",
    "mean_intensity": "mean intensity, 0 to 1",
    "no_intensity": "share of the points with intensity 0",
}
_MOST_POINTS = 20_000  # quantiles of so many, evenly spaced, are those of all
_SECTORS = 72
_METRES = (0.1, 200.0)  # half of a sweep's points lie between these from the sensor, whatever it is
_NEAR_M, _LEVEL_M = 25.0, 0.2
_OWN_VEHICLE_M = 2.5  # its roof is as level as a ground
_LEAST_NEAR = 500  # fewer points show no ground


def sweep_statistics(cloud: PointCloud) -> dict[str, float]:
    """The numbers of STATISTICS for a cloud in its sensor's frame (x, y level, z up); empty without any return."""
    met = cloud.has_return()
    xyz_m = cloud.xyz_m[met]
    if not len(xyz_m):
        return {}
    intensity = cloud.intensity[met]
    step = 1 + (len(xyz_m) - 1) // _MOST_POINTS
    x, y, z = xyz_m[::step].T.astype(np.float64)
    level_m = np.hypot(x, y)
    range_m, elevation_deg = np.hypot(level_m, z), np.degrees(np.arctan2(z, level_m))
    near, median, far = np.quantile(range_m, (0.1, 0.5, 0.9))
    low, high = np.quantile(elevation_deg, (0.01, 0.99))
    close = z[level_m < _NEAR_M]
    sector = ((np.arctan2(y, x) / (2 * np.pi) + 0.5) * _SECTORS).astype(int) % _SECTORS
    return {
        "points": float(len(xyz_m)),
        "near_range_m": float(near),
        "median_range_m": float(median),
        "far_range_m": float(far),
        "ground_m": float(np.quantile(close if len(close) else z, 0.05)),
        "steepest_down_deg": float(low),
        "steepest_up_deg": float(high),
        "seen_around": len(np.unique(sector)) / _SECTORS,
        "mean_intensity": float(intensity.mean()),
        "no_intensity": float(np.mean(intensity == 0.0)),
    }


def frame_doubts(cloud: PointCloud) -> list[str]:
    """Sentences for people where a sweep cannot be in metres, or looks upside down; none for a scene in a frame of its own."""
    met = np.flatnonzero(cloud.has_return())
    if len(met) < _LEAST_NEAR or not cloud.in_sensor_frame:
        return []
    xyz_m = cloud.xyz_m[met[:: 1 + (len(met) - 1) // _MOST_POINTS]].astype(np.float64)
    half = len(xyz_m) // 2
    # np.median would first import masked arrays, 50 ms of a topic's first cloud
    median_m = float(np.partition(np.linalg.norm(xyz_m, axis=1), half)[half])
    if not _METRES[0] <= median_m <= _METRES[1]:
        side = "nearer" if median_m < _METRES[0] else "farther"
        return [
            f"coordinates: expected metres from the sensor, found half of the points {side} than {_told(median_m)} m. "
            "Divide millimetres by 1000, centimetres by 100; move map coordinates into the sensor's frame."
        ]
    level_m = np.hypot(xyz_m[:, 0], xyz_m[:, 1])
    height_m = _ground_overhead_m(xyz_m[(level_m > _OWN_VEHICLE_M) & (level_m < _NEAR_M), 2])
    if height_m is None:
        return []
    return [
        f"coordinates: expected z up, found what looks like the ground {height_m:.1f} m above the sensor and all else below it. "
        "If the sensor is mounted upside down, turn its points: x, -y, -z."
    ]


def _told(metres: float) -> str:
    return f"{metres:,.0f}" if metres > 1 else f"{metres:.2g}"


def _ground_overhead_m(z_m: np.ndarray) -> float | None:
    """Height of the ground of a sweep turned upside down; None for others. z_m: (N,) heights of points near the sensor.

    The densest level lies above the sensor, nearly nothing above it, and no level far below is half as dense, as a floor under
    a ceiling would be.
    """
    if len(z_m) < _LEAST_NEAR:
        return None
    level, counts = np.unique(np.floor(z_m / _LEVEL_M).astype(np.int64), return_counts=True)
    densest = int(counts.argmax())
    height_m = (level[densest] + 0.5) * _LEVEL_M
    beyond, within = np.count_nonzero(z_m > height_m + 0.5), np.count_nonzero(z_m < height_m - 0.5)
    floor = counts[level * _LEVEL_M < height_m - 1.0].max(initial=0)
    overhead = (
        height_m > 0.3 and counts[densest] > len(z_m) / 10 and 4 * beyond < within and 2 * floor < counts[densest]
    )
    return float(height_m) if overhead else None
