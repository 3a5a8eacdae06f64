"""Facades of the synthetic world: walls with recessed windows, doors and balconies, along any side of a building."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.world.materials import (
    MANMADE,
    Material,
)
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    boxes,
    quads,
    surface,
)

_Xy = tuple[float, float]
_RECESS_M = 0.18  # windows and doors lie this deep in the wall
_FOUNDATION_M = -2.0  # walls reach this far down, so that slopes never show a gap


@dataclass(frozen=True)
class FacadeStyle:
    """What all facades of a building share."""

    floor_m: float
    floors: int
    window_share: tuple[float, float]  # of a bay's width and of a floor's height
    color: Color
    material: int
    glass: Color


@dataclass(frozen=True)
class Bays:
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


def facade_bays(style: FacadeStyle, length_m: float, bays: int, door_bay: int, shop: bool) -> Bays:
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
    return Bays(u0, u1, v0, (floor + 1) * style.floor_m + 0.4, middle - half, middle + half, b0, b1, is_door)


def facade(style: FacadeStyle, bays: Bays, start: _Xy, along: _Xy) -> list[Mesh]:
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


def balconies(
    rng: np.random.Generator, start: tuple[float, float], length: float, floor_m: float, floors: int, bays: int
) -> list[Mesh]:
    """Balconies before some bays of the floors above the ground, `start` being where the facade begins."""
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
