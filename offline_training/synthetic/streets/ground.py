"""The ground of a synthetic street as a mesh: tiles of one class each, kerbs between levels, rounded corners."""

from itertools import pairwise

import numpy as np

from offline_training.synthetic.streets.street import Crossing, StreetPlan
from offline_training.synthetic.world.materials import DRIVEABLE_SURFACE, OTHER_FLAT, SIDEWALK, TERRAIN, Material
from offline_training.synthetic.world.meshes import Color, Mesh, merged, quads, surface

REACH_M = 80.0  # the ground ends this far to both sides of the centre line

_LOOK: dict[int, tuple[int, Color]] = {
    DRIVEABLE_SURFACE: (Material.ASPHALT, (92, 92, 95)),
    OTHER_FLAT: (Material.CONCRETE, (150, 144, 136)),
    SIDEWALK: (Material.PAVING, (158, 153, 146)),
    TERRAIN: (Material.GRASS, (96, 118, 58)),
}


def ground_mesh(plan: StreetPlan, yard_class: np.ndarray) -> Mesh:
    """Tiles, kerbs and rounded corners. yard_class: (blocks, 2) class of the ground before the houses; columns left, right."""
    blocks = block_edges(plan)
    s_edges, d_edges = _s_edges(plan), _d_edges(plan)
    s_mid, d_mid = (s_edges[:-1] + s_edges[1:]) / 2, (d_edges[:-1] + d_edges[1:]) / 2
    block = np.clip(np.searchsorted(blocks, s_mid) - 1, 0, len(yard_class) - 1)
    tile_class = np.full((len(s_mid), len(d_mid)), TERRAIN, np.uint8)
    level = np.zeros(tile_class.shape)
    corner = np.zeros(tile_class.shape, bool)
    for sign, column in ((1, 0), (-1, 1)):
        out = sign * d_mid
        side, edge = plan.side(sign), plan.edge_m(sign)
        walk = (out > edge + side.verge_m) & (out < plan.walk_end_m(sign))
        yard = (out > plan.walk_end_m(sign)) & (out < plan.walk_end_m(sign) + side.yard_m)
        tile_class[:, walk] = SIDEWALK
        tile_class[np.ix_(np.ones(len(s_mid), bool), yard)] = yard_class[block, column][:, None]
        level[:, out > edge] = plan.kerb_m
        tile_class[:, (out > 0) & (out < edge)] = DRIVEABLE_SURFACE
        for crossing in plan.crossings:
            if not (crossing.left if sign > 0 else crossing.right):
                continue
            away = np.abs(s_mid - crossing.s_m) - crossing.half_width_m
            width = side.verge_m + side.walk_m
            beside, arm = (away > 0) & (away < max(side.walk_m, 1.5)), away < 0
            if side.walk_m > 0:
                tile_class[np.ix_(beside, out > edge)] = SIDEWALK
            tile_class[np.ix_(arm, out > edge)] = DRIVEABLE_SURFACE
            level[np.ix_(arm, out > edge)] = 0.0
            radius = corner_radius(plan, sign)
            if width > 0:
                corner[np.ix_((away > 0) & (away < radius), (out > edge) & (out < edge + radius))] = True
    if plan.median_m > 0:
        near = np.zeros(len(s_mid), bool)
        for crossing in plan.crossings:
            near |= np.abs(s_mid - crossing.s_m) < crossing.half_width_m + 4.0
        median = np.ix_(~near, np.abs(d_mid) < plan.median_m / 2)
        tile_class[median], level[median] = plan.median_class, plan.kerb_m
    parts = [
        *_tiles(plan, s_edges, d_edges, tile_class, level, ~corner),
        *_kerbs(plan, s_edges, d_edges, tile_class, level),
    ]
    for crossing in plan.crossings:
        for sign in (1, -1):
            if (crossing.left if sign > 0 else crossing.right) and corner_radius(plan, sign) > 0:
                parts += [_round_corner(plan, crossing, sign, along) for along in (1, -1)]
    return merged(parts)


def corner_radius(plan: StreetPlan, sign: int) -> float:
    """Radius of the kerb at a crossing's corner; 0 without a sidewalk."""
    side = plan.side(sign)
    return min(4.0, side.verge_m + side.walk_m) if side.walk_m > 0 else 0.0


def block_edges(plan: StreetPlan) -> np.ndarray:
    """(E,) s of the borders between blocks, in metres: the middles of the crossings and the street's ends."""
    return np.array([0.0, *[crossing.s_m for crossing in plan.crossings], plan.length_m])


def _refined(edges: list[float], step_m: float) -> np.ndarray:
    edges = sorted({round(edge, 4) for edge in edges})
    pieces = [np.linspace(a, b, max(1, int(np.ceil((b - a) / step_m))) + 1)[:-1] for a, b in pairwise(edges)]
    return np.concatenate([*pieces, edges[-1:]])


def _s_edges(plan: StreetPlan) -> np.ndarray:
    edges = [0.0, plan.length_m]
    for crossing in plan.crossings:
        reach = [0.0]
        for sign in (1, -1):
            reach += [max(plan.side(sign).walk_m, 1.5), corner_radius(plan, sign)]
        reach.append(4.0)
        edges += [crossing.s_m + way * (crossing.half_width_m + more) for way in (1, -1) for more in reach]
    return _refined(edges, 3.0)


