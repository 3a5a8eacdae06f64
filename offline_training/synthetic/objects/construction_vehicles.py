"""Parametric excavators, concrete mixers and wheel loaders; x forward, y left, z up, origin on the ground under the middle."""

from collections.abc import Callable

import numpy as np

from offline_training.synthetic.objects.vehicles import DARK, GLASS, PAINTS, cab, lights, wheels
from offline_training.synthetic.world.materials import (
    CONSTRUCTION_VEHICLE,
    Material,
)
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    box,
    extruded,
    frustum,
    merged,
    one_thing,
    quads,
    rings_to_triangles,
    surface,
    tube,
)

_YELLOW: Color = (228, 166, 24)


@one_thing(CONSTRUCTION_VEHICLE)
def construction_vehicle(rng: np.random.Generator) -> Mesh:
    """An excavator, a concrete mixer or a wheel loader."""
    kind: Callable[[np.random.Generator], Mesh] = (_excavator, _mixer, _loader)[rng.choice(3, p=[0.45, 0.25, 0.3])]
    return kind(rng)


def _excavator(rng: np.random.Generator) -> Mesh:
    c, paint = CONSTRUCTION_VEHICLE, _YELLOW if rng.random() < 0.8 else PAINTS[5]
    size, swing = rng.uniform(0.7, 1.1), rng.uniform(-0.8, 0.8)
    track = np.array(
        [(-1.7, 0.1), (-1.4, 0.0), (1.4, 0.0), (1.7, 0.1), (1.85, 0.45), (1.5, 0.85), (-1.5, 0.85), (-1.85, 0.45)]
    )
    tracks = [
        surface(extruded(track, (y - 0.27, y + 0.27), (1.0, 1.0)), c, Material.RUBBER, DARK) for y in (-0.95, 0.95)
    ]
    joint, elbow = np.array([0.9, -0.1, 1.5]), np.array([3.6, -0.1, rng.uniform(2.8, 4.2)])
    tip = elbow + np.array([rng.uniform(0.6, 1.6), 0, -rng.uniform(1.6, 2.6)])
    bucket = np.array([(-0.5, 0.5), (0.4, 0.4), (0.5, -0.2), (0.1, -0.6), (-0.5, -0.4)]) + tip[[0, 2]]
    house = merged(
        [
            surface(box((-0.5, 0.0, 1.45), (2.9, 2.3, 0.8)), c, Material.CAR_PAINT, paint),
            surface(box((-1.5, 0.0, 1.8), (0.9, 2.2, 0.7)), c, Material.CAR_PAINT, paint),
            surface(
                quads(frustum((0.0, 1.1, 0.5, 1.8), (0.05, 0.9, 0.46, 2.85))) + np.array([0, 0.65, 0]),
                c,
                Material.GLASS,
                GLASS,
            ),
            surface(box((0.48, 0.65, 2.88), (1.1, 1.1, 0.08)), c, Material.CAR_PAINT, paint),
            surface(tube(joint, elbow, 0.24, 0.18, sides=4), c, Material.CAR_PAINT, paint),
            surface(tube(elbow, tip, 0.18, 0.12, sides=4), c, Material.CAR_PAINT, paint),
            surface(extruded(bucket, (-0.6, 0.5), (1.0, 1.0)), c, Material.METAL, (84, 80, 76)),
        ]
    )
    turned = Mesh(house.corners_m, house.uv_m, house.class_id, house.material, house.color_rgb)
    angle = np.array([[np.cos(swing), -np.sin(swing), 0], [np.sin(swing), np.cos(swing), 0], [0, 0, 1]])
    return merged([*tracks, turned.placed((0, 0, 0), angle)]).placed((0, 0, 0), np.eye(3) * size)


def _mixer(rng: np.random.Generator) -> Mesh:
    c, w = CONSTRUCTION_VEHICLE, 1.22
    paint = PAINTS[rng.integers(len(PAINTS))]
    angle = np.arange(14) * (2 * np.pi / 14)
    rings = []
    for x, z, r in ((-3.6, 2.75, 0.45), (-2.2, 2.5, 1.0), (-0.2, 2.15, 1.18), (1.4, 1.95, 0.85)):
        rings.append(np.stack([np.full(14, x), r * np.cos(angle), z + r * np.sin(angle)], axis=1))
    return merged(
        [
            *cab(c, 2.0, 4.1, w, 2.8, paint),
            surface(box((-0.8, 0, 0.85), (6.2, 1.0, 0.3)), c, Material.METAL, DARK),
            surface(
                rings_to_triangles(np.array(rings)),
                c,
                Material.METAL,
                (214, 210, 200) if rng.random() < 0.6 else _YELLOW,
            ),
            surface(box((-3.7, 0, 1.7), (0.3, 0.8, 1.6)), c, Material.METAL, paint),
            *wheels(c, (-3.0, -1.8, 2.9), w, 0.5, 0.3),
            *lights(c, 4.1, w, 0.85, -4.0),
        ]
    )


def _loader(rng: np.random.Generator) -> Mesh:
    c, lift = CONSTRUCTION_VEHICLE, rng.uniform(0.2, 1.8)
    bucket = np.array([(-0.3, 0.55), (0.1, 0.6), (-0.05, 0.0), (0.65, -0.35), (-0.3, -0.4)]) + np.array(
        [3.2, lift + 0.4]
    )
    return merged(
        [
            surface(box((-1.4, 0, 1.5), (2.3, 1.7, 1.0)), c, Material.CAR_PAINT, _YELLOW),
            surface(box((1.0, 0, 1.1), (1.7, 1.1, 0.8)), c, Material.CAR_PAINT, _YELLOW),
            surface(quads(frustum((-0.6, 0.6, 0.7, 1.9), (-0.5, 0.45, 0.62, 3.1))), c, Material.GLASS, GLASS),
            surface(box((0, 0, 3.13), (1.3, 1.4, 0.1)), c, Material.CAR_PAINT, _YELLOW),
            surface(tube((1.0, 0.5, 1.6), (3.0, 0.5, lift + 0.5), 0.14, sides=4), c, Material.CAR_PAINT, _YELLOW),
            surface(tube((1.0, -0.5, 1.6), (3.0, -0.5, lift + 0.5), 0.14, sides=4), c, Material.CAR_PAINT, _YELLOW),
            surface(extruded(bucket, (-1.25, 1.25), (1.0, 1.0)), c, Material.METAL, (92, 88, 80)),
            *wheels(c, (-1.6, 1.5), 1.25, 0.72, 0.5),
        ]
    )
