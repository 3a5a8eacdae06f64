"""Trees, bushes and hedges of the synthetic world: many small leaves, so that a LiDAR partly looks through."""

import numpy as np

from offline_training.synthetic.world.materials import VEGETATION, Material
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    ball,
    box,
    leaf_cloud,
    merged,
    shaded_like,
    surface,
    tube,
)

_GREENS: list[Color] = [
    (92, 130, 58),
    (78, 116, 60),
    (112, 140, 62),
    (70, 106, 54),
    (134, 146, 66),
    (170, 132, 56),
    (104, 130, 84),
]
_BARK: Color = (86, 70, 56)


def tree(rng: np.random.Generator, leaves_per_clump: int = 150) -> Mesh:
    """A broad-leaved tree, a conifer, or a bare one; crowns of nine clumps of leaves around branches."""
    kind = rng.choice(["broad", "conifer", "bare", "columnar"], p=[0.62, 0.18, 0.08, 0.12])
    height = rng.uniform(5.0, 12.0)
    girth = rng.uniform(0.1, 0.17) + 0.012 * height
    if kind == "conifer":
        return _conifer(rng, height, girth, 7 * leaves_per_clump)
    crown_z = height * rng.uniform(0.25, 0.42)
    spread = height * (rng.uniform(0.26, 0.42) if kind != "columnar" else rng.uniform(0.12, 0.16))
    lean = rng.normal(0, 0.25, 2)
    top = np.array([lean[0], lean[1], crown_z + 0.3 * (height - crown_z)])
    parts = [surface(tube((0, 0, -0.5), top, girth, 0.6 * girth, sides=8), VEGETATION, Material.BARK, _BARK)]
    clumps = []
    for _ in range(9):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        middle = (height + crown_z) / 2
        clump = np.array([0, 0, middle]) + direction * np.array([spread, spread, (height - crown_z) / 2]) * rng.uniform(
            0.4, 0.75
        )
        clumps.append(clump)
        parts.append(surface(tube(top, clump, 0.4 * girth, 0.05, sides=4), VEGETATION, Material.BARK, _BARK))
    if kind == "bare":
        twigs = [tube(clumps[i % 9], clumps[i % 9] + rng.normal(0, 0.9, 3), 0.035, 0.012, sides=3) for i in range(60)]
        return merged([*parts, surface(np.concatenate(twigs), VEGETATION, Material.BARK, (98, 84, 72))])
    radius = spread * rng.uniform(0.5, 0.68)
    leaves, cores = [], []
    for clump in clumps:
        around = rng.normal(size=(leaves_per_clump, 3))
        around /= np.linalg.norm(around, axis=1, keepdims=True)
        leaves.append(clump + around * radius * rng.uniform(0.6, 1.1, (leaves_per_clump, 1)) * [1, 1, 0.85])
        cores.append(ball(clump, np.array([1, 1, 0.85]) * radius * 0.72, 8, 6, rng.uniform(0.7, 1.15, (6, 8))))
    green = _GREENS[rng.integers(len(_GREENS))]
    dark = (int(0.8 * green[0]), int(0.8 * green[1]), int(0.8 * green[2]))
    crown = surface(
        leaf_cloud(
            rng,
            np.concatenate(leaves),
            rng.uniform(0.13, 0.19) * (0.6 + 0.05 * height) * np.sqrt(150 / leaves_per_clump),
        ),
        VEGETATION,
        Material.LEAVES,
        green,
    )
    return merged(
        [
            *parts,
            shaded_like(crown, rng, 0.28),
            surface(np.concatenate(cores[::2] if rng.random() < 0.5 else cores), VEGETATION, Material.LEAVES, dark),
        ]
    )


def _conifer(rng: np.random.Generator, height: float, girth: float, count: int) -> Mesh:
    level = rng.uniform(0.12, 1.0, count) ** 1.2
    reach = height * 0.24 * (1 - level) * (0.75 + 0.25 * np.cos(level * 40)) + 0.12
    angle = rng.uniform(0, 2 * np.pi, count)
    r = reach * np.sqrt(rng.uniform(0.2, 1.0, count))
    needles = np.stack([r * np.cos(angle), r * np.sin(angle), level * height - 0.15 * r], axis=1)
    crown = surface(leaf_cloud(rng, needles, 0.19 * np.sqrt(1000 / count)), VEGETATION, Material.LEAVES, (58, 92, 58))
    trunk = surface(tube((0, 0, -0.5), (0, 0, height), girth, 0.03), VEGETATION, Material.BARK, (74, 58, 48))
    core = surface(
        tube((0, 0, 0.2 * height), (0, 0, 0.95 * height), 0.13 * height, 0.03, sides=7),
        VEGETATION,
        Material.LEAVES,
        (48, 78, 50),
    )
    return merged([trunk, shaded_like(crown, rng, 0.3), core])


def bush(rng: np.random.Generator) -> Mesh:
    """A rounded shrub."""
    size = np.array([rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.1), rng.uniform(0.45, 0.95)])
    around = rng.normal(size=(170, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    around[:, 2] = np.abs(around[:, 2])
    leaves = around * size * rng.uniform(0.75, 1.1, (170, 1)) + [0, 0, 0.1]
    green = _GREENS[rng.integers(len(_GREENS))]
    dark = (int(0.65 * green[0]), int(0.65 * green[1]), int(0.65 * green[2]))
    core = surface(
        ball((0, 0, 0.1), size * 0.82, 8, 6, rng.uniform(0.75, 1.1, (6, 8))), VEGETATION, Material.LEAVES, dark
    )
    return merged(
        [shaded_like(surface(leaf_cloud(rng, leaves, 0.1), VEGETATION, Material.LEAVES, green), rng, 0.28), core]
    )


def hedge(rng: np.random.Generator, length_m: float) -> Mesh:
    """A cut hedge from x = 0 to x = length."""
    height, depth = rng.uniform(0.8, 1.9), rng.uniform(0.5, 0.9)
    count = int(70 * length_m * (height + 0.4) / 2)
    count = min(count, 500)
    points = rng.uniform([0, -0.5, 0.05], [1, 0.5, 1.0], (count, 3))
    face = rng.integers(3, size=count)
    points[face == 0, 1] = -0.5
    points[face == 1, 1] = 0.5
    points[face == 2, 2] = 1.0
    points = points * [length_m, depth, height] + rng.normal(0, 0.04, (count, 3))
    green = _GREENS[rng.integers(4)]
    dark = (int(0.7 * green[0]), int(0.7 * green[1]), int(0.7 * green[2]))
    inside = surface(
        box((length_m / 2, 0, height / 2 - 0.25), (length_m - 0.1, depth - 0.1, height + 0.4)),
        VEGETATION,
        Material.LEAVES,
        dark,
    )
    return merged(
        [inside, shaded_like(surface(leaf_cloud(rng, points, 0.12), VEGETATION, Material.LEAVES, green), rng, 0.3)]
    )


def tall_grass(rng: np.random.Generator) -> Mesh:
    """A tuft of tall grass or reed, which nuScenes counts as vegetation."""
    foot = np.concatenate([rng.normal(0, 0.3, (40, 2)), np.zeros((40, 1)) - 0.05], axis=1)
    tip = foot + np.concatenate([rng.normal(0, 0.12, (40, 2)), rng.uniform(0.3, 0.8, (40, 1))], axis=1)
    side = rng.normal(0, 0.05, (40, 3)) * [1, 1, 0]
    return shaded_like(
        surface(np.stack([foot - side, foot + side, tip], axis=1), VEGETATION, Material.LEAVES, (122, 128, 62)),
        rng,
        0.3,
    )
