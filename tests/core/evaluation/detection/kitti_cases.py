"""Truth and predictions for KITTI's scores, made of seeds: `random.Random` gives the same numbers in every version of Python.

All numbers have at most four decimals, so that a label file keeps them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lidar_vl_core.boxes.kitti_objects import DONT_CARE, NO_ALPHA, KittiObjects

SEEDS = range(2)
Pictures = tuple[dict[str, KittiObjects], dict[str, KittiObjects]]  # truth, predictions


@dataclass(frozen=True)
class _Row:
    kind: str
    truncated: float
    occluded: int
    alpha: float
    bbox: tuple[float, float, float, float]
    size: tuple[float, float, float]
    bottom: tuple[float, float, float]
    turned: float
    score: float = 0.0


def _plain(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    return [_picture(rng) for _ in range(12)]


def _ties(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    return _each_found(_plain(rng), lambda row: [replace(row, score=rng.choice((0.0, 0.25, 0.5, 1.0)))])


def _duplicates(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    """Every prediction three times, once with another score."""
    return _each_found(_plain(rng), lambda row: [row, replace(row, score=round(rng.random(), 2)), row])


def _nothing_found(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    """Empty files, and one wrong car, pedestrian and cyclist."""
    pictures = [(truth, []) for truth, _ in _plain(rng)]
    wrong = [replace(_object(rng), kind=kind, score=0.5) for kind in ("Car", "Pedestrian", "Cyclist")]
    return [(pictures[0][0], wrong), *pictures[1:]]


def _nothing_there(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    return [([], found) for _, found in _plain(rng)]


def _all_wrong(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    return _each_found(
        _plain(rng),
        lambda row: [replace(row, bbox=_moved(row.bbox, 500.0), bottom=(row.bottom[0] + 50, *row.bottom[1:]))],
    )


def _few_classes(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    """Cars alone are predicted, cars, vans and pedestrians alone are there."""
    return [
        (
            [row for row in truth if row.kind in ("Car", "Van", "Pedestrian")],
            [row for row in found if row.kind == "Car"],
        )
        for truth, found in _plain(rng)
    ]


def _low_boxes(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    """Heights at and beside the limits of 25 and 40 pixels."""

    def low(row: _Row) -> _Row:
        height = rng.choice((24.0, 24.99, 25.0, 25.5, 39.99, 40.0, 41.0))
        return replace(row, bbox=(*row.bbox[:3], round(row.bbox[1] + height, 2)))

    return [([low(row) for row in truth], [low(row) for row in found]) for truth, found in _plain(rng)]


def _areas(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    """Much that nobody looked at, over half of the predictions."""
    return [(truth + [_area(row, rng) for row in found if rng.random() < 0.5], found) for truth, found in _plain(rng)]


def _crowded(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    """Many nearly equal objects that compete for the same predictions."""
    pictures = []
    for _ in range(12):
        row = replace(_object(rng), kind=rng.choice(("Car", "Pedestrian")))
        truth = [replace(_jittered(row, rng, 0.04), kind=rng.choice((row.kind, row.kind, "Van"))) for _ in range(5)]
        found = [replace(_jittered(row, rng, 0.08), score=round(rng.random(), 1)) for _ in range(8)]
        pictures.append((truth, found))
    return pictures


def _no_orientation(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    return _each_found(_plain(rng), lambda row: [replace(row, alpha=NO_ALPHA)])


def _perfect(rng: random.Random) -> list[tuple[list[_Row], list[_Row]]]:
    return [
        (truth, [replace(row, score=round(rng.random(), 4)) for row in truth if row.kind != DONT_CARE])
        for truth, _ in _plain(rng)
    ]


KINDS: dict[str, Callable[[random.Random], list[tuple[list[_Row], list[_Row]]]]] = {
    make.__name__.strip("_"): make
    for make in (
        _plain,
        _ties,
        _duplicates,
        _nothing_found,
        _nothing_there,
        _all_wrong,
        _few_classes,
        _low_boxes,
        _areas,
        _crowded,
        _no_orientation,
        _perfect,
    )
}


def kitti_case(kind: str, seed: int) -> Pictures:
    """Truth and predictions of some pictures."""
    pictures = KINDS[kind](random.Random(1000 * list(KINDS).index(kind) + seed))
    truth = {f"{k:06d}": _objects(rows, with_score=False) for k, (rows, _) in enumerate(pictures)}
    return truth, {f"{k:06d}": _objects(rows, with_score=True) for k, (_, rows) in enumerate(pictures)}


def _picture(rng: random.Random) -> tuple[list[_Row], list[_Row]]:
    truth, found = [], []
    for _ in range(rng.randrange(12)):
        row = _object(rng)
        truth.append(row)
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            kind = row.kind if rng.random() < 0.9 else rng.choice(("Car", "Pedestrian", "Cyclist", "Van"))
            near = _jittered(row, rng, rng.choice((0.0, 0.03, 0.1)))
            found.append(replace(near, kind=kind, truncated=-1.0, occluded=-1, score=round(rng.random(), 4)))
    found += [replace(_object(rng), score=round(rng.random(), 4)) for _ in range(rng.randrange(4))]
    truth += [_area(_object(rng), rng) for _ in range(rng.randrange(3))]
    rng.shuffle(truth)
    return truth, found


def _object(rng: random.Random) -> _Row:
    kind = rng.choice(
        ("Car", "Car", "Car", "Van", "Pedestrian", "Pedestrian", "Person_sitting", "Cyclist", "Truck", "Misc")
    )
    height, width, length = (1.6, 1.7, 4.0) if kind in ("Car", "Van", "Truck", "Misc") else (1.7, 0.6, 0.8)
    left, top = rng.uniform(0, 1100), rng.uniform(100, 250)
    high = rng.choice((20, 30, 45, 80, 120)) * rng.uniform(0.9, 1.1)
    return _Row(
        kind,
        round(rng.choice((0.0, 0.0, 0.0, rng.random() * 0.6)), 2),
        rng.choice((0, 0, 0, 1, 2, 3)),
        _between(rng, -np.pi, np.pi),
        tuple(round(edge, 2) for edge in (left, top, left + high * rng.uniform(0.4, 2.0), top + high)),
        tuple(round(side * rng.uniform(0.8, 1.2), 2) for side in (height, width, length)),
        (_between(rng, -30, 30), _between(rng, 1, 2), _between(rng, 3, 70)),
        _between(rng, -np.pi, np.pi),
    )


def _jittered(row: _Row, rng: random.Random, share: float) -> _Row:
    """Edges, sides and places off by up to a share of the object's size."""
    wide, high = row.bbox[2] - row.bbox[0], row.bbox[3] - row.bbox[1]
    left, top, right, bottom = (
        edge + _between(rng, -1, 1) * share * reach
        for edge, reach in zip(row.bbox, (wide, high, wide, high), strict=True)
    )
    return replace(
        row,
        alpha=round(row.alpha + _between(rng, -1, 1) * 4 * share, 4),
        bbox=tuple(round(edge, 2) for edge in (left, top, right, bottom)),
        size=tuple(round(side * (1 + _between(rng, -1, 1) * share), 4) for side in row.size),
        bottom=tuple(
            round(place + _between(rng, -1, 1) * 2 * share * side, 4)
            for place, side in zip(row.bottom, row.size, strict=True)
        ),
        turned=round(row.turned + _between(rng, -1, 1) * share, 4),
    )


