"""What tells traffic where to go: signs, lights, cones, barriers; origin on the ground."""

from itertools import pairwise

import numpy as np

from offline_training.synthetic.objects.furniture import BELOW_M, DARK, STEEL
from offline_training.synthetic.world.materials import (
    BARRIER,
    MANMADE,
    TRAFFIC_CONE,
    Material,
)
from offline_training.synthetic.world.meshes import (
    Mesh,
    ball,
    box,
    boxes,
    extruded,
    merged,
    one_thing,
    rings_to_triangles,
    surface,
    tube,
)


def traffic_sign(rng: np.random.Generator) -> Mesh:
    """A sign on its post, its face towards -x."""
    kind = rng.integers(4)
    height = rng.uniform(2.1, 2.7)
    post = surface(tube((0, 0, BELOW_M), (0, 0, height + 0.35), 0.035), MANMADE, Material.METAL, STEEL)
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
    parts = [surface(tube((0, 0, BELOW_M), (0, 0, 3.3), 0.07), MANMADE, Material.METAL, DARK)]
    heads = [(-0.12, 0.0, 2.8)]
    if rng.random() < 0.5:
        parts.append(surface(tube((0, 0, 3.2), (0, 0, 5.8), 0.08), MANMADE, Material.METAL, DARK))
        parts.append(surface(tube((0, 0, 5.7), (0, 3.6, 5.9), 0.06), MANMADE, Material.METAL, DARK))
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


@one_thing(TRAFFIC_CONE)
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


@one_thing(BARRIER, heads_across=True)
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
            STEEL,
        )
    ]
    parts.append(
        surface(
            boxes(np.array([[x, 0, 0.06] for x in (-length / 2, length / 2)]), np.array([[0.12, 0.7, 0.12]] * 2)),
            BARRIER,
            Material.RUBBER,
            DARK,
        )
    )
    stripes = np.linspace(-length / 2, length / 2, 7)
    for number, (a, b) in enumerate(pairwise(stripes)):
        color = (214, 40, 34) if number % 2 else (238, 238, 236)
        parts.append(surface(box(((a + b) / 2, 0, 0.82), (b - a, 0.03, 0.25)), BARRIER, Material.RETRO, color))
        parts.append(surface(box(((a + b) / 2, 0, 0.4), (b - a, 0.03, 0.14)), BARRIER, Material.PLASTIC, color))
    return merged(parts)