def _d_edges(plan: StreetPlan) -> np.ndarray:
    edges = [0.0]
    for sign in (1, -1):
        side, edge = plan.side(sign), plan.edge_m(sign)
        walk_end = plan.walk_end_m(sign)
        edges += [
            sign * value
            for value in (
                plan.median_m / 2,
                edge,
                edge + corner_radius(plan, sign),
                edge + side.verge_m,
                walk_end,
                walk_end + side.yard_m,
            )
        ]
    near = _refined(edges, 3.5)
    return np.concatenate([np.linspace(-REACH_M, near[0], 9)[:-1], near, np.linspace(near[-1], REACH_M, 9)[1:]])


def _lifted(plan: StreetPlan, s: np.ndarray, d: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    x, y, _ = plan.warp(s, d)
    return np.stack([x, y, plan.ground_z(s, d) + level], axis=-1)


def _of_class(plan: StreetPlan, sdl: np.ndarray, class_id: int) -> Mesh:
    """Triangles (F, 3, 3) in (s, d, level) -> a ground mesh of one class with uv = (s, d)."""
    material, color = _LOOK[class_id]
    return surface(_lifted(plan, sdl[..., 0], sdl[..., 1], sdl[..., 2]), class_id, material, color, sdl[..., :2])


def _tiles(
    plan: StreetPlan, s: np.ndarray, d: np.ndarray, tile_class: np.ndarray, level: np.ndarray, kept: np.ndarray
) -> list[Mesh]:
    i, j = np.nonzero(kept)
    z = level[i, j]
    corners = np.stack(
        [np.stack(c, -1) for c in ((s[i], d[j], z), (s[i + 1], d[j], z), (s[i + 1], d[j + 1], z), (s[i], d[j + 1], z))],
        axis=1,
    )
    classes = tile_class[i, j]
    return [_of_class(plan, quads(corners[classes == value]), int(value)) for value in np.unique(classes)]


def _kerbs(plan: StreetPlan, s: np.ndarray, d: np.ndarray, tile_class: np.ndarray, level: np.ndarray) -> list[Mesh]:
    """Vertical faces where neighbouring tiles differ in level; a kerb belongs to the higher tile."""
    parts = []
    for axis in (0, 1):
        low, high = (level[:-1], level[1:]) if axis == 0 else (level[:, :-1], level[:, 1:])
        near, far = (tile_class[:-1], tile_class[1:]) if axis == 0 else (tile_class[:, :-1], tile_class[:, 1:])
        i, j = np.nonzero(np.abs(high - low) > 0.005)
        bottom, top = np.minimum(low, high)[i, j], np.maximum(low, high)[i, j]
        owner = np.where(high > low, far, near)[i, j]
        owner = np.where(owner == TERRAIN, SIDEWALK, owner)
        if axis == 0:
            start, end = (s[i + 1], d[j]), (s[i + 1], d[j + 1])
        else:
            start, end = (s[i], d[j + 1]), (s[i + 1], d[j + 1])
        corners = np.stack(
            [np.stack(c, -1) for c in ((*start, bottom), (*end, bottom), (*end, top), (*start, top))], axis=1
        )
        for value in np.unique(owner):
            triangles = quads(corners[owner == value])
            parts.append(
                surface(
                    _lifted(plan, triangles[..., 0], triangles[..., 1], triangles[..., 2]),
                    int(value),
                    Material.CONCRETE,
                    (172, 170, 164),
                )
            )
    return parts


def _round_corner(plan: StreetPlan, crossing: Crossing, sign: int, along: int) -> Mesh:
    radius, edge = corner_radius(plan, sign), plan.edge_m(sign)
    foot = np.array([crossing.s_m + along * crossing.half_width_m, sign * edge])
    middle = foot + radius * np.array([along, sign])
    angle = np.linspace(0, np.pi / 2, 9)
    arc = middle - radius * np.stack([along * np.cos(angle), sign * np.sin(angle)], axis=1)

    def fan(point: np.ndarray, level: float) -> np.ndarray:
        corners = np.stack([np.broadcast_to(point, (8, 2)), arc[:-1], arc[1:]], axis=1)
        return np.concatenate([corners, np.full((8, 3, 1), level)], axis=-1)

    wall = np.stack(
        [
            np.concatenate([points, np.full((8, 1), level)], axis=1)
            for points, level in ((arc[:-1], 0.0), (arc[1:], 0.0), (arc[1:], plan.kerb_m), (arc[:-1], plan.kerb_m))
        ],
        axis=1,
    )
    wall_sdl = quads(wall)
    kerb = surface(
        _lifted(plan, wall_sdl[..., 0], wall_sdl[..., 1], wall_sdl[..., 2]),
        SIDEWALK,
        Material.CONCRETE,
        (172, 170, 164),
    )
    return merged(
        [_of_class(plan, fan(middle, plan.kerb_m), SIDEWALK), _of_class(plan, fan(foot, 0.0), DRIVEABLE_SURFACE), kerb]
    )
