"""Label the points of a cloud: python docs/examples/segment_a_cloud.py [CLOUD]. Writes labelled.ply and labelled.png."""

import sys

import numpy as np

import lidar_vl_core


def made_up_sweep() -> np.ndarray:
    """(N, 4) float64 x y z intensity: 64 beams, 1.8 m above a road between two walls, with a car-sized box."""
    elevation, azimuth = np.meshgrid(np.radians(np.linspace(-25, 3, 64)), np.linspace(-np.pi, np.pi, 1800))
    beams = np.stack([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], -1)
    beams = beams.reshape(-1, 3)
    with np.errstate(divide="ignore"):
        road, walls = np.where(beams[:, 2] < 0.0, -1.8 / beams[:, 2], np.inf), 9.0 / np.abs(beams[:, 1])
        # range at which each beam meets the planes of the car's box
        corners_m = np.array([[6.0, -3.6, -1.7], [10.4, -1.8, -0.3]])[:, None] / beams
    enters, leaves = corners_m.min(axis=0).max(axis=1), corners_m.max(axis=0).min(axis=1)
    car = np.where((enters < leaves) & (enters > 0.0), enters, np.inf)
    range_m = np.minimum(np.minimum(road, walls), car)
    seen = range_m < 80.0
    return np.column_stack([beams[seen] * range_m[seen, None], np.where(car < walls, 0.3, 0.1)[seen]])


def main() -> None:
    """Load the packaged model, label a cloud, and print its contents."""
    model = lidar_vl_core.load("demo")
    labelled = model.segment(sys.argv[1] if len(sys.argv) > 1 else made_up_sweep())
    for name, points in labelled.counts().items():
        print(f"{name:<24}{points:>9,}")
    cars = labelled.cloud.xyz_m[labelled.points_of("car")]
    if len(cars):
        print(f"the nearest car is {np.linalg.norm(cars, axis=1).min():.1f} m away")
    labelled.save("labelled.ply")
    labelled.save("labelled.png")


if __name__ == "__main__":
    main()
