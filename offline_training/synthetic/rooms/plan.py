"""What stands in a synthetic room of each kind; kinds share classes in different measure, so that lists of classes tell something."""

import numpy as np

from offline_training.synthetic.rooms.extras import bin_or_bag, carton, potted_plant, standing_person
from offline_training.synthetic.rooms.groups import (
    Group,
    bed_group,
    desk_group,
    dining_group,
    kitchen_counter,
    shelf,
    sideboard_with_screen,
    sofa_group,
    table_with_chairs,
)
from offline_training.synthetic.rooms.seats import chair, sofa
from offline_training.synthetic.rooms.storage import cabinet

# How often a room is of each kind.
KINDS = {"living": 0.17, "bedroom": 0.2, "office": 0.15, "kitchen": 0.14, "meeting": 0.12, "lounge": 0.12, "hall": 0.1}


def draw_groups(rng: np.random.Generator, kind: str, floor_m2: float) -> list[Group]:
    """What to furnish a room of a kind with, the most important first; large rooms get more."""
    return _MAKERS[kind](rng) + [_more(rng, kind) for _ in range(rng.poisson(floor_m2 / 12))]


def _more(rng: np.random.Generator, kind: str) -> Group:
    """Something that such a room may have any number of."""
    choice = {
        "living": ("shelf", "sideboard", "plant"),
        "bedroom": ("chest", "plant"),
        "office": ("shelf", "chest", "desk", "chest"),
        "kitchen": ("chest", "plant", "chest"),
        "meeting": ("chair", "plant", "chair"),
        "lounge": ("sofa", "plant", "shelf"),
        "hall": ("chest", "plant", "chest"),
    }[kind]
    what = choice[rng.integers(len(choice))]
    if what == "shelf":
        return shelf(rng)
    if what == "sideboard":
        return sideboard_with_screen(rng)
    if what == "desk":
        return desk_group(rng, person=0.1)
    if what == "plant":
        return Group((potted_plant(rng, rng.uniform(0.5, 1.6)),), True)
    if what == "chair":
        return Group((chair(rng),), True)
    if what == "sofa":
        return Group((sofa(rng, rng.uniform(1.4, 2.0)),), True)
    return Group((cabinet(rng, rng.uniform(0.4, 0.6), rng.uniform(0.5, 1.4), rng.uniform(0.7, 1.5)),), True)


def _living(rng: np.random.Generator) -> list[Group]:
    groups = [sofa_group(rng)]
    if rng.random() < 0.3:
        groups.append(Group((sofa(rng, rng.uniform(1.4, 1.8)),), True))
    if rng.random() < 0.6:
        groups.append(shelf(rng))
    if rng.random() < 0.6:
        groups.append(sideboard_with_screen(rng))
    if rng.random() < 0.3:
        groups.append(dining_group(rng))
    return groups + _loose(rng, plants=0.7, people=0.35, boxes=0.2)


def _bedroom(rng: np.random.Generator) -> list[Group]:
    groups = [bed_group(rng)]
    if rng.random() < 0.8:
        groups.append(
            Group((cabinet(rng, rng.uniform(0.5, 0.62), rng.uniform(0.9, 2.2), rng.uniform(1.8, 2.2)),), True)
        )
    if rng.random() < 0.4:
        groups.append(desk_group(rng, person=0.15))
    if rng.random() < 0.25:
        groups.append(shelf(rng))
    return groups + _loose(rng, plants=0.45, people=0.15, boxes=0.3)


def _office(rng: np.random.Generator) -> list[Group]:
    groups = [desk_group(rng, person=0.15) for _ in range(rng.integers(1, 5))]
    if rng.random() < 0.75:
        groups.append(shelf(rng))
    for _ in range(rng.integers(0, 3)):
        groups.append(
            Group((cabinet(rng, rng.uniform(0.42, 0.6), rng.uniform(0.4, 1.2), rng.uniform(0.7, 1.4)),), True)
        )
    if rng.random() < 0.15:
        groups.append(Group((sofa(rng, rng.uniform(1.4, 2.0)),), True))
    return groups + _loose(rng, plants=0.6, people=0.3, boxes=0.6)


def _kitchen(rng: np.random.Generator) -> list[Group]:
    groups = [kitchen_counter(rng)]
    if rng.random() < 0.65:
        groups.append(dining_group(rng))
    if rng.random() < 0.5:
        groups.append(Group((cabinet(rng, 0.6, rng.uniform(0.5, 1.2), rng.uniform(1.6, 2.1)),), True))
    return groups + _loose(rng, plants=0.3, people=0.35, boxes=0.3)


def _meeting(rng: np.random.Generator) -> list[Group]:
    groups = [table_with_chairs(rng, rng.uniform(1.0, 1.4), rng.uniform(1.8, 3.2), 0.35)]
    if rng.random() < 0.35:
        groups.append(sideboard_with_screen(rng))
    if rng.random() < 0.15:
        groups.append(shelf(rng))
    return groups + _loose(rng, plants=0.55, people=0.35, boxes=0.15)


def _lounge(rng: np.random.Generator) -> list[Group]:
    groups = [Group((sofa(rng, rng.uniform(1.5, 2.4)),), True) for _ in range(rng.integers(1, 4))]
    if rng.random() < 0.6:
        groups.append(shelf(rng))
    return groups + _loose(rng, plants=0.75, people=0.35, boxes=0.1)


def _hall(rng: np.random.Generator) -> list[Group]:
    groups = []
    for _ in range(rng.integers(1, 4)):
        size = rng.uniform(0.3, 0.6), rng.uniform(0.6, 1.8), rng.uniform(0.8, 2.1)
        groups.append(Group((cabinet(rng, *size),), True))
    return groups + _loose(rng, plants=0.6, people=0.5, boxes=0.4)


def _loose(rng: np.random.Generator, plants: float, people: float, boxes: float) -> list[Group]:
    """Plants, people and clutter by chance."""
    groups = []
    while rng.random() < plants:
        groups.append(Group((potted_plant(rng, rng.uniform(0.5, 1.6)),), bool(rng.random() < 0.85)))
        plants *= 0.5
    if rng.random() < people:
        groups.append(Group((standing_person(rng),), False))
    if rng.random() < boxes:
        groups.append(Group((carton(rng) if rng.random() < 0.6 else bin_or_bag(rng),), True))
    return groups


_MAKERS = {
    "living": _living,
    "bedroom": _bedroom,
    "office": _office,
    "kitchen": _kitchen,
    "meeting": _meeting,
    "lounge": _lounge,
    "hall": _hall,
}
