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
    close = z[level_m < 25.0]
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
