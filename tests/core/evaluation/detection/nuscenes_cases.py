"""Truth and predictions for nuScenes' scores, made of seeds: `random.Random` gives the same numbers in every version of Python.

Every number that a Boxes3d keeps in float32 is rounded to 1/64, so that no precision is lost on the way to another evaluator.
"""

import random
from dataclasses import replace

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.detection.nuscenes_frame import ATTRIBUTES, RANGE_M, NuscenesFrame

CLASSES = ClassTable("nuscenes_detection", tuple(RANGE_M), np.zeros((10, 3), np.uint8))
SEEDS = range(3)


def _plain(rng: random.Random) -> list[NuscenesFrame]:
    return [_frame(rng) for _ in range(6)]


def _ties(rng: random.Random) -> list[NuscenesFrame]:
    """Scores of only four values, 0 among them."""
    return [
        _with_scores(frame, [rng.choice((0.0, 0.25, 0.5, 1.0)) for _ in range(len(frame.found))])
        for frame in _plain(rng)
    ]


def _duplicates(rng: random.Random) -> list[NuscenesFrame]:
    """Every prediction three times, with its score."""
    return [_found_rows(frame, [k for k in range(len(frame.found)) for _ in range(3)]) for frame in _plain(rng)]


def _nothing_found(rng: random.Random) -> list[NuscenesFrame]:
    return [_found_rows(frame, []) for frame in _plain(rng)[:-1]] + [_frame(rng, cars_found=1)]


def _nothing_there(rng: random.Random) -> list[NuscenesFrame]:
    frames = _plain(rng)
    return [_truth_rows(frame, []) for frame in frames[:-1]] + [_truth_rows(frames[-1], [0])]


def _all_wrong(rng: random.Random) -> list[NuscenesFrame]:
    """Every prediction 5 m beside what it was."""
    return [
        replace(frame, found=replace(frame.found, boxes=frame.found.boxes + np.array([5.0, 0, 0, 0, 0, 0, 0])))
        for frame in _plain(rng)
    ]


def _perfect(rng: random.Random) -> list[NuscenesFrame]:
    return [replace(frame, found=frame.truth, found_attribute=frame.truth_attribute) for frame in _plain(rng)]


def _few_classes(rng: random.Random) -> list[NuscenesFrame]:
    """Predictions of cars alone, true boxes of cars and barriers alone."""
    return [
        _truth_rows(
            _found_rows(frame, np.flatnonzero(frame.found.class_id == 0).tolist()),
            np.flatnonzero(np.isin(frame.truth.class_id, (0, 9))).tolist(),
        )
        for frame in _plain(rng)
    ]


def _no_attributes(rng: random.Random) -> list[NuscenesFrame]:
    return [replace(frame, truth_attribute=("",) * len(frame.truth)) for frame in _plain(rng)]


def _no_velocities(rng: random.Random) -> list[NuscenesFrame]:
    return [
        replace(frame, truth=replace(frame.truth, velocity_mps=np.full_like(frame.truth.velocity_mps, np.nan)))
        for frame in _plain(rng)
    ]


KINDS = {
    make.__name__.strip("_"): make
    for make in (
        _plain,
        _ties,
        _duplicates,
        _nothing_found,
        _nothing_there,
        _all_wrong,
        _perfect,
        _few_classes,
        _no_attributes,
        _no_velocities,
    )
}


def nuscenes_case(kind: str, seed: int) -> list[NuscenesFrame]:
    """The frames of one case."""
    return KINDS[kind](random.Random(1000 * list(KINDS).index(kind) + seed))


