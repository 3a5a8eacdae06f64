"""Pictures, potted plants, people and clutter of synthetic rooms; front towards +x, left +y, z up."""

import numpy as np

from offline_training.synthetic.objects.people import pedestrian
from offline_training.synthetic.rooms.seats import SEAT_M
from offline_training.synthetic.rooms.surfaces import (
    CLUTTER,
    DARK,
    PERSON,
    PICTURE,
    PLANT,
    Finish,
    Texture,
    any_finish,
    hard_finish,
    soft_finish,
    solid,
)
from offline_training.synthetic.world.materials import Material
from offline_training.synthetic.world.meshes import (
    Mesh,
    ball,
    box,
    leaf_cloud,
    merged,
    quads,
    shaded_like,
    surface,
    tube,
)

_SKIN = [(224, 178, 150), (196, 148, 116), (140, 96, 68), (92, 62, 46)]
_HAIR = [(36, 28, 24), (84, 58, 36), (150, 120, 76), (120, 120, 118)]
_GREENS = [(92, 130, 58), (78, 116, 60), (112, 140, 62), (70, 106, 54), (134, 146, 66), (58, 96, 66)]


def picture(rng: np.random.Generator, width_m: float, height_m: float) -> Mesh:
    """A framed painting whose back lies in the plane x = 0, its middle in the origin."""
    rim, thick = rng.uniform(0.025, 0.06), rng.uniform(0.02, 0.04)
    columns, rows = int(rng.integers(5, 12)), int(rng.integers(5, 12))
    y = np.linspace(-width_m / 2 + rim, width_m / 2 - rim, columns + 1)
    z = np.linspace(-height_m / 2 + rim, height_m / 2 - rim, rows + 1)
    i, j = (index.ravel() for index in np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij"))
    x = np.full(len(i), thick * 0.7)
    cells = [np.stack([x, y[i + a], z[j + b]], axis=1) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
    art = solid(quads(np.stack(cells, axis=1)), PICTURE, Finish(Texture.PLAIN, (200, 200, 200)))
    color = np.repeat(_art(rng, columns, rows)[i, j], 2, axis=0)
    art = Mesh(art.corners_m, art.uv_m, art.class_id, art.material, color)
    sides = [box((thick / 2, side * (width_m - rim) / 2, 0), (thick, rim, height_m)) for side in (-1, 1)] + [
        box((thick / 2, 0, side * (height_m - rim) / 2), (thick, width_m - 2 * rim, rim)) for side in (-1, 1)
    ]
    back = box((thick / 4, 0, 0), (thick / 2, width_m - 0.01, height_m - 0.01))
    return merged([art, solid(np.concatenate([*sides, back]), PICTURE, hard_finish(rng))])


def _art(rng: np.random.Generator, columns: int, rows: int) -> np.ndarray:
    """(columns, rows, 3) uint8: a landscape, a field of colours, or a figure before a ground."""
    kind = rng.integers(3)
    palette = rng.integers(30, 245, (4, 3))
    if kind == 0:  # ground below, sky above, a hill between
        line = rows * (0.45 + 0.2 * np.sin(np.linspace(0, rng.uniform(2, 6), columns) + rng.uniform(0, 6)))
        above = np.arange(rows) > line[:, None]
        color = np.where(above[..., None], palette[0], palette[1]) + 8.0 * np.arange(rows)[:, None]
    elif kind == 1:
        color = palette[rng.integers(4, size=(columns, rows))].astype(float)
    else:
        u, v = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows), indexing="ij")
        inside = (u - rng.uniform(-0.3, 0.3)) ** 2 + (v + 0.2) ** 2 * 0.6 < 0.35
        color = np.where(inside[..., None], palette[2], palette[3]).astype(float)
    return np.clip(color + rng.normal(0, 12, (columns, rows, 3)), 0, 255).astype(np.uint8)


