"""Light and patterns of synthetic rooms: lamps and windows with shadows, in linear light."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.rooms.layout import Room
from offline_training.synthetic.rooms.surfaces import Texture
from offline_training.synthetic.sensors.scene import Part
from offline_training.synthetic.sensors.shading import linear, noise_at
from offline_training.synthetic.world.materials import Material

_LIFT_M = 0.004  # shadow rays start so far above the surface
_LAMP_RADIUS_M = 0.12


@dataclass(frozen=True)
class Surface:
    """What the points to be lit are made of."""

    color_rgb: np.ndarray  # (N, 3) uint8
    material: np.ndarray  # (N,) uint8
    uv: np.ndarray  # (N, 2) texture coordinates


def room_light(
    room: Room, shadows: Part, surface: Surface, point_m: np.ndarray, normal: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Linear light (N, 3) float32 from points (N, 3) with unit normals (N, 3).

    shadows: what stands in the light. rng: where on lamp and window each shadow ray ends, which softens shadows.
    """
    albedo = _albedo(surface, point_m, normal)
    light = albedo * (_ambient(room, point_m, normal) + _direct(room, shadows, point_m, normal, rng))
    glow = surface.material == Texture.GLOW
    light[glow] = albedo[glow] * (0.8 + 0.5 * room.light.lamp_rgb)
    pane = surface.material == Texture.OUTSIDE
    light[pane] = _outside(room, point_m[pane], surface.uv[pane])
    return light.astype(np.float32)


