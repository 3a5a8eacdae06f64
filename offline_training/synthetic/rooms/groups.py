"""Things of synthetic rooms that stand together: a table and its chairs, a bed and what is beside it; front towards +x."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.rooms.extras import potted_plant, screen, seated_person
from offline_training.synthetic.rooms.seats import bed, chair, sofa
from offline_training.synthetic.rooms.storage import bookshelf, cabinet, round_table, table
from offline_training.synthetic.rooms.surfaces import hard_finish
from offline_training.synthetic.world.meshes import Mesh, yaw_rotation

_LIFT_M = 0.002  # between a thing and what it stands on, so that no two faces lie in one plane


@dataclass(frozen=True)
class Group:
    """Things that are put into the room together, each a mesh in the group's frame; front towards +x."""

    things: tuple[Mesh, ...]
    at_wall: bool

    @property
    def bounds_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (3,), (3,) of all its things."""
        corners = np.concatenate([mesh.corners_m.reshape(-1, 3) for mesh in self.things])
        return corners.min(axis=0), corners.max(axis=0)


def sofa_group(rng: np.random.Generator) -> Group:
    """A sofa, mostly with a low table before it, at times with somebody on it."""
    seat = sofa(rng, rng.uniform(1.5, 2.4))
    things = [seat]
    if rng.random() < 0.15:
        things.append(_moved(seated_person(rng), 0.12, rng.uniform(-0.4, 0.4)))
    if rng.random() < 0.75:
        low = rng.uniform(0.36, 0.46)
        if rng.random() < 0.3:
            top = round_table(rng, rng.uniform(0.6, 0.9), low)
        else:
            top = table(rng, rng.uniform(0.45, 0.7), rng.uniform(0.8, 1.3), low)
        things.append(_moved(top, _front(seat) + rng.uniform(0.3, 0.45) - _back(top), rng.uniform(-0.2, 0.2)))
    return Group(tuple(things), True)


def bed_group(rng: np.random.Generator) -> Group:
    """A bed with a cabinet on either side, both or none."""
    width = rng.choice([0.9, 1.2, 1.4, 1.6, 1.8])
    things = [bed(rng, width)]
    for side in (-1, 1):
        if rng.random() < 0.5:
            wide, finish = rng.uniform(0.38, 0.5), hard_finish(rng)
            stand = cabinet(rng, 0.4, wide, rng.uniform(0.42, 0.6), finish)
            at = _back(things[0]) - _back(stand)
            things.append(_moved(stand, at, side * (width / 2 + wide / 2 + rng.uniform(0.06, 0.15))))
    return Group(tuple(things), True)


def desk_group(rng: np.random.Generator, person: float) -> Group:
    """A desk with a chair, mostly a screen, and somebody at work as often as `person` says."""
    depth, height = rng.uniform(0.6, 0.8), rng.uniform(0.71, 0.76)
    top = table(rng, depth, rng.uniform(1.1, 1.7), height)
    seat = _turned(chair(rng), np.pi + rng.normal(0, 0.2))
    seat = _moved(seat, depth / 2 + rng.uniform(0.02, 0.3) - _back(seat), rng.uniform(-0.15, 0.15))
    things = [top, seat]
    if rng.random() < person:
        things.append(_moved(_turned(seated_person(rng), np.pi), _middle(seat)[0] + 0.03, _middle(seat)[1]))
    if rng.random() < 0.75:
        things.append(
            _moved(screen(rng, rng.uniform(0.45, 0.65)), -depth / 2 + 0.16, rng.uniform(-0.25, 0.25), height + _LIFT_M)
        )
    return Group(tuple(things), True)


def dining_group(rng: np.random.Generator) -> Group:
    """A dining table, rectangular or round, with its chairs."""
    if rng.random() < 0.3:
        return _round_with_chairs(rng)
    return table_with_chairs(rng, rng.uniform(0.75, 0.95), rng.uniform(1.1, 1.8), 0.2)


def table_with_chairs(rng: np.random.Generator, depth_m: float, width_m: float, taken: float) -> Group:
    """Chairs of one kind along both long sides; `taken`: how often one of them is sat on."""
    top = table(rng, depth_m, width_m, rng.uniform(0.72, 0.76))
    kind, count = int(rng.integers(2**31)), max(1, int((width_m - 0.2) / rng.uniform(0.66, 0.8)))
    places = [(side, (number + 0.5) * width_m / count - width_m / 2) for side in (-1, 1) for number in range(count)]
    things, taken_by = [top], rng.integers(len(places)) if rng.random() < taken else -1
    for number, (side, y) in enumerate(places):
        if rng.random() < 0.15 and number != taken_by:
            continue
        things += _seat_at(rng, kind, side * (depth_m / 2 + rng.uniform(0.03, 0.25)), y, side, number == taken_by)
    return Group(tuple(things), False)


def _seat_at(rng: np.random.Generator, kind: int, edge_m: float, y: float, side: int, sat_on: bool) -> list[Mesh]:
    """A chair that looks at the table, its front at edge_m; the person on it where it is sat on."""
    yaw = (np.pi if side > 0 else 0.0) + rng.normal(0, 0.08)
    seat = _turned(chair(np.random.default_rng(kind)), yaw)
    low, high = seat.corners_m.min(axis=(0, 1)), seat.corners_m.max(axis=(0, 1))
    x = edge_m - (low[0] if side > 0 else high[0])
    things = [_moved(seat, x, y)]
    if sat_on:
        things.append(_moved(_turned(seated_person(rng), yaw), x + 0.03 * side, y))
    return things


def _round_with_chairs(rng: np.random.Generator) -> Group:
    diameter, kind = rng.uniform(0.8, 1.1), int(rng.integers(2**31))
    things = [round_table(rng, diameter, rng.uniform(0.72, 0.76))]
    first = rng.uniform(0, np.pi)
    for angle in first + np.arange(rng.integers(2, 5)) * np.pi / 2:
        reach = diameter / 2 + 0.3 + rng.uniform(0.03, 0.2)
        seat = _turned(chair(np.random.default_rng(kind)), angle + np.pi)
        things.append(_moved(seat, reach * np.cos(angle), reach * np.sin(angle)))
    return Group(tuple(things), False)


def kitchen_counter(rng: np.random.Generator) -> Group:
    """A kitchen counter with wall units above it: all cabinets."""
    width, finish = rng.uniform(1.2, 2.6), hard_finish(rng)
    things = [cabinet(rng, 0.6, width, 0.9, finish)]
    if rng.random() < 0.85:
        unit = cabinet(rng, 0.35, width * rng.uniform(0.5, 1.0), 0.7, finish)
        things.append(_moved(unit, _back(things[0]) - _back(unit), 0.0, 1.42))
    if rng.random() < 0.35:
        things.append(
            _moved(potted_plant(rng, rng.uniform(0.25, 0.4)), -0.05, rng.uniform(-0.35, 0.35) * width, 0.9 + _LIFT_M)
        )
    return Group(tuple(things), True)


def sideboard_with_screen(rng: np.random.Generator) -> Group:
    """A low cabinet, often with a television on it."""
    height, width = rng.uniform(0.45, 0.85), rng.uniform(1.1, 2.0)
    things = [cabinet(rng, rng.uniform(0.38, 0.48), width, height)]
    if rng.random() < 0.6:
        things.append(_moved(screen(rng, rng.uniform(0.8, 1.1)), 0.0, 0.0, height + _LIFT_M))
    return Group(tuple(things), True)


def shelf(rng: np.random.Generator) -> Group:
    """A bookshelf."""
    return Group((bookshelf(rng, rng.uniform(0.7, 1.8), rng.uniform(1.2, 2.2)),), True)


def _moved(mesh: Mesh, x: float, y: float, z: float = 0.0) -> Mesh:
    return mesh.placed((x, y, z), np.eye(3))


def _turned(mesh: Mesh, yaw_rad: float) -> Mesh:
    return mesh.placed((0, 0, 0), yaw_rotation(yaw_rad))


def _front(mesh: Mesh) -> float:
    return float(mesh.corners_m[..., 0].max())


def _back(mesh: Mesh) -> float:
    return float(mesh.corners_m[..., 0].min())


def _middle(mesh: Mesh) -> np.ndarray:
    return (mesh.corners_m.min(axis=(0, 1)) + mesh.corners_m.max(axis=(0, 1))) / 2