def potted_plant(rng: np.random.Generator, height_m: float) -> Mesh:
    """A plant in a pot: bushy, or blades that rise from the middle."""
    pot_m = min(0.4, rng.uniform(0.25, 0.4) * height_m + 0.05)
    radius = rng.uniform(0.35, 0.5) * pot_m
    green = _GREENS[rng.integers(len(_GREENS))]
    pot = solid(tube((0, 0, 0), (0, 0, pot_m), 0.75 * radius, radius, sides=12), PLANT, any_finish(rng))
    soil = solid(tube((0, 0, pot_m), (0, 0, pot_m + 0.005), 0.9 * radius, sides=12), PLANT, DARK)
    crown = height_m - pot_m
    if rng.random() < 0.5:
        reach = np.array([0.28, 0.28, 0.45]) * crown + np.array([0.06, 0.06, 0.0])
        around = rng.normal(size=(150, 3))
        around /= np.linalg.norm(around, axis=1, keepdims=True)
        leaves = around * reach * rng.uniform(0.5, 1.0, (150, 1)) + [0, 0, pot_m + 0.55 * crown]
        stem = surface(
            tube((0, 0, pot_m), (0, 0, pot_m + 0.6 * crown), 0.018, sides=5), PLANT, Material.BARK, (96, 76, 56)
        )
        foliage = surface(leaf_cloud(rng, leaves, 0.05 + 0.03 * crown), PLANT, Material.LEAVES, green)
        return merged([pot, soil, stem, shaded_like(foliage, rng, 0.3)])
    blades = []
    for angle in rng.uniform(0, 2 * np.pi, rng.integers(10, 18)):
        out, rise = np.array([np.cos(angle), np.sin(angle), 0.0]), rng.uniform(0.6, 1.0) * crown
        side = 0.035 * (1 + crown) * np.array([-np.sin(angle), np.cos(angle), 0.0])
        foot = np.array([0, 0, pot_m])
        middle = foot + 0.12 * crown * out + [0, 0, 0.6 * rise]
        tip = foot + rng.uniform(0.25, 0.42) * crown * out + [0, 0, rise]
        blades.append(np.stack([foot - 0.3 * side, foot + 0.3 * side, middle + side]))
        blades.append(np.stack([foot - 0.3 * side, middle + side, middle - side]))
        blades.append(np.stack([middle - side, middle + side, tip]))
    foliage = surface(np.stack(blades), PLANT, Material.LEAVES, green)
    return merged([pot, soil, shaded_like(foliage, rng, 0.25)])


def standing_person(rng: np.random.Generator) -> Mesh:
    """An adult or a child who stands."""
    return pedestrian(rng, walking=False).with_class(PERSON)


def seated_person(rng: np.random.Generator) -> Mesh:
    """A person who sits on a seat of SEAT_M, its middle in the origin."""
    shirt, trousers = soft_finish(rng), soft_finish(rng)
    skin, hair = _SKIN[rng.integers(len(_SKIN))], _HAIR[rng.integers(len(_HAIR))]
    hip = SEAT_M + 0.1
    trunk = [tube((-0.08, 0, hip - 0.08), (-0.1, 0, hip + 0.48), 0.15, 0.18, sides=9)]
    legs, hands = [], []
    for side in (-1, 1):
        knee = (0.36, side * 0.12, hip)
        legs += [
            tube((-0.05, side * 0.1, hip), knee, 0.085, 0.07, sides=7),
            tube(knee, (0.36, side * 0.12, 0.07), 0.065, 0.05, sides=7),
            box((0.42, side * 0.12, 0.045), (0.26, 0.1, 0.09)),
        ]
        elbow, hand = (0.02, side * 0.26, hip + 0.2), (0.24, side * 0.2, hip + 0.16)
        trunk += [tube((-0.1, side * 0.2, hip + 0.44), elbow, 0.06, 0.05, sides=6), tube(elbow, hand, 0.045, sides=6)]
        hands.append(ball(hand, (0.06, 0.05, 0.05), 6, 4))
    head = [
        tube((-0.1, 0, hip + 0.46), (-0.08, 0, hip + 0.6), 0.05, sides=6),
        ball((-0.07, 0, hip + 0.7), (0.1, 0.08, 0.13), 9, 6),
    ]
    return merged(
        [
            solid(np.concatenate(trunk), PERSON, shirt),
            solid(np.concatenate(legs), PERSON, trousers),
            surface(np.concatenate([*head, *hands]), PERSON, Material.SKIN, skin),
            surface(ball((-0.1, 0, hip + 0.75), (0.1, 0.09, 0.1), 9, 5), PERSON, Material.CLOTH, hair),
        ]
    )


def screen(rng: np.random.Generator, width_m: float) -> Mesh:
    """A monitor or television on its foot; no class."""
    height = 0.58 * width_m
    return merged(
        [
            solid(box((0, 0, 0.08 + height / 2), (0.035, width_m, height)), CLUTTER, DARK),
            solid(box((0, 0, 0.05), (0.04, 0.06, 0.1)), CLUTTER, DARK),
            solid(box((0, 0, 0.01), (0.18, 0.3 * width_m, 0.02)), CLUTTER, DARK),
            solid(
                box((0.02, 0, 0.08 + height / 2), (0.004, width_m - 0.04, height - 0.04)),
                CLUTTER,
                Finish(
                    Texture.PLAIN, (int(rng.integers(15, 60)), int(rng.integers(20, 80)), int(rng.integers(30, 110)))
                ),
            ),
        ]
    )


def carton(rng: np.random.Generator) -> Mesh:
    """A box that stands about; no class."""
    size = rng.uniform([0.2, 0.2, 0.15], [0.5, 0.5, 0.45])
    return solid(box((0, 0, size[2] / 2), size), CLUTTER, any_finish(rng))


def bin_or_bag(rng: np.random.Generator) -> Mesh:
    """A waste bin; no class."""
    height = rng.uniform(0.25, 0.5)
    return solid(tube((0, 0, 0), (0, 0, height), 0.11, 0.15, sides=10), CLUTTER, any_finish(rng))
