"""Boxes by chance, and what shapely says of them, for tests and benchmarks."""

import numpy as np


def made_boxes(rng: np.random.Generator, count: int, reach_m: float) -> np.ndarray:
    """(count, 7) boxes from a pedestrian's to a bus's size, their centres within reach_m of the origin along x and y."""
    center_m = rng.uniform((-reach_m, -reach_m, -2.0), (reach_m, reach_m, 2.0), (count, 3))
    size_m = rng.uniform((0.3, 0.3, 0.5), (12.0, 3.0, 4.0), (count, 3))
    return np.column_stack([center_m, size_m, rng.uniform(-7.0, 7.0, count)])


def rectangles(boxes: np.ndarray) -> np.ndarray:
    """(N,) shapely polygons of boxes seen from above."""
    import shapely

    along_m = boxes[:, 3:4] * (0.5, -0.5, -0.5, 0.5)
    across_m = boxes[:, 4:5] * (0.5, 0.5, -0.5, -0.5)
    cos, sin = np.cos(boxes[:, 6:7]), np.sin(boxes[:, 6:7])
    x_m = boxes[:, 0:1] + along_m * cos - across_m * sin
    y_m = boxes[:, 1:2] + along_m * sin + across_m * cos
    return shapely.polygons(np.stack([x_m, y_m], axis=2))


def iou_of_rectangles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of shapely polygons, pair by pair."""
    import shapely

    shared_m2 = shapely.area(shapely.intersection(a, b))
    return shared_m2 / (shapely.area(a) + shapely.area(b) - shared_m2)
