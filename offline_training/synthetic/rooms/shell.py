"""Walls, floor, ceiling, doors and windows of a synthetic room; x along its length, y along its width, middle of the floor = origin."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.rooms.surfaces import (
    CEILING,
    CLUTTER,
    DARK,
    DOOR,
    FLOOR,
    METAL,
    WALL,
    WINDOW,
    Finish,
    Texture,
    floor_finish,
    hard_finish,
    solid,
    wall_finish,
)
from offline_training.synthetic.world.meshes import Mesh, ball, box, merged, quads, surface, tube, yaw_rotation

_RECESS_M = 0.1  # how far panes and door leaves stand behind the wall's face
WHITE = Finish(Texture.PLAIN, (234, 232, 226))


@dataclass(frozen=True)
class Opening:
    """A door or window in a wall, from the wall's middle along it and from the floor up."""

    class_id: int
    wall: int
    along_m: tuple[float, float]
    height_m: tuple[float, float]


@dataclass(frozen=True)
class WallFrame:
    """A wall's own frame: x into the room, y along the wall, z up, origin on the floor below the wall's middle."""

    origin_m: np.ndarray  # (3,)
    yaw_rad: float
    length_m: float

    def place(self, mesh: Mesh, from_wall_m: float, along_m: float, up_m: float = 0.0) -> Mesh:
        """A mesh of the wall's frame, moved in it, in the room's frame."""
        rotation = yaw_rotation(self.yaw_rad)
        return mesh.placed(self.origin_m + rotation @ [from_wall_m, along_m, up_m], rotation)


def wall_frames(size_m: np.ndarray) -> tuple[WallFrame, ...]:
    """The four walls of a room of that size (length, width, height), counter-clockwise from the one at -x."""
    length, width = size_m[:2]
    return (
        WallFrame(np.array([-length / 2, 0, 0]), 0.0, width),
        WallFrame(np.array([0, -width / 2, 0]), np.pi / 2, length),
        WallFrame(np.array([length / 2, 0, 0]), np.pi, width),
        WallFrame(np.array([0, width / 2, 0]), -np.pi / 2, length),
    )


def draw_openings(rng: np.random.Generator, size_m: np.ndarray, windows: int) -> tuple[Opening, ...]:
    """One or two doors and up to `windows` windows that do not overlap, at least 0.25 m from the corners.

    size_m: (3,) length, width, height.
    """
    frames, found = wall_frames(size_m), list[Opening]()
    wanted = [DOOR] * (1 if rng.random() < 0.75 else 2) + [WINDOW] * windows
    for class_id in wanted:
        for _ in range(20):
            wall = int(rng.integers(4))
            if class_id == DOOR:
                wide, height = rng.uniform(0.82, 1.0), (0.0, rng.uniform(1.98, 2.15))
            else:
                wide, height = rng.uniform(0.8, 2.2), (rng.uniform(0.55, 1.1), rng.uniform(1.95, size_m[2] - 0.15))
            free = frames[wall].length_m / 2 - 0.25 - wide / 2
            if free <= 0:
                continue
            middle = rng.uniform(-free, free)
            along = (middle - wide / 2, middle + wide / 2)
            if all(along[1] + 0.25 < o.along_m[0] or along[0] - 0.25 > o.along_m[1] for o in found if o.wall == wall):
                found.append(Opening(class_id, wall, along, height))
                break
    return tuple(found)


def shell(rng: np.random.Generator, size_m: np.ndarray, openings: tuple[Opening, ...]) -> list[Mesh]:
    """Floor, ceiling, four walls, and each opening's door or window: one mesh each, in this order.

    size_m: (3,) length, width, height.
    """
    length, width, height = size_m
    floor, paint, accent = floor_finish(rng), wall_finish(rng), wall_finish(rng)
    plane = np.array(
        [[-length / 2, -width / 2], [length / 2, -width / 2], [length / 2, width / 2], [-length / 2, width / 2]]
    )
    ceiling = WHITE if rng.random() < 0.8 else hard_finish(rng)
    meshes = [
        solid(quads(np.column_stack([plane, np.zeros(4)])[None]), FLOOR, floor),
        solid(quads(np.column_stack([plane, np.full(4, height)])[None]), CEILING, ceiling),
    ]
    special = int(rng.integers(8))  # in half of the rooms one wall has another finish
    skirting = WHITE if rng.random() < 0.6 else hard_finish(rng)
    for number, frame in enumerate(wall_frames(size_m)):
        own = [opening for opening in openings if opening.wall == number]
        finish = accent if number == special else paint
        meshes.append(frame.place(_wall(frame.length_m, height, own, finish, skirting), 0.0, 0.0))
    window_frame = WHITE if rng.random() < 0.6 else hard_finish(rng)
    leaf = WHITE if rng.random() < 0.35 else hard_finish(rng)
    for opening in openings:
        make = _door(rng, opening, leaf) if opening.class_id == DOOR else _window(rng, opening, window_frame)
        meshes.append(wall_frames(size_m)[opening.wall].place(make, 0.0, 0.0))
    return meshes


