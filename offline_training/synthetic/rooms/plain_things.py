"""Things of plain rooms that rooms of homes and offices lack, each of its own class; front towards +x, left +y, z up."""

import numpy as np

from offline_training.synthetic.rooms.storage import cabinet
from offline_training.synthetic.rooms.surfaces import (
    DARK,
    METAL,
    Finish,
    Texture,
    any_finish,
    hard_finish,
    soft_finish,
    solid,
)
from offline_training.synthetic.world.meshes import Mesh, ball, box, boxes, merged, tube

_ANY = 0  # of the pieces; whoever places the thing gives it its class


def stool(rng: np.random.Generator) -> Mesh:
    """A small round or square seat on three or four legs."""
    seat, legs = hard_finish(rng) if rng.random() < 0.5 else soft_finish(rng), hard_finish(rng)
    height, half = rng.uniform(0.42, 0.55), rng.uniform(0.15, 0.2)
    if rng.random() < 0.5:
        top = tube((0, 0, height - 0.05), (0, 0, height), half, sides=14)
        angles = np.arange(3) * 2 * np.pi / 3
        feet = [(half * np.cos(angle), half * np.sin(angle), 0.0) for angle in angles]
        under = [tube(foot, (0.6 * foot[0], 0.6 * foot[1], height - 0.05), 0.02, sides=5) for foot in feet]
        return merged([solid(top, _ANY, seat), solid(np.concatenate(under), _ANY, legs)])
    top = box((0, 0, height - 0.025), (2 * half, 2 * half, 0.05))
    return merged([solid(top, _ANY, seat), solid(_legs(2 * half, 2 * half, height - 0.05, 0.035), _ANY, legs)])


def bench(rng: np.random.Generator) -> Mesh:
    """A long seat without a back, on legs or side panels."""
    width, depth, height = rng.uniform(1.1, 1.7), rng.uniform(0.3, 0.42), rng.uniform(0.42, 0.5)
    wood = hard_finish(rng)
    seat = soft_finish(rng) if rng.random() < 0.4 else wood
    parts = [solid(box((0, 0, height - 0.03), (depth, width, 0.06)), _ANY, seat)]
    if rng.random() < 0.5:
        parts.append(solid(_legs(depth, width, height - 0.06, 0.05), _ANY, wood))
    else:
        y = width / 2 - 0.12
        panels = [box((0, side * y, (height - 0.06) / 2), (depth - 0.04, 0.04, height - 0.06)) for side in (-1, 1)]
        parts.append(solid(np.concatenate(panels), _ANY, wood))
    return merged(parts)


def desk(rng: np.random.Generator) -> Mesh:
    """A writing table on two legs and a block of drawers."""
    depth, width, height = rng.uniform(0.55, 0.75), rng.uniform(1.0, 1.5), rng.uniform(0.71, 0.76)
    top = hard_finish(rng)
    side = float(rng.choice([-1, 1]))
    block = cabinet(rng, depth - 0.06, 0.4, height - 0.04, top).placed((0, side * (width / 2 - 0.22), 0), np.eye(3))
    leg = box((0, -side * (width / 2 - 0.04), (height - 0.04) / 2), (depth - 0.06, 0.04, height - 0.04))
    board = box((0, 0, height - 0.02), (depth, width, 0.04))
    return merged([solid(board, _ANY, top), block, solid(leg, _ANY, top)])


def counter(rng: np.random.Generator) -> Mesh:
    """A kitchen counter: doors under a thick board that stands over."""
    width, height = rng.uniform(1.2, 1.9), rng.uniform(0.86, 0.94)
    body = cabinet(rng, 0.56, width, height - 0.05)
    board = solid(box((0.02, 0, height - 0.025), (0.64, width + 0.06, 0.05)), _ANY, hard_finish(rng))
    sink = solid(box((0.02, rng.uniform(-0.3, 0.3) * width, height + 0.002), (0.36, 0.42, 0.006)), _ANY, METAL)
    return merged([body, board, sink])


def crib(rng: np.random.Generator) -> Mesh:
    """A small bed behind bars."""
    frame, length, width, top = hard_finish(rng), rng.uniform(1.1, 1.3), rng.uniform(0.6, 0.7), rng.uniform(0.8, 0.95)
    parts = [solid(box((0, 0, 0.38), (length - 0.06, width - 0.06, 0.14)), _ANY, soft_finish(rng))]
    rails, bars = [], []
    for side in (-1, 1):
        rails += [box((0, side * width / 2, z), (length, 0.03, 0.04)) for z in (0.28, top)]
        rails.append(box((side * length / 2, 0, top / 2 + 0.12), (0.03, width, top - 0.2)))
        bars += [box((x, side * width / 2, (top + 0.28) / 2), (0.02, 0.02, top - 0.28))
                 for x in np.linspace(-length / 2 + 0.1, length / 2 - 0.1, 9)]  # fmt: skip
    legs = _legs(length, width, 0.28, 0.05)
    return merged([*parts, solid(np.concatenate([*rails, *bars]), _ANY, frame), solid(legs, _ANY, frame)])


