"""Buildings of the synthetic world: facades with recessed windows, doors, balconies and roofs.

x along the street, front facade in the plane y = 0 facing -y, origin on the ground at the middle of the front.
"""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.world.materials import MANMADE, Material
from offline_training.synthetic.world.meshes import Color, Mesh, box, boxes, merged, quads, surface, tube

_PLASTER: list[Color] = [
    (214, 202, 178), (226, 220, 208), (196, 168, 132), (208, 178, 160), (184, 190, 180), (170, 176, 186), (222, 206, 150), (178, 136, 112),
]  # fmt: skip
_BRICK: list[Color] = [(150, 84, 64), (126, 70, 58), (166, 112, 84), (122, 98, 84)]
_ROOF: list[Color] = [(128, 62, 48), (84, 80, 80), (104, 88, 78), (66, 68, 74)]
_GLASS: list[Color] = [(52, 66, 80), (40, 48, 58), (74, 86, 96)]
_Xy = tuple[float, float]
_RECESS_M = 0.18  # windows and doors lie this deep in the wall
_FOUNDATION_M = -2.0  # walls reach this far down, so that slopes never show a gap


@dataclass(frozen=True)
class _Style:
    """What all facades of a building share."""

    floor_m: float
    floors: int
    window_share: tuple[float, float]  # of a bay's width and of a floor's height
    color: Color
    material: int
    glass: Color


@dataclass(frozen=True)
class _Bays:
    """Bays of a facade, (n,) each: wall from u0, v0 to u1, v1 with an opening from a0, b0 to a1, b1; metres along and up."""

    u0: np.ndarray
    u1: np.ndarray
    v0: np.ndarray
    v1: np.ndarray
    a0: np.ndarray
    a1: np.ndarray
    b0: np.ndarray
    b1: np.ndarray
    is_door: np.ndarray


def building(rng: np.random.Generator, width_m: float, depth_m: float, floors: int, house: bool) -> Mesh:
    """A town building with a flat or gable roof, or a `house` with a gable roof."""
    brick = rng.random() < 0.35
    color = (_BRICK if brick else _PLASTER)[rng.integers(4 if brick else len(_PLASTER))]
    material = Material.BRICK if brick else Material.PLASTER
    floor_m = rng.uniform(2.7, 3.4)
    height = floors * floor_m + 0.4
    shop = not house and rng.random() < 0.45
    glass = _GLASS[rng.integers(len(_GLASS))]
    style = _Style(floor_m, floors, (rng.uniform(0.34, 0.6), rng.uniform(0.42, 0.6)), color, material, glass)
    walls: list[Mesh] = []
    sides = [
        ((-width_m / 2, 0.0), (1.0, 0.0), width_m),
        ((width_m / 2, 0.0), (0.0, 1.0), depth_m),
        ((width_m / 2, depth_m), (-1.0, 0.0), width_m),
        ((-width_m / 2, depth_m), (0.0, -1.0), depth_m),
    ]
    for number, (start, along, length) in enumerate(sides):
        bays = max(1, round(length / rng.uniform(2.4, 3.6)))
        front = number == 0
        door = int(rng.integers(bays)) if front else -1
        walls += _facade(style, _bays(style, length, bays, door, shop and front), start, along)
        if front and not house and rng.random() < 0.5:
            walls += _balconies(rng, start, length, floor_m, floors, bays)
    roof = (
        _gable(rng, width_m, depth_m, height, color)
        if house or rng.random() < 0.35
        else _flat(rng, width_m, depth_m, height, color)
    )
    return merged([*walls, *roof])