def _frame(rng: random.Random, cars_found: int | None = None) -> NuscenesFrame:
    vehicle = np.array([_between(rng, -300, 300), _between(rng, -300, 300)])
    racks = np.array([_box(rng, vehicle, 12.0, (4.0, 8.0)) for _ in range(rng.randrange(3))]).reshape(-1, 7)
    truth, found, velocities, found_velocities, classes, found_classes = [], [], [], [], [], []
    for _ in range(rng.randrange(40)):
        class_id = rng.randrange(10)
        box = _box(rng, vehicle, 60.0, (0.5, 5.0))
        if len(racks) and class_id in (6, 7) and rng.random() < 0.5:
            box[:3] = racks[rng.randrange(len(racks)), :3] + [
                _between(rng, -4, 4),
                _between(rng, -4, 4),
                _between(rng, -2, 2),
            ]
        velocity = [_between(rng, -9, 9), _between(rng, -9, 9)] if rng.random() < 0.8 else [np.nan, np.nan]
        truth.append(box)
        classes.append(class_id)
        velocities.append(velocity)
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            off = [_between(rng, -1.5, 1.5) * rng.choice((0.2, 1.0, 3.0)) for _ in range(3)]
            near = box + np.array([*off, *(_between(rng, -0.25, 0.5) for _ in range(3)), _between(rng, -3.5, 3.5)])
            found.append(near)
            found_classes.append(class_id if rng.random() < 0.9 else rng.randrange(10))
            found_velocities.append([0.0 if np.isnan(v) else v + _between(rng, -2, 2) for v in velocity])
    for _ in range(rng.randrange(10)):
        found.append(_box(rng, vehicle, 60.0, (0.5, 5.0)))
        found_classes.append(rng.randrange(10))
        found_velocities.append([_between(rng, -9, 9), np.nan if rng.random() < 0.1 else 0.0])
    if cars_found is not None:
        found, found_classes, found_velocities = (
            found[:cars_found],
            [0] * len(found[:cars_found]),
            found_velocities[:cars_found],
        )
    scores = [_between(rng, 0, 1) for _ in found]
    return NuscenesFrame(
        Boxes3d.of(np.array(truth), np.array(classes), None, np.array(velocities).reshape(-1, 2)),
        Boxes3d.of(
            np.array(found), np.array(found_classes), np.array(scores), np.array(found_velocities).reshape(-1, 2)
        ),
        vehicle,
        np.array([rng.choice((0, 1, 5, 100)) for _ in truth], np.int64),
        tuple(_attribute(rng, class_id, 0.2) for class_id in classes),
        tuple(_attribute(rng, class_id, 0.0) for class_id in found_classes),
        racks,
    )


def _box(rng: random.Random, middle: np.ndarray, reach_m: float, sizes_m: tuple[float, float]) -> np.ndarray:
    place = [
        middle[0] + _between(rng, -reach_m, reach_m),
        middle[1] + _between(rng, -reach_m, reach_m),
        _between(rng, -2, 2),
    ]
    return np.array([*place, *(_between(rng, *sizes_m) for _ in range(3)), _between(rng, -4, 4)])


def _between(rng: random.Random, low: float, high: float) -> float:
    return round((low + (high - low) * rng.random()) * 64) / 64


def _attribute(rng: random.Random, class_id: int, unknown: float) -> str:
    choices = ATTRIBUTES[CLASSES.names[class_id]]
    return "" if not choices or rng.random() < unknown else rng.choice(choices)


def _with_scores(frame: NuscenesFrame, scores: list[float]) -> NuscenesFrame:
    return replace(frame, found=replace(frame.found, score=np.array(scores, np.float32)))


def _found_rows(frame: NuscenesFrame, rows: list[int]) -> NuscenesFrame:
    taken = np.array(rows, np.int64)
    return replace(frame, found=frame.found.taken(taken), found_attribute=tuple(frame.found_attribute[k] for k in rows))


def _truth_rows(frame: NuscenesFrame, rows: list[int]) -> NuscenesFrame:
    rows = [k for k in rows if k < len(frame.truth)]
    return replace(
        frame,
        truth=frame.truth.taken(np.array(rows, np.int64)),
        truth_points=frame.truth_points[rows],
        truth_attribute=tuple(frame.truth_attribute[k] for k in rows),
    )