def mirror(rng: np.random.Generator) -> Mesh:
    """A tall pane in a frame that hangs on a wall; its back lies in the plane x = 0, its middle in the origin."""
    width, height, rim = rng.uniform(0.4, 0.8), rng.uniform(0.8, 1.2), rng.uniform(0.03, 0.06)
    glass = Finish(Texture.OUTSIDE, (196, 210, 220))
    frame = hard_finish(rng) if rng.random() < 0.7 else METAL
    return merged(
        [
            solid(box((0.01, 0, 0), (0.02, width, height)), _ANY, frame),
            solid(box((0.014, 0, 0), (0.02, width - 2 * rim, height - 2 * rim)), _ANY, glass),
        ]
    )


def clock(rng: np.random.Generator) -> Mesh:
    """A round face with two hands that hangs on a wall; its back lies in the plane x = 0, its middle in the origin."""
    radius, rim = rng.uniform(0.18, 0.3), any_finish(rng)
    face = Finish(Texture.PLAIN, (238, 236, 228))
    hands = [box((0.046, 0.0, radius * 0.3), (0.006, 0.03, radius * 0.7)),
             box((0.046, radius * 0.25, 0.0), (0.006, radius * 0.55, 0.03))]  # fmt: skip
    return merged(
        [
            solid(tube((0, 0, 0), (0.03, 0, 0), radius, sides=20), _ANY, rim),
            solid(tube((0.03, 0, 0), (0.04, 0, 0), radius * 0.86, sides=20), _ANY, face),
            solid(np.concatenate(hands), _ANY, DARK),
        ]
    )


def crate(rng: np.random.Generator) -> Mesh:
    """A closed box with a band of tape over its lid."""
    size = rng.uniform([0.35, 0.4, 0.3], [0.55, 0.7, 0.6])
    finish = any_finish(rng)
    tape = Finish(Texture.PLAIN, (214, 196, 150))
    lid = box((0, 0, size[2] + 0.003), (size[0] + 0.004, 0.08, 0.006))
    front = box((size[0] / 2 + 0.003, 0, size[2] * 0.8), (0.006, 0.08, size[2] * 0.4))
    return merged(
        [solid(box((0, 0, size[2] / 2), size), _ANY, finish), solid(np.concatenate([lid, front]), _ANY, tape)]
    )


def bin_(rng: np.random.Generator) -> Mesh:
    """An open round bin, dark inside."""
    height, radius = rng.uniform(0.4, 0.6), rng.uniform(0.16, 0.22)
    body = tube((0, 0, 0), (0, 0, height), 0.75 * radius, radius, sides=14)
    inside = tube((0, 0, height), (0, 0, height + 0.006), 0.88 * radius, sides=14)
    return merged([solid(body, _ANY, any_finish(rng)), solid(inside, _ANY, DARK)])


def suitcase(rng: np.random.Generator) -> Mesh:
    """A ribbed case on wheels with a long handle."""
    depth, width, height = rng.uniform(0.24, 0.32), rng.uniform(0.42, 0.52), rng.uniform(0.6, 0.75)
    shell = any_finish(rng)
    ribs = [
        box((depth / 2 + 0.008, y, 0.06 + height / 2), (0.016, 0.03, height - 0.08))
        for y in np.linspace(-0.15, 0.15, 4)
    ]
    wheels = [
        ball((sx * depth * 0.35, sy * width * 0.38, 0.035), (0.035,) * 3, 6, 4) for sx in (-1, 1) for sy in (-1, 1)
    ]
    handle = [box((-depth / 2 + 0.05, side * 0.1, height + 0.22), (0.02, 0.02, 0.36)) for side in (-1, 1)]
    handle.append(box((-depth / 2 + 0.05, 0, height + 0.4), (0.03, 0.24, 0.03)))
    body = np.concatenate([box((0, 0, 0.06 + height / 2), (depth, width, height)), *ribs])
    return merged([solid(body, _ANY, shell), solid(np.concatenate(wheels), _ANY, DARK),
                   solid(np.concatenate(handle), _ANY, METAL)])  # fmt: skip


def _legs(depth_m: float, width_m: float, height_m: float, leg_m: float) -> np.ndarray:
    """(F, 3, 3) triangles of four legs under the corners of a board."""
    x, y = depth_m / 2 - leg_m / 2, width_m / 2 - leg_m / 2
    corners = np.array([(sx * x, sy * y, height_m / 2) for sx in (-1, 1) for sy in (-1, 1)])
    return boxes(corners, np.tile([leg_m, leg_m, height_m], (4, 1)))
