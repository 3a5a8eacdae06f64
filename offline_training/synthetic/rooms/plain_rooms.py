"""Plain rooms: floor, ceiling and walls, and in each a few things of two kinds out of 22. One room per seed.

Few kinds a room make a list of its classes tell much: it leaves out 20 of 25. Things of a kind are tinted alike, so that small
networks learn in minutes to tell them apart by sight.
"""

import colorsys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from offline_training.synthetic.rooms.extras import picture, potted_plant, standing_person
from offline_training.synthetic.rooms.groups import Group
from offline_training.synthetic.rooms.layout import Placed, Room, lamps_and_light
from offline_training.synthetic.rooms.plain_things import (
    bench,
    bin_,
    clock,
    counter,
    crate,
    crib,
    desk,
    mirror,
    stool,
    suitcase,
)
from offline_training.synthetic.rooms.seats import bed, chair, sofa
from offline_training.synthetic.rooms.shell import shell
from offline_training.synthetic.rooms.storage import bookshelf, cabinet, table
from offline_training.synthetic.world.meshes import Mesh

Maker = Callable[[np.random.Generator], Mesh]
_FIRST_THING = (
    3  # of the class table plain_rooms: wall, floor and ceiling stand before the things, as in synthetic_rooms
)
_LEAST_BACK_M = 0.7  # a chair that is lower has no back


def _chair(rng: np.random.Generator) -> Mesh:
    while True:
        mesh = chair(rng)
        if mesh.corners_m[..., 2].max() > _LEAST_BACK_M:
            return mesh


# In the order of the class table.
_AT_WALL: dict[str, Maker] = {
    "sofa": lambda rng: sofa(rng, rng.uniform(1.5, 2.1)),
    "desk": desk,
    "counter": counter,
    "cabinet": lambda rng: cabinet(
        rng, rng.uniform(0.4, 0.5), rng.uniform(0.8, 1.4), rng.uniform(0.7, 1.1), drawers=False
    ),
    "wardrobe": lambda rng: cabinet(
        rng, rng.uniform(0.5, 0.6), rng.uniform(0.9, 1.4), rng.uniform(1.8, 2.1), drawers=False
    ),
    "dresser": lambda rng: cabinet(
        rng, rng.uniform(0.4, 0.5), rng.uniform(0.8, 1.4), rng.uniform(0.7, 1.1), drawers=True
    ),
    "bookshelf": lambda rng: bookshelf(rng, rng.uniform(0.8, 1.5), rng.uniform(1.4, 2.0)),
    "bed": lambda rng: bed(rng, rng.uniform(0.9, 1.6)),
    "crib": crib,
}
_STANDING: dict[str, Maker] = {
    "chair": _chair,
    "stool": stool,
    "bench": bench,
    "armchair": lambda rng: sofa(rng, rng.uniform(0.9, 1.05)),
    "table": lambda rng: table(rng, rng.uniform(0.7, 0.9), rng.uniform(1.0, 1.5), rng.uniform(0.7, 0.76)),
    "box": crate,
    "bin": bin_,
    "suitcase": suitcase,
    "plant": lambda rng: potted_plant(rng, rng.uniform(0.8, 1.6)),
    "person": standing_person,
}
_HANGING: dict[str, Maker] = {
    "picture": lambda rng: picture(rng, rng.uniform(0.6, 1.1), rng.uniform(0.5, 0.8)),
    "mirror": mirror,
    "clock": clock,
}
THINGS = (
    "chair", "stool", "bench", "sofa", "armchair", "table", "desk", "counter", "cabinet", "wardrobe", "dresser", "bookshelf",
    "bed", "crib", "picture", "mirror", "clock", "box", "bin", "suitcase", "plant", "person",
)  # fmt: skip
_KINDS_A_ROOM, _OF_A_KIND = 2, (2, 4)
_TINT = 0.6  # of a thing's colour
_GOLDEN = 0.381966  # of the circle of hues between one kind and the next: neighbours in the table differ most


def build_plain_room(seed: int) -> Room:
    """The plain room of a seed."""
    rng = np.random.default_rng([seed, 21])
    size_m = np.array([*rng.uniform(2.9, 3.9, 2), rng.uniform(2.3, 2.6)])
    built = shell(rng, size_m, ())
    placed = Placed(size_m, ())
    for kind in rng.choice(len(THINGS), _KINDS_A_ROOM, replace=False):
        for _ in range(rng.integers(*_OF_A_KIND)):
            _put(placed, rng, int(kind))
    lamps, light = lamps_and_light(rng, size_m, ())
    return Room("plain", size_m, tuple(built), tuple(placed.things), tuple(lamps), light)


def _put(placed: Placed, rng: np.random.Generator, kind: int) -> None:
    """A thing of a kind, where there is a place for it."""
    name = THINGS[kind]
    if name in _HANGING:
        placed.hang(rng, _of_kind(_HANGING[name](rng), rng, kind))
    elif name in _AT_WALL:
        placed.put(rng, Group((_of_kind(_AT_WALL[name](rng), rng, kind),), True))
    else:
        placed.put(rng, Group((_of_kind(_STANDING[name](rng), rng, kind),), bool(rng.random() < 0.4)))


def _of_kind(mesh: Mesh, rng: np.random.Generator, kind: int) -> Mesh:
    """A thing with its class and its kind's tint."""
    hue, value = kind * _GOLDEN + rng.normal(0, 0.02), (0.85, 0.6, 0.4)[kind % 3] * rng.uniform(0.85, 1.15)
    tint = 255 * np.array(colorsys.hsv_to_rgb(hue % 1.0, 0.75, min(value, 1.0)))
    tinted = np.round((1 - _TINT) * mesh.color_rgb + _TINT * tint).astype(np.uint8)
    return replace(mesh, color_rgb=tinted).with_class(_FIRST_THING + kind)
