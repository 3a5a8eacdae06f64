"""Street furniture of the synthetic world: poles, signs, lights, barriers, cones, fences, bins; origin on the ground."""

from itertools import pairwise

import numpy as np

from offline_training.synthetic.world.materials import BARRIER, MANMADE, TRAFFIC_CONE, Material
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    ball,
    box,
    boxes,
    extruded,
    frustum,
    merged,
    quads,
    rings_to_triangles,
    surface,
    tube,
)

_STEEL: Color = (132, 136, 138)
_DARK: Color = (44, 48, 46)
_BELOW_M = -0.4  # posts reach into the ground, so that slopes never show a gap


def street_lamp(rng: np.random.Generator) -> Mesh:
    """A lamp with an arm towards +y, over the road, or a short path lamp."""
    if rng.random() < 0.25:
        return merged(
            [
                surface(tube((0, 0, _BELOW_M), (0, 0, 3.6), 0.06, 0.05), MANMADE, Material.METAL, _DARK),
                surface(ball((0, 0, 3.75), (0.2, 0.2, 0.24)), MANMADE, Material.LAMP, (232, 230, 218)),
            ]
        )
    height, reach = rng.uniform(6.5, 9.5), rng.uniform(1.0, 2.4)
    return merged(
        [
            surface(tube((0, 0, _BELOW_M), (0, 0, height), 0.11, 0.06), MANMADE, Material.METAL, _STEEL),
            surface(tube((0, 0, height - 0.05), (0, reach, height + 0.35), 0.045), MANMADE, Material.METAL, _STEEL),
            surface(box((0, reach + 0.2, height + 0.33), (0.26, 0.75, 0.12)), MANMADE, Material.METAL, (188, 190, 190)),
        ]
    )


def power_pole(rng: np.random.Generator) -> Mesh:
    """A wooden pole with a cross-arm along y."""
    height = rng.uniform(8, 10.5)
    return merged(
        [
            surface(tube((0, 0, _BELOW_M), (0, 0, height), 0.16, 0.11), MANMADE, Material.WOOD, (104, 84, 64)),
            surface(box((0, 0, height - 0.5), (0.12, 2.2, 0.12)), MANMADE, Material.WOOD, (96, 78, 60)),
            surface(tube((0, 0.25, height - 2.6), (0, 0.25, height - 1.7), 0.22), MANMADE, Material.METAL, _STEEL),
        ]
    )


def traffic_sign(rng: np.random.Generator) -> Mesh:
    """A sign on its post, its face towards -x."""
    kind = rng.integers(4)
    height = rng.uniform(2.1, 2.7)
    post = surface(tube((0, 0, _BELOW_M), (0, 0, height + 0.35), 0.035), MANMADE, Material.METAL, _STEEL)
    angle = np.arange(16) * (2 * np.pi / 16)
    if kind == 0:
        outline, color = 0.36 * np.stack([np.cos(angle), np.sin(angle)], 1), (206, 34, 36)
    elif kind == 1:
        outline, color = 0.48 * np.array([(0.0, 0.9), (-0.8, -0.5), (0.8, -0.5)]), (222, 40, 38)
    elif kind == 2:
        outline, color = np.array([(-0.35, -0.35), (0.35, -0.35), (0.35, 0.35), (-0.35, 0.35)]), (30, 84, 170)
    else:
        outline, color = np.array([(-0.75, -0.3), (0.75, -0.3), (0.75, 0.3), (-0.75, 0.3)]), (24, 110, 84)

    def plate(x0: float, x1: float, scale: float) -> np.ndarray:
        return rings_to_triangles(
            np.stack(
                [
                    np.stack([np.full(len(outline), x), outline[:, 0] * scale, height + outline[:, 1] * scale], 1)
                    for x in (x0, x1)
                ]
            )
        )

    return merged(
        [
            post,
            surface(plate(-0.04, -0.055, 1.0), MANMADE, Material.RETRO, color),
            surface(plate(-0.06, -0.065, 0.66), MANMADE, Material.RETRO, (238, 238, 234)),
            surface(plate(-0.035, -0.04, 1.0), MANMADE, Material.METAL, (140, 142, 144)),
        ]
    )


