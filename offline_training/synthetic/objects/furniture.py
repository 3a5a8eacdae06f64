"""Street furniture of the synthetic world: lamps, poles, fences, bins, benches, shelters; origin on the ground."""

import numpy as np

from offline_training.synthetic.world.materials import MANMADE, Material
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    ball,
    box,
    boxes,
    frustum,
    merged,
    quads,
    surface,
    tube,
)

STEEL: Color = (132, 136, 138)
DARK: Color = (44, 48, 46)
BELOW_M = -0.4  # posts reach into the ground, so that slopes never show a gap


def street_lamp(rng: np.random.Generator) -> Mesh:
    """A lamp with an arm towards +y, over the road, or a short path lamp."""
    if rng.random() < 0.25:
        return merged(
            [
                surface(tube((0, 0, BELOW_M), (0, 0, 3.6), 0.06, 0.05), MANMADE, Material.METAL, DARK),
                surface(ball((0, 0, 3.75), (0.2, 0.2, 0.24)), MANMADE, Material.LAMP, (232, 230, 218)),
            ]
        )
    height, reach = rng.uniform(6.5, 9.5), rng.uniform(1.0, 2.4)
    return merged(
        [
            surface(tube((0, 0, BELOW_M), (0, 0, height), 0.11, 0.06), MANMADE, Material.METAL, STEEL),
            surface(tube((0, 0, height - 0.05), (0, reach, height + 0.35), 0.045), MANMADE, Material.METAL, STEEL),
            surface(box((0, reach + 0.2, height + 0.33), (0.26, 0.75, 0.12)), MANMADE, Material.METAL, (188, 190, 190)),
        ]
    )


def power_pole(rng: np.random.Generator) -> Mesh:
    """A wooden pole with a cross-arm along y."""
    height = rng.uniform(8, 10.5)
    return merged(
        [
            surface(tube((0, 0, BELOW_M), (0, 0, height), 0.16, 0.11), MANMADE, Material.WOOD, (104, 84, 64)),
            surface(box((0, 0, height - 0.5), (0.12, 2.2, 0.12)), MANMADE, Material.WOOD, (96, 78, 60)),
            surface(tube((0, 0.25, height - 2.6), (0, 0.25, height - 1.7), 0.22), MANMADE, Material.METAL, STEEL),
        ]
    )


def fence(rng: np.random.Generator, length_m: float) -> Mesh:
    """A fence or a wall from x = 0 to x = length: bars, boards, or masonry with a coping."""
    kind = rng.integers(3)
    height = rng.uniform(0.9, 1.9)
    if kind == 0:
        x = np.arange(0.0, length_m, 0.22)
        bars = boxes(
            np.stack([x, 0 * x, 0 * x + height / 2 - 0.1], 1), np.tile([0.03, 0.03, height + 0.2], (len(x), 1))
        )
        rails = boxes(
            np.array([[length_m / 2, 0, z] for z in (0.2, height - 0.1)]), np.array([[length_m, 0.04, 0.05]] * 2)
        )
        return surface(np.concatenate([bars, rails]), MANMADE, Material.METAL, DARK)
    if kind == 1:
        x = np.arange(0.0, length_m, 0.17)
        boards = boxes(
            np.stack([x, 0 * x, 0 * x + height / 2 - 0.1], 1), np.tile([0.14, 0.025, height + 0.2], (len(x), 1))
        )
        return surface(boards, MANMADE, Material.WOOD, [(132, 100, 68), (226, 224, 218), (96, 84, 70)][rng.integers(3)])
    wall = box((length_m / 2, 0, height / 2 - 0.3), (length_m, 0.26, height + 0.6))
    coping = box((length_m / 2, 0, height + 0.04), (length_m, 0.36, 0.1))
    brick = rng.random() < 0.5
    return merged(
        [
            surface(
                wall,
                MANMADE,
                Material.BRICK if brick else Material.PLASTER,
                (146, 84, 66) if brick else (196, 190, 178),
                _wall_uv(wall),
            ),
            surface(coping, MANMADE, Material.CONCRETE, (170, 168, 162)),
        ]
    )