def ceiling_lamp(rng: np.random.Generator, height_m: float) -> Mesh:
    """A lamp below the ceiling: a flat panel, or a globe on its cord; no class."""
    if rng.random() < 0.6:
        side = rng.uniform(0.3, 0.9)
        return solid(box((0, 0, height_m - 0.03), (0.3, side, 0.05)), CLUTTER, Finish(Texture.GLOW, (250, 246, 232)))
    drop = height_m - rng.uniform(0.25, 0.5)
    globe = solid(ball((0, 0, drop), (0.15, 0.15, 0.12), 12, 8), CLUTTER, Finish(Texture.GLOW, (250, 240, 220)))
    return merged([globe, solid(tube((0, 0, drop), (0, 0, height_m), 0.008, sides=4), CLUTTER, DARK)])


def _wall(length_m: float, height_m: float, openings: list[Opening], finish: Finish, skirting: Finish) -> Mesh:
    """The wall's face in its own frame with holes, their reveals, and a skirting board that leaves out doors."""
    faces, boards = [], []
    low = -length_m / 2
    foot = low
    for opening in sorted(openings, key=lambda o: o.along_m):
        a, b, z0, z1 = *opening.along_m, *opening.height_m
        faces += [_upright(low, a, 0, height_m), _upright(a, b, z1, height_m)]
        if z0 > 0:
            faces.append(_upright(a, b, 0, z0))
        faces += _reveal(a, b, z0, z1)
        if opening.class_id == DOOR:
            boards.append((foot, a - 0.05))
            foot = b + 0.05
        low = b
    faces.append(_upright(low, length_m / 2, 0, height_m))
    boards.append((foot, length_m / 2))
    parts = [solid(quads(np.stack(faces)), WALL, finish)]
    for start, end in boards:
        if end - start > 0.02:
            parts.append(solid(box((0.007, (start + end) / 2, 0.04), (0.014, end - start, 0.08)), WALL, skirting))
    return merged(parts)


def _upright(y0: float, y1: float, z0: float, z1: float, x: float = 0.0) -> np.ndarray:
    return np.array([[x, y0, z0], [x, y1, z0], [x, y1, z1], [x, y0, z1]])


def _reveal(y0: float, y1: float, z0: float, z1: float) -> list[np.ndarray]:
    x = -_RECESS_M
    return [np.array([[0, y, z0], [x, y, z0], [x, y, z1], [0, y, z1]]) for y in (y0, y1)] + [
        np.array([[0, y0, z], [0, y1, z], [x, y1, z], [x, y0, z]]) for z in (z0, z1)
    ]


def _door(rng: np.random.Generator, opening: Opening, leaf: Finish) -> Mesh:
    (a, b), (_, top) = opening.along_m, opening.height_m
    frame = WHITE if rng.random() < 0.5 else leaf
    middle, wide = (a + b) / 2, b - a
    trim = [box((0.012, y, (top + 0.06) / 2), (0.024, 0.07, top + 0.06)) for y in (a - 0.02, b + 0.02)] + [
        box((0.012, middle, top + 0.03), (0.024, wide + 0.1, 0.07))
    ]
    x = -_RECESS_M + 0.04
    parts = [
        solid(np.concatenate(trim), DOOR, frame),
        solid(box((x - 0.02, middle, top / 2), (0.04, wide, top)), DOOR, leaf),
    ]
    kind = rng.random()
    if kind < 0.5:  # raised panels
        for z0, z1 in ((0.2, 0.85), (1.05, top - 0.2)):
            parts.append(solid(box((x, middle, (z0 + z1) / 2), (0.024, 0.62 * wide, z1 - z0)), DOOR, leaf))
    elif kind < 0.7:  # a narrow pane of frosted glass
        glass = Finish(Texture.PLAIN, (176, 192, 196))
        parts.append(solid(box((x, middle, 1.35), (0.008, 0.25 * wide, 0.9)), DOOR, glass))
    side = rng.choice([-1, 1]) * (wide / 2 - 0.08)
    parts.append(solid(box((x + 0.04, middle + 0.85 * side, 1.03), (0.025, 0.13, 0.025)), DOOR, METAL))
    parts.append(solid(box((x + 0.015, middle + side, 1.0), (0.03, 0.04, 0.2)), DOOR, METAL))
    return merged(parts)


def _window(rng: np.random.Generator, opening: Opening, frame: Finish) -> Mesh:
    (a, b), (low, top) = opening.along_m, opening.height_m
    x, bar = -_RECESS_M + 0.03, rng.uniform(0.05, 0.08)
    middle, half = (a + b) / 2, (low + top) / 2
    bars = [box((x, y, half), (0.06, bar, top - low)) for y in (a + bar / 2, b - bar / 2)]
    bars += [box((x, middle, z), (0.06, b - a, bar)) for z in (low + bar / 2, top - bar / 2)]
    bars += [
        box((x, y, half), (0.05, bar, top - low)) for y in np.linspace(a, b, max(2, round((b - a) / 0.75) + 1))[1:-1]
    ]
    if rng.random() < 0.35:
        bars.append(box((x, middle, low + 0.65 * (top - low)), (0.05, b - a, 0.8 * bar)))
    pane = _upright(a, b, low, top, -_RECESS_M + 0.01)
    v = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 1], [0, 1]]], float)
    parts = [
        surface(quads(pane[None]), WINDOW, Texture.OUTSIDE, (200, 214, 228), v),
        solid(np.concatenate(bars), WINDOW, frame),
    ]
    if rng.random() < 0.7:  # a sill
        parts.append(solid(box((0.0, middle, low - 0.015), (0.24, b - a + 0.1, 0.03)), WINDOW, frame))
    return merged(parts)