def traffic_light(rng: np.random.Generator) -> Mesh:
    """A signal on its post, lamps towards -x; every second one with a mast arm towards +y."""
    lit = rng.integers(3)
    parts = [surface(tube((0, 0, _BELOW_M), (0, 0, 3.3), 0.07), MANMADE, Material.METAL, _DARK)]
    heads = [(-0.12, 0.0, 2.8)]
    if rng.random() < 0.5:
        parts.append(surface(tube((0, 0, 3.2), (0, 0, 5.8), 0.08), MANMADE, Material.METAL, _DARK))
        parts.append(surface(tube((0, 0, 5.7), (0, 3.6, 5.9), 0.06), MANMADE, Material.METAL, _DARK))
        heads.append((-0.12, 3.4, 5.5))
    for x, y, z in heads:
        parts.append(surface(box((x, y, z), (0.22, 0.32, 0.95)), MANMADE, Material.PLASTIC, (26, 30, 28)))
        for number, color in enumerate([(236, 42, 34), (240, 170, 30), (48, 214, 96)]):
            shown = color if number == lit else tuple(part // 4 for part in color)
            parts.append(
                surface(
                    ball((x - 0.12, y, z + 0.3 - 0.3 * number), (0.03, 0.1, 0.1), 8, 4),
                    MANMADE,
                    Material.LAMP,
                    (shown[0], shown[1], shown[2]),
                )
            )
    return merged(parts)


def traffic_cone(rng: np.random.Generator) -> Mesh:
    """An orange cone with a white band on its foot."""
    height = rng.uniform(0.45, 1.0)
    r = 0.18 * height / 0.75 + 0.03
    orange = (232, 84, 22)
    return merged(
        [
            surface(box((0, 0, 0.02), (2.5 * r, 2.5 * r, 0.06)), TRAFFIC_CONE, Material.RUBBER, (52, 44, 40)),
            surface(
                tube((0, 0, 0.04), (0, 0, 0.42 * height), r, 0.65 * r, sides=10), TRAFFIC_CONE, Material.PLASTIC, orange
            ),
            surface(
                tube((0, 0, 0.42 * height), (0, 0, 0.68 * height), 0.66 * r, 0.42 * r, sides=10),
                TRAFFIC_CONE,
                Material.RETRO,
                (240, 240, 238),
            ),
            surface(
                tube((0, 0, 0.68 * height), (0, 0, height), 0.41 * r, 0.14 * r, sides=10),
                TRAFFIC_CONE,
                Material.PLASTIC,
                orange,
            ),
        ]
    )


def barrier(rng: np.random.Generator) -> Mesh:
    """One element of a road barrier, about 2 m along x: concrete profile, water-filled plastic, or a striped board."""
    kind = rng.integers(3)
    length = rng.uniform(1.6, 2.2)
    outline = np.array(
        [(-0.3, 0.0), (0.3, 0.0), (0.28, 0.12), (0.12, 0.34), (0.08, 0.84), (-0.08, 0.84), (-0.12, 0.34), (-0.28, 0.12)]
    )
    if kind < 2:
        shape = extruded(outline, (-length / 2, length / 2), (1.0, 1.0))[:, :, [1, 0, 2]]  # drawn out along x
        if kind == 0:
            return surface(shape, BARRIER, Material.CONCRETE, (168, 166, 160))
        return surface(shape, BARRIER, Material.PLASTIC, (214, 60, 44) if rng.random() < 0.5 else (234, 232, 228))
    parts = [
        surface(
            boxes(np.array([[x, 0, 0.5] for x in (-length / 2, length / 2)]), np.array([[0.06, 0.06, 1.0]] * 2)),
            BARRIER,
            Material.METAL,
            _STEEL,
        )
    ]
    parts.append(
        surface(
            boxes(np.array([[x, 0, 0.06] for x in (-length / 2, length / 2)]), np.array([[0.12, 0.7, 0.12]] * 2)),
            BARRIER,
            Material.RUBBER,
            _DARK,
        )
    )
    stripes = np.linspace(-length / 2, length / 2, 7)
    for number, (a, b) in enumerate(pairwise(stripes)):
        color = (214, 40, 34) if number % 2 else (238, 238, 236)
        parts.append(surface(box(((a + b) / 2, 0, 0.82), (b - a, 0.03, 0.25)), BARRIER, Material.RETRO, color))
        parts.append(surface(box(((a + b) / 2, 0, 0.4), (b - a, 0.03, 0.14)), BARRIER, Material.PLASTIC, color))
    return merged(parts)


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
        return surface(np.concatenate([bars, rails]), MANMADE, Material.METAL, _DARK)
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
            surface(posts, MANMADE, Material.METAL, _DARK),
            surface(panes, MANMADE, Material.GLASS, (120, 140, 146)),
            surface(box((0, 0, 2.48), (4.4, 1.8, 0.12)), MANMADE, Material.METAL, (90, 94, 96)),
            surface(box((0, -0.4, 0.48), (3.0, 0.4, 0.06)), MANMADE, Material.WOOD, (124, 88, 56)),
            surface(box((2.0, -0.1, 1.25), (0.14, 1.2, 1.9)), MANMADE, Material.LAMP, (206, 120, 80)),
        ]
    )