def _wall_uv(corners_m: np.ndarray) -> np.ndarray:
    return np.stack([corners_m[..., 0] + corners_m[..., 1], corners_m[..., 2]], axis=-1)


def clutter(rng: np.random.Generator) -> Mesh:
    """A bin, a hydrant, a bollard, a box, a bench, a post box or a parcel of sacks without class."""
    kind = rng.integers(7)
    if kind == 0:
        r, g, b = [(40, 70, 46), (60, 62, 66), (34, 60, 120)][rng.integers(3)]
        return merged(
            [
                surface(
                    quads(frustum((-0.28, 0.28, 0.27, 0.05), (-0.34, 0.34, 0.31, 1.0))),
                    MANMADE,
                    Material.PLASTIC,
                    (r, g, b),
                ),
                surface(
                    box((0.03, 0, 1.03), (0.74, 0.64, 0.07)),
                    MANMADE,
                    Material.PLASTIC,
                    (int(0.7 * r), int(0.7 * g), int(0.7 * b)),
                ),
            ]
        )
    if kind == 1:
        return merged(
            [
                surface(tube((0, 0, -0.2), (0, 0, 0.65), 0.13, 0.12), MANMADE, Material.METAL, (196, 40, 32)),
                surface(ball((0, 0, 0.68), (0.14, 0.14, 0.12)), MANMADE, Material.METAL, (196, 40, 32)),
                surface(tube((0, -0.22, 0.45), (0, 0.22, 0.45), 0.07), MANMADE, Material.METAL, (180, 180, 176)),
            ]
        )
    if kind == 2:
        return surface(tube((0, 0, -0.2), (0, 0, 0.95), 0.07), MANMADE, Material.METAL, (70, 72, 74))
    if kind == 3:
        w, d, h = rng.uniform(0.5, 1.3), rng.uniform(0.3, 0.6), rng.uniform(0.9, 1.6)
        return surface(
            box((0, 0, h / 2), (w, d, h)), MANMADE, Material.METAL, [(150, 152, 146), (92, 108, 96)][rng.integers(2)]
        )
    if kind == 4:
        seat = boxes(
            np.array([[0, 0, 0.45], [0, -0.2, 0.72], [-0.7, 0, 0.2], [0.7, 0, 0.2]]),
            np.array([[1.7, 0.45, 0.06], [1.7, 0.05, 0.4], [0.08, 0.4, 0.45], [0.08, 0.4, 0.45]]),
        )
        return surface(seat, MANMADE, Material.WOOD, (124, 88, 56))
    if kind == 5:
        return surface(tube((0, 0, 0), (0, 0, 1.35), 0.28, sides=12), MANMADE, Material.METAL, (210, 170, 36))
    sacks = [ball((x, y, 0.2), (0.32, 0.28, 0.24), 7, 5) for x, y in ((0.0, 0.0), (0.45, 0.15), (0.2, -0.4))]
    return surface(np.concatenate(sacks), 255, Material.PLASTIC, (38, 40, 44))


def bus_shelter() -> Mesh:
    """A glass shelter of 4 m along x, open towards +y."""
    posts = boxes(np.array([[x, y, 1.2] for x in (-2, 2) for y in (-0.7, 0.6)]), np.array([[0.09, 0.09, 2.5]] * 4))
    panes = boxes(np.array([[0, -0.7, 1.25], [-2, -0.1, 1.25]]), np.array([[3.9, 0.03, 1.9], [0.03, 1.2, 1.9]]))
    return merged(
        [
            surface(posts, MANMADE, Material.METAL, DARK),
            surface(panes, MANMADE, Material.GLASS, (120, 140, 146)),
            surface(box((0, 0, 2.48), (4.4, 1.8, 0.12)), MANMADE, Material.METAL, (90, 94, 96)),
            surface(box((0, -0.4, 0.48), (3.0, 0.4, 0.06)), MANMADE, Material.WOOD, (124, 88, 56)),
            surface(box((2.0, -0.1, 1.25), (0.14, 1.2, 1.9)), MANMADE, Material.LAMP, (206, 120, 80)),
        ]
    )
