"""What stands and grows beside the streets of the wide world and nowhere else; origin on the ground, x along."""

from dataclasses import replace

import numpy as np

from offline_training.synthetic.objects.furniture import BELOW_M, DARK, STEEL
from offline_training.synthetic.objects.plants import hedge
from offline_training.synthetic.streets.street import StreetPlan
from offline_training.synthetic.world.materials import (
    DRIVEABLE_SURFACE,
    MANMADE,
    TERRAIN,
    VEGETATION,
    Material,
)
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    box,
    boxes,
    merged,
    quads,
    shaded_like,
    surface,
    thing_about,
    tube,
)

_BLADE_GREENS: list[Color] = [(96, 118, 58), (122, 128, 62), (84, 110, 50), (150, 140, 80)]
LOW_GRASS_M = 0.2  # nuScenes counts what is lower as terrain, what is higher as vegetation


def guard_rail(length_m: float) -> Mesh:
    """A steel rail on posts from x = 0 to x = length: manmade, as nuScenes has what does not get moved."""
    posts = np.arange(0.0, length_m, 2.0)
    return merged(
        [
            surface(box((length_m / 2, 0, 0.6), (length_m, 0.08, 0.3)), MANMADE, Material.METAL, (158, 160, 160)),
            surface(
                boxes(
                    np.stack([posts, 0 * posts + 0.1, 0 * posts + 0.15], 1), np.tile([0.08, 0.1, 1.0], (len(posts), 1))
                ),
                MANMADE,
                Material.METAL,
                STEEL,
            ),
        ]
    )


def long_wall(rng: np.random.Generator, length_m: float, height_m: float) -> Mesh:
    """A garden wall, a retaining wall or a noise barrier from x = 0 to x = length."""
    material, color = [
        (Material.CONCRETE, (170, 168, 162)),
        (Material.BRICK, (146, 84, 66)),
        (Material.WOOD, (120, 96, 70)),
        (Material.PLASTER, (200, 192, 178)),
    ][rng.integers(4)]
    return surface(
        box((length_m / 2, 0, height_m / 2 - 0.3), (length_m, rng.uniform(0.15, 0.35), height_m + 0.6)),
        MANMADE,
        material,
        color,
    )


def tall_hedge(rng: np.random.Generator, length_m: float) -> Mesh:
    """A hedge of up to 3 m."""
    return hedge(rng, length_m).placed((0, 0, 0), np.diag([1.0, rng.uniform(1.0, 1.8), rng.uniform(1.0, 1.7)]))


def garage(rng: np.random.Generator, width_m: float) -> Mesh:
    """A garage or a shed with a flat roof, its gate in the plane y = 0 facing -y."""
    depth, height = rng.uniform(4.5, 7.0), rng.uniform(2.2, 3.0)
    return merged(
        [
            surface(
                box((0, depth / 2, height / 2 - 0.3), (width_m, depth, height + 0.6)),
                MANMADE,
                Material.PLASTER,
                (206, 200, 190),
            ),
            surface(box((0, -0.03, 1.05), (width_m - 0.6, 0.06, 2.1)), MANMADE, Material.METAL, (150, 152, 150)),
            surface(
                box((0, depth / 2, height + 0.05), (width_m + 0.4, depth + 0.4, 0.18)), MANMADE, Material.ROOF, DARK
            ),
        ]
    )


def bridge(half_span_m: float) -> Mesh:
    """A road bridge across the street, 5.5 m over it."""
    return merged(
        [
            surface(box((0, 0, 6.0), (9.0, 2 * half_span_m + 16, 1.2)), MANMADE, Material.CONCRETE, (164, 162, 156)),
            surface(
                boxes(np.array([[0, y, 2.5] for y in (-half_span_m, half_span_m)]), np.array([[7.0, 0.8, 6.0]] * 2)),
                MANMADE,
                Material.CONCRETE,
                (150, 148, 144),
            ),
        ]
    )


def sign_gantry(half_span_m: float) -> Mesh:
    """Posts and a beam across the street with large signs."""
    posts = [tube((0, y, BELOW_M), (0, y, 6.6), 0.16) for y in (-half_span_m, half_span_m)]
    beam = box((0, 0, 6.5), (0.4, 2 * half_span_m, 0.5))
    plates = boxes(
        np.array([[-0.3, y, 6.6] for y in (-0.5 * half_span_m, 0.5 * half_span_m)]), np.array([[0.1, 4.5, 2.4]] * 2)
    )
    return merged(
        [
            surface(np.concatenate([*posts, beam]), MANMADE, Material.METAL, STEEL),
            surface(plates, MANMADE, Material.RETRO, (24, 70, 160)),
        ]
    )


def leaning(mesh: Mesh, roll_rad: float) -> Mesh:
    """The same thing leaning to its left by an angle about x, in a box that stands upright."""
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    leant = mesh.placed((0, 0, 0), np.array([[1, 0, 0], [0, c, -s], [0, s, c]]))
    (thing,) = mesh.things
    return replace(leant, things=(thing_about(leant.corners_m[leant.class_id == thing.class_id], thing.class_id),))


def ground_patch(plan: StreetPlan, s_m: tuple[float, float], d_m: tuple[float, float], level_m: float) -> Mesh:
    """A driveway: paved ground over a rectangle of street coordinates, a little above what lies there."""
    s, d = np.linspace(*s_m, 3), np.linspace(*d_m, 5)
    rows = [
        [(s[i], d[j]), (s[i + 1], d[j]), (s[i + 1], d[j + 1]), (s[i], d[j + 1])] for i in range(2) for j in range(4)
    ]
    sd = quads(np.array([[(*corner, 0.0) for corner in row] for row in rows]))[..., :2]
    x, y, _ = plan.warp(sd[..., 0], sd[..., 1])
    corners = np.stack([x, y, plan.ground_z(sd[..., 0], sd[..., 1]) + level_m + 0.03], axis=-1)
    return surface(corners, DRIVEABLE_SURFACE, Material.PAVING, (150, 144, 138), sd)


def grass(
    rng: np.random.Generator, plan: StreetPlan, s_m: tuple[float, float], d_m: tuple[float, float], height_m: float
) -> Mesh:
    """Blades over a rectangle of street coordinates, denser the lower they are: terrain, or vegetation above 0.2 m."""
    area = abs((s_m[1] - s_m[0]) * (d_m[1] - d_m[0]))
    count = int(min(area * rng.uniform(8, 25), 9000))
    s, d = rng.uniform(*s_m, count), rng.uniform(min(d_m), max(d_m), count)
    x, y, _ = plan.warp(s, d)
    foot = np.stack([x, y, plan.ground_z(s, d) + plan.kerb_m - 0.03], axis=1)
    tall = height_m * rng.uniform(0.3, 1.0, (count, 1))
    tip = foot + np.concatenate([rng.normal(0, 0.4, (count, 2)) * tall, tall + 0.03], axis=1)
    side = rng.normal(0, 0.06, (count, 3)) * [1, 1, 0]
    blades = surface(
        np.stack([foot - side, foot + side, tip], axis=1),
        TERRAIN if height_m <= LOW_GRASS_M else VEGETATION,
        Material.GRASS if height_m <= LOW_GRASS_M else Material.LEAVES,
        _BLADE_GREENS[rng.integers(len(_BLADE_GREENS))],
    )
    return shaded_like(blades, rng, 0.3)