def _area(row: _Row, rng: random.Random) -> _Row:
    grown = _moved(row.bbox, round(rng.uniform(-20, 20), 2))
    return _Row(DONT_CARE, -1.0, -1, NO_ALPHA, grown, (-1.0, -1.0, -1.0), (-1000.0, -1000.0, -1000.0), -10.0)


def _moved(bbox: tuple[float, ...], right_px: float) -> tuple[float, float, float, float]:
    return (round(bbox[0] + right_px, 2), bbox[1], round(bbox[2] + right_px, 2), bbox[3])


def _between(rng: random.Random, low: float, high: float) -> float:
    return round(rng.uniform(low, high), 4)


def _each_found(
    pictures: list[tuple[list[_Row], list[_Row]]], change: Callable[[_Row], list[_Row]]
) -> list[tuple[list[_Row], list[_Row]]]:
    return [(truth, [new for row in found for new in change(row)]) for truth, found in pictures]


def _objects(rows: list[_Row], with_score: bool) -> KittiObjects:
    return KittiObjects(
        np.array([row.kind for row in rows], str),
        np.array([row.truncated for row in rows], float),
        np.array([row.occluded for row in rows], np.int64),
        np.array([row.alpha for row in rows], float),
        np.array([row.bbox for row in rows], float).reshape(-1, 4),
        np.array([row.size for row in rows], float).reshape(-1, 3),
        np.array([row.bottom for row in rows], float).reshape(-1, 3),
        np.array([row.turned for row in rows], float),
        np.array([row.score for row in rows], float) if with_score else None,
    )