def _direct(room: Room, shadows: Part, point_m: np.ndarray, normal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    total = np.zeros((len(point_m), 3), np.float32)
    start = (point_m + _LIFT_M * normal).astype(np.float32)
    if room.light.lamp_rgb.any():
        for lamp_m in room.light.lamps_m:
            spread = rng.uniform(-1, 1, (len(start), 3)) * [_LAMP_RADIUS_M, _LAMP_RADIUS_M, 0.0]
            share = _share(start, normal, lamp_m, None)
            total += (share * _sees(shadows, start, lamp_m + spread, share))[:, None] * room.light.lamp_rgb
    for low, high in room.light.windows_m:
        middle, size = (low + high) / 2, high - low
        facing = np.append(np.where(size[:2] < 1e-6, -np.sign(middle[:2]), 0.0), 0.0)  # from the pane into the room
        share = _share(start, normal, middle, facing) * float(np.sort(size)[1:].prod())
        target = low + rng.random((len(start), 3)) * size + 0.02 * facing
        total += (share * _sees(shadows, start, target, share))[:, None] * room.light.sky_rgb
    return total


def _share(start_m: np.ndarray, normal: np.ndarray, middle_m: np.ndarray, facing: np.ndarray | None) -> np.ndarray:
    """(N,) share of a source's light that would arrive with nothing in the way: by distance and angles."""
    towards = middle_m - start_m
    distance = np.sqrt(np.einsum("ij,ij->i", towards, towards))
    towards /= np.maximum(distance, 1e-6)[:, None]
    share = np.clip(np.einsum("ij,ij->i", towards, normal), 0, 1)
    if facing is not None:
        share *= np.clip(-(towards @ facing), 0, 1)
    return share / (0.3 + distance**2)  # sources are no points


def _sees(shadows: Part, start_m: np.ndarray, target_m: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(N,) bool: whether the way from each point to its target is free; not asked where the share is nothing."""
    free = share > 1e-3
    rows = np.flatnonzero(free)
    towards = (target_m[rows] - start_m[rows]).astype(np.float32)
    distance = np.sqrt(np.einsum("ij,ij->i", towards, towards))
    found = shadows.first(start_m[rows], towards / np.maximum(distance, 1e-6)[:, None], 100.0)
    if found is not None:
        free[rows] = (found["primID"] < 0) | (found["tfar"] > distance - 0.03)
    return free


def _ambient(room: Room, point_m: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N, 3) light from all around, less in the corners of the room and below things."""
    light = room.light
    areas = np.sort(light.windows_m[:, 1] - light.windows_m[:, 0], axis=1)[:, 1:].prod(axis=1).sum()
    floor_m2 = float(room.size_m[:2].prod())
    level = (2.2 * len(light.lamps_m) * light.lamp_rgb + 1.4 * areas * light.sky_rgb) / floor_m2 + 0.02
    to_walls = np.concatenate(
        [room.size_m[:2] / 2 - np.abs(point_m[:, :2]), point_m[:, 2:], room.size_m[2] - point_m[:, 2:]], axis=1
    )
    to_walls[:, :2][np.abs(normal[:, :2]) > 0.7] = 1.0  # a wall does not darken itself
    to_walls[:, 2:][np.abs(normal[:, 2]) > 0.7] = 1.0
    corner = 1.0 - 0.35 * np.exp(-np.maximum(to_walls, 0) / 0.22).max(axis=1)
    up = 0.85 + 0.15 * normal[:, 2]
    return (corner * up)[:, None] * level


def _outside(room: Room, point_m: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """(N, 3) what is seen through a window: sky above something green or built."""
    brightness = 3.0 * room.light.sky_rgb.astype(np.float32)
    across = point_m[:, 0] + point_m[:, 1]
    edge = 0.3 + 0.1 * noise_at(across * 4, np.zeros_like(across))
    ground = uv[:, 1] < edge
    mottle = 1.0 + 0.4 * noise_at(across * 25, point_m[:, 2] * 25)
    green = np.array([0.22, 0.3, 0.16], np.float32) * mottle[:, None]
    sky = np.array([0.72, 0.84, 1.0], np.float32) * (1.0 + 0.15 * noise_at(across * 5, point_m[:, 2] * 8))[:, None]
    return np.where(ground[:, None], green, sky) * brightness


def _albedo(surface: Surface, point_m: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N, 3) linear albedo with the pattern of each material."""
    albedo = linear(surface.color_rgb)
    strongest = np.abs(normal).argmax(axis=1)
    along = np.where(strongest == 0, point_m[:, 1], point_m[:, 0])
    across = np.where(strongest == 2, point_m[:, 1], point_m[:, 2])
    factor = 1.0 + 0.05 * noise_at(along * 8, across * 8)
    for texture, pattern in _PATTERNS.items():
        at = np.flatnonzero(surface.material == texture)
        factor[at] *= pattern(along[at], across[at])
    return np.clip(albedo * factor[:, None], 0.0, 0.95)


def _grain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1.0 + 0.14 * noise_at(a * 6, b * 70) + 0.06 * noise_at(a * 30, b * 200)


def _planks(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    row = np.floor(b / 0.14)
    board = np.floor(a / 1.1 + 0.37 * (row % 3))
    gap = (b % 0.14 < 0.008) | ((a / 1.1 + 0.37 * (row % 3)) % 1.0 < 0.008)
    return (1.0 + 0.16 * noise_at(board * 17, row * 13)) * _grain(a, b) * (1.0 - 0.45 * gap)


def _tiles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    joint = (a % 0.4 < 0.014) | (b % 0.4 < 0.014)
    return (1.0 + 0.05 * noise_at(np.floor(a / 0.4) * 11, np.floor(b / 0.4) * 7)) * (1.0 - 0.35 * joint)


def _carpet(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1.0 + 0.22 * noise_at(a * 90, b * 90) + 0.08 * noise_at(a * 5, b * 5)


def _weave(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1.0 + 0.14 * noise_at(a * 120, b * 120)


def _stripes(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a % 0.16 < 0.08, 1.0, 0.62)


def _checks(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a % 0.2 < 0.1, 1.0, 0.72) * np.where(b % 0.2 < 0.1, 1.0, 0.72)


def _leaves(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1.0 + 0.25 * noise_at(a * 40, b * 40)


_PATTERNS = {
    Texture.GRAIN: _grain,
    Texture.PLANKS: _planks,
    Texture.TILES: _tiles,
    Texture.CARPET: _carpet,
    Texture.WEAVE: _weave,
    Texture.STRIPES: _stripes,
    Texture.CHECKS: _checks,
    Material.LEAVES: _leaves,
}