def hall(rng: np.random.Generator, width_m: float, depth_m: float) -> Mesh:
    """An industrial hall with gates and a band of windows."""
    height = rng.uniform(5.0, 9.0)
    color = [(176, 182, 184), (142, 152, 160), (198, 192, 176), (104, 122, 142)][rng.integers(4)]
    gates = max(1, int(width_m // 9))
    gate_x = (np.arange(gates) + 0.5) / gates * width_m - width_m / 2
    gate = boxes(np.stack([gate_x, 0 * gate_x - 0.02, 0 * gate_x + 2.0], 1), np.tile([3.6, 0.12, 4.0], (gates, 1)))
    shell = box((0, depth_m / 2, height / 2 - 1), (width_m, depth_m, height + 2))
    return merged(
        [
            surface(shell, MANMADE, Material.METAL, color),
            surface(gate, MANMADE, Material.METAL, [(90, 94, 100), (160, 60, 44), (210, 212, 208)][rng.integers(3)]),
            surface(box((0, -0.01, height - 1.2), (width_m * 0.94, 0.06, 0.8)), MANMADE, Material.GLASS, (60, 72, 82)),
            surface(
                box((0, depth_m / 2, height + 0.1), (width_m + 0.4, depth_m + 0.4, 0.25)),
                MANMADE,
                Material.METAL,
                (92, 94, 96),
            ),
        ]
    )


def _bays(style: _Style, length_m: float, bays: int, door_bay: int, shop: bool) -> _Bays:
    """Where wall and openings are on a facade; `door_bay` -1 where there is no door."""
    u = np.linspace(0, length_m, bays + 1)
    floor, bay = (index.ravel() for index in np.meshgrid(np.arange(style.floors), np.arange(bays), indexing="ij"))
    u0, u1 = u[bay], u[bay + 1]
    base = floor * style.floor_m + 0.4
    is_door = (floor == 0) & (bay == door_bay)
    is_shop = (floor == 0) & shop & ~is_door
    half = np.where(is_door, 0.55, np.where(is_shop, (u1 - u0) * 0.44, (u1 - u0) * style.window_share[0] / 2))
    b0 = np.where(is_door, 0.1, np.where(is_shop, 0.55, base + style.floor_m * 0.3))
    b1 = np.where(is_shop, base + style.floor_m * 0.85, base + style.floor_m * (0.3 + style.window_share[1]))
    b1 = np.where(is_door, 2.3, b1)
    middle = (u0 + u1) / 2
    v0 = np.where(floor == 0, _FOUNDATION_M, base)
    return _Bays(u0, u1, v0, (floor + 1) * style.floor_m + 0.4, middle - half, middle + half, b0, b1, is_door)


def _facade(style: _Style, bays: _Bays, start: _Xy, along: _Xy) -> list[Mesh]:
    """Wall, reveals, panes and window bars; `start` and `along` place the facade's u axis in the building."""
    u0, u1, v0, v1 = bays.u0, bays.u1, bays.v0, bays.v1
    a0, a1, b0, b1 = bays.a0, bays.a1, bays.b0, bays.b1
    wall = np.concatenate([_rect(u0, a0, v0, v1), _rect(a1, u1, v0, v1), _rect(a0, a1, v0, b0), _rect(a0, a1, b1, v1)])
    reveals = [_rect(a0, a1, b, b, 0.0, _RECESS_M) for b in (b0, b1)]  # sill and lintel
    for a in (a0, a1):  # jambs
        corners = ((b0, 0.0), (b0, _RECESS_M), (b1, _RECESS_M), (b1, 0.0))
        reveals.append(np.stack([np.stack([a, b, np.full_like(a, depth)], axis=-1) for b, depth in corners], axis=1))
    pane = _rect(a0, a1, b0, b1, _RECESS_M)
    middle, height = (a0 + a1) / 2, (b0 + b1) / 2
    bar_depth = _RECESS_M - 0.03
    upright = _rect(middle - 0.03, middle + 0.03, b0, b1, bar_depth)
    across = _rect(a0, a1, height - 0.03, height + 0.03, bar_depth)
    window = ~bays.is_door
    r, g, b = (min(part + 26, 255) for part in style.color)
    parts = [
        _on_wall(wall, start, along, style.material, style.color),
        _on_wall(np.concatenate(reveals), start, along, Material.PLASTER, (r, g, b)),
        _on_wall(pane[window], start, along, Material.GLASS, style.glass),
        _on_wall(np.concatenate([upright[window], across[window]]), start, along, Material.PLASTIC, (224, 224, 220)),
    ]
    if bays.is_door.any():
        parts.append(_on_wall(pane[bays.is_door], start, along, Material.WOOD, (96, 62, 40)))
    return parts


def _rect(
    u0: np.ndarray,
    u1: np.ndarray,
    v0: np.ndarray,
    v1: np.ndarray,
    depth_m: float = 0.0,
    far_depth_m: float | None = None,
) -> np.ndarray:
    """Rectangles (n, 4, 3) in (u, v, depth into the wall); the depth at v1 may differ."""
    near, far = np.full_like(u0, depth_m), np.full_like(u0, depth_m if far_depth_m is None else far_depth_m)
    corners = ((u0, v0, near), (u1, v0, near), (u1, v1, far), (u0, v1, far))
    return np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)


def _on_wall(uvd: np.ndarray, start: _Xy, along: _Xy, material: int, color: Color) -> Mesh:
    corners = quads(uvd)
    inward = (-along[1], along[0])
    x = start[0] + corners[..., 0] * along[0] + corners[..., 2] * inward[0]
    y = start[1] + corners[..., 0] * along[1] + corners[..., 2] * inward[1]
    return surface(np.stack([x, y, corners[..., 1]], axis=-1), MANMADE, material, color, corners[..., :2])


def _balconies(
    rng: np.random.Generator, start: tuple[float, float], length: float, floor_m: float, floors: int, bays: int
) -> list[Mesh]:
    columns = np.flatnonzero(rng.random(bays) < 0.4)
    spots = [
        ((column + 0.5) * length / bays + start[0], floor * floor_m + 0.75)
        for column in columns
        for floor in range(1, floors)
    ]
    if not spots:
        return []
    x, z = np.array(spots).T
    wide = 0.8 * length / bays
    slab = boxes(np.stack([x, 0 * x - 0.6, z], 1), np.tile([wide, 1.2, 0.14], (len(x), 1)))
    rail = boxes(np.stack([x, 0 * x - 1.18, z + 0.55], 1), np.tile([wide, 0.05, 0.95], (len(x), 1)))
    cheeks = np.concatenate(
        [
            boxes(np.stack([x + side * wide / 2, 0 * x - 0.6, z + 0.55], 1), np.tile([0.05, 1.2, 0.95], (len(x), 1)))
            for side in (-1, 1)
        ]
    )
    return [
        surface(slab, MANMADE, Material.CONCRETE, (176, 174, 168)),
        surface(
            np.concatenate([rail, cheeks]),
            MANMADE,
            Material.METAL,
            [(86, 90, 92), (190, 192, 192), (120, 84, 60)][rng.integers(3)],
        ),
    ]


def _flat(rng: np.random.Generator, width: float, depth: float, height: float, color: Color) -> list[Mesh]:
    edge = boxes(
        np.array(
            [
                [0, 0, height + 0.3],
                [0, depth, height + 0.3],
                [-width / 2, depth / 2, height + 0.3],
                [width / 2, depth / 2, height + 0.3],
            ]
        ),
        np.array([[width + 0.4, 0.4, 0.6], [width + 0.4, 0.4, 0.6], [0.4, depth, 0.6], [0.4, depth, 0.6]]),
    )
    tops = [box((0, depth / 2, height), (width, depth, 0.1))]
    tops += [
        box(
            (rng.uniform(-0.35, 0.35) * width, rng.uniform(0.3, 0.8) * depth, height + 0.7),
            (rng.uniform(1, 3), rng.uniform(1, 3), 1.5),
        )
        for _ in range(rng.integers(0, 3))
    ]
    ledge: Color = (int(0.82 * color[0]), int(0.82 * color[1]), int(0.82 * color[2]))
    return [
        surface(edge, MANMADE, Material.PLASTER, ledge),
        surface(np.concatenate(tops), MANMADE, Material.ROOF, (120, 118, 116)),
    ]


def _gable(rng: np.random.Generator, width: float, depth: float, height: float, color: Color) -> list[Mesh]:
    rise, over = depth * rng.uniform(0.28, 0.45), 0.45
    hip = rng.random() < 0.35
    inset = depth * 0.35 if hip else -over
    x0, x1, eave = -width / 2 - over, width / 2 + over, height - over * 2 * rise / depth
    ridge = [(-width / 2 + inset, depth / 2, height + rise), (width / 2 - inset, depth / 2, height + rise)]
    corners = [(x0, -over, eave), (x1, -over, eave), (x1, depth + over, eave), (x0, depth + over, eave)]
    slopes = quads(
        np.array([[corners[0], corners[1], ridge[1], ridge[0]], [corners[2], corners[3], ridge[0], ridge[1]]])
    )
    ends = np.array([[corners[3], corners[0], ridge[0]], [corners[1], corners[2], ridge[1]]])
    roof = _ROOF[rng.integers(len(_ROOF))]
    parts = [surface(slopes, MANMADE, Material.ROOF, roof)]
    if hip:
        parts.append(surface(ends, MANMADE, Material.ROOF, roof))
    else:
        gables = np.array(
            [[(x, 0, height), (x, depth, height), (x, depth / 2, height + rise)] for x in (-width / 2, width / 2)]
        )
        parts.append(surface(gables, MANMADE, Material.PLASTER, color))
    if rng.random() < 0.7:
        x = rng.uniform(-0.3, 0.3) * width
        parts.append(
            surface(box((x, depth * 0.6, height + 0.8 * rise), (0.6, 0.6, 1.8)), MANMADE, Material.BRICK, (128, 78, 62))
        )
        parts.append(
            surface(
                tube((x, depth * 0.6, height + 0.8 * rise + 0.9), (x, depth * 0.6, height + 0.8 * rise + 1.2), 0.14),
                MANMADE,
                Material.BRICK,
                (90, 60, 50),
            )
        )
    return parts
