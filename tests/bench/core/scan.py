"""A synthetic scan of a street, made of boxes on flat ground, in a few seconds and without other packages."""

import numpy as np


def synthetic_scan(rng: np.random.Generator, beams: int = 64, columns: int = 2000) -> np.ndarray:
    """(N, 3) float32 metres: a street of flat ground, cars, buildings, poles and people, as a spinning LiDAR sees it."""
    elevation = np.deg2rad(np.linspace(-24.8, 2.0, beams))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, columns, endpoint=False)[None]
    direction = np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)
        ),
        axis=-1,
    ).reshape(-1, 3)
    low, high = _street_boxes(rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(direction[:, 2] < 0, -1.8 / direction[:, 2], np.inf)
        for box_low, box_high in zip(low, high, strict=True):
            center, radius = (box_low + box_high) / 2, np.linalg.norm(box_high - box_low) / 2
            away = np.linalg.norm(center)
            cone = np.sqrt(max(0.0, 1 - (radius / away) ** 2)) if radius < away else -1.0
            rays = np.flatnonzero(direction @ (center / away) >= cone)
            near, far = box_low / direction[rays], box_high / direction[rays]
            enter, leave = np.minimum(near, far).max(axis=1), np.maximum(near, far).min(axis=1)
            hit = (enter < leave) & (enter > 0) & (enter < distance[rays])
            distance[rays[hit]] = enter[hit]
    seen = distance < 60
    xyz_m = direction[seen] * distance[seen, None]
    return (xyz_m + rng.normal(scale=0.02, size=xyz_m.shape)).astype(np.float32)


def _street_boxes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corners (B, 3) of axis-aligned boxes standing on the ground at z = -1.8 m, none on the sensor."""
    kinds = [  # count, size (length, width, height) in metres, distance from the road's middle line
        (60, (4.4, 1.8, 1.6), (2.5, 7.0)),
        (40, (14.0, 10.0, 9.0), (7.0, 10.0)),
        (40, (0.25, 0.25, 6.0), (4.0, 9.0)),
        (30, (0.5, 0.6, 1.75), (3.0, 8.0)),
        (20, (3.0, 3.0, 4.5), (5.0, 9.0)),
    ]
    low, high = [], []
    for count, size, (nearest, farthest) in kinds:
        for _ in range(count):
            x, side = rng.uniform(-60, 60), rng.choice([-1.0, 1.0])
            y = side * rng.uniform(nearest, farthest)
            half = np.array(size) * rng.uniform(0.8, 1.2, 3) / 2
            center = np.array([x, y + side * half[1], -1.8 + half[2]])
            low.append(center - half)
            high.append(center + half)
    return np.array(low), np.array(high)
