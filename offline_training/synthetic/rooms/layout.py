"""Puts a synthetic room together: its shell, furniture that does not intersect, pictures on the walls, lamps. One room per seed."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.rooms.extras import picture
from offline_training.synthetic.rooms.groups import Group
from offline_training.synthetic.rooms.plan import KINDS, draw_groups
from offline_training.synthetic.rooms.shell import (
    Opening,
    WallFrame,
    ceiling_lamp,
    draw_openings,
    shell,
    wall_frames,
)
from offline_training.synthetic.rooms.surfaces import DOOR
from offline_training.synthetic.world.meshes import Mesh, yaw_rotation

# Shortest and longest side, and how likely a picture hangs on a wall; each further one is less likely.
_SIDES_M = {
    "living": (3.6, 6.8), "bedroom": (3.0, 4.6), "office": (3.0, 6.2), "kitchen": (3.0, 4.8), "meeting": (3.6, 7.0),
    "lounge": (3.4, 6.0), "hall": (3.0, 5.5),
}  # fmt: skip
_PICTURES = {
    "living": 0.8, "bedroom": 0.6, "office": 0.3, "kitchen": 0.2, "meeting": 0.5, "lounge": 0.7, "hall": 0.6,
}  # fmt: skip
_GAP_M = 0.04
_TRIES = 200
_DOOR_FREE_M = 0.9


@dataclass(frozen=True)
class Light:
    """What lights a room."""

    lamps_m: np.ndarray  # (L, 3) their middles
    lamp_rgb: np.ndarray  # (3,) linear strength of each lamp
    windows_m: np.ndarray  # (W, 2, 3) lowest and highest corner of each pane
    sky_rgb: np.ndarray  # (3,) linear strength of daylight for each square metre of window


@dataclass(frozen=True)
class Room:
    """A room with everything in it; the k-th of its things is the instance k + 1."""

    kind: str
    size_m: np.ndarray  # (3,) length along x, width along y, height; the floor's middle is the origin
    shell: tuple[Mesh, ...]  # floor, ceiling, four walls, doors and windows
    furniture: tuple[Mesh, ...]  # all that stands, sits or hangs in it
    lamps: tuple[Mesh, ...]
    light: Light

    @property
    def things(self) -> tuple[Mesh, ...]:
        """All there is, in the order of the instances."""
        return self.shell + self.furniture + self.lamps


def build_room(seed: int) -> Room:
    """The room of a seed."""
    rng = np.random.default_rng([seed, 11])
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    size_m = np.array([*rng.uniform(*_SIDES_M[kind], 2), rng.uniform(2.4, 3.1)])
    openings = draw_openings(rng, size_m, windows=int(rng.choice(4, p=[0.2, 0.35, 0.32, 0.13])))
    built = shell(rng, size_m, openings)
    placed = Placed(size_m, openings)
    for group in draw_groups(rng, kind, float(size_m[0] * size_m[1])):
        placed.put(rng, group)
    likely = _PICTURES[kind]
    while rng.random() < likely:
        placed.hang(rng, picture(rng, rng.uniform(0.35, 1.1), rng.uniform(0.35, 0.8)))
        likely *= 0.75
    lamps, light = lamps_and_light(rng, size_m, openings)
    return Room(kind, size_m, tuple(built), tuple(placed.things), tuple(lamps), light)


class Placed:
    """What stands in the room so far, and the space that stays free before doors and windows."""

    def __init__(self, size_m: np.ndarray, openings: tuple[Opening, ...]) -> None:
        self.things: list[Mesh] = []
        self._frames, self._size_m = wall_frames(size_m), size_m
        self._taken = [_before(self._frames[o.wall], o) for o in openings]  # (2, 3) corners of boxes

    def put(self, rng: np.random.Generator, group: Group) -> None:
        """Put a group into the room, its first thing alone when there is no place for all, or nothing of it."""
        if not self._put_all(rng, group) and len(group.things) > 1:
            self._put_all(rng, Group(group.things[:1], group.at_wall))

    def _put_all(self, rng: np.random.Generator, group: Group) -> bool:
        """Find the group a free place and put it there; whether there was one."""
        low, high = group.bounds_m
        boxes = [_box_of(mesh) for mesh in group.things]
        for _ in range(_TRIES):
            if group.at_wall:
                frame = self._frames[rng.integers(4)]
                free = frame.length_m / 2 - 0.03
                if free + low[1] < high[1] - free:
                    continue
                rotation = yaw_rotation(frame.yaw_rad)
                along, gap = rng.uniform(-free - low[1], free - high[1]), rng.uniform(0.015, 0.06)
                at_m = frame.origin_m + rotation @ [gap - low[0], along, 0.0]
            else:
                rotation = yaw_rotation(
                    rng.integers(4) * np.pi / 2 + (rng.normal(0, 0.15) if rng.random() < 0.3 else 0)
                )
                at_m = np.append(rng.uniform(-self._size_m[:2] / 2 + 0.4, self._size_m[:2] / 2 - 0.4), 0.0)
            if self._fits([_turned_box(corners, at_m, rotation) for corners in boxes], _GAP_M):
                self._take([mesh.placed(at_m, rotation) for mesh in group.things])
                return True
        return False

    def hang(self, rng: np.random.Generator, mesh: Mesh) -> None:
        """Hang a picture on a free piece of wall, if there is one."""
        half_m, half_up = mesh.corners_m[..., 1].max(), mesh.corners_m[..., 2].max()
        for _ in range(_TRIES):
            frame = self._frames[rng.integers(4)]
            free = frame.length_m / 2 - half_m - 0.1
            top = self._size_m[2] - half_up - 0.1
            if free <= 0:
                continue
            thing = frame.place(mesh, 0.002, rng.uniform(-free, free), min(rng.uniform(1.35, 1.75), top))
            if self._fits([_box_of(thing)], 0.08, wall_m=-0.01):
                self._take([thing])
                return

    def _fits(self, boxes: list[np.ndarray], gap_m: float, wall_m: float = 0.01) -> bool:
        half = self._size_m[:2] / 2 - wall_m
        for low, high in boxes:
            if (low[:2] < -half).any() or (high[:2] > half).any() or high[2] > self._size_m[2] - 0.05:
                return False
        taken = np.array(self._taken).reshape(-1, 2, 3)
        return not any(
            ((low < taken[:, 1] + gap_m) & (high > taken[:, 0] - gap_m)).all(axis=1).any() for low, high in boxes
        )

    def _take(self, things: list[Mesh]) -> None:
        self.things += things
        self._taken += [_box_of(mesh) for mesh in things]


def _turned_box(box_m: np.ndarray, at_m: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """The (2, 3) box around a box turned about z and then moved."""
    corners = np.array([[x, y, z] for x in box_m[:, 0] for y in box_m[:, 1] for z in box_m[:, 2]]) @ rotation.T + at_m
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def _box_of(mesh: Mesh) -> np.ndarray:
    """(2, 3) lowest and highest corner."""
    return np.stack([mesh.corners_m.min(axis=(0, 1)), mesh.corners_m.max(axis=(0, 1))])


def _before(frame: WallFrame, opening: Opening) -> np.ndarray:
    """(2, 3) box before a door or window that furniture leaves free."""
    deep = _DOOR_FREE_M if opening.class_id == DOOR else 0.3
    return _box_in_room(frame, opening, 0.0, deep)


def _box_in_room(frame: WallFrame, opening: Opening, near_m: float, far_m: float) -> np.ndarray:
    (a, b), (z0, z1) = opening.along_m, opening.height_m
    corners = np.array([(near_m, a, z0), (far_m, b, z1)]) @ yaw_rotation(frame.yaw_rad).T + frame.origin_m
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def lamps_and_light(
    rng: np.random.Generator, size_m: np.ndarray, openings: tuple[Opening, ...]
) -> tuple[list[Mesh], Light]:
    """Lamps in a row along the longer side, and the windows by day or at night. size_m: (3,) length, width, height."""
    panes = [_box_in_room(wall_frames(size_m)[o.wall], o, 0.0, 0.0) for o in openings if o.class_id != DOOR]
    by_day = bool(panes) and rng.random() < 0.8
    lamps_on = not by_day or rng.random() < 0.7
    count = max(1, round(max(size_m[:2]) / 3.0))
    along = (np.arange(count) + 0.5) / count - 0.5
    places = np.zeros((count, 2))
    places[:, np.argmax(size_m[:2])] = along * size_m[:2].max()
    kind = rng.integers(2**31)
    lamps = [ceiling_lamp(np.random.default_rng(kind), size_m[2]).placed((x, y, 0), np.eye(3)) for x, y in places]
    warm = rng.uniform(0.0, 1.0)
    strength = rng.uniform(1.6, 2.6) * lamps_on
    middles = np.column_stack([places, [mesh.corners_m[..., 2].min() for mesh in lamps]])
    return lamps, Light(
        middles,
        strength * np.array([1.0, 0.97 - 0.14 * warm, 0.92 - 0.34 * warm]),
        np.array(panes).reshape(-1, 2, 3),
        rng.uniform(0.5, 1.4) * np.array([0.92, 0.98, 1.05]) if by_day else np.array([0.01, 0.012, 0.02]),
    )
