"""The ground of the synthetic street: a curved plan in street coordinates (s along, d to the left), tiles, kerbs and road paint."""

from dataclasses import dataclass

import numpy as np

from offline_training.datasets.synthetic_materials import DRIVEABLE_SURFACE, OTHER_FLAT, SIDEWALK, TERRAIN, Material
from offline_training.datasets.synthetic_meshes import Color, Mesh, merged, quads, surface

PAINT_CELL_M = 0.075
REACH_M = 80.0  # the ground ends this far to both sides of the centre line
NO_PAINT, WHITE, YELLOW, PATCH, CYCLE_LANE = range(5)

_LOOK: dict[int, tuple[int, Color]] = {
    DRIVEABLE_SURFACE: (Material.ASPHALT, (92, 92, 95)),
    OTHER_FLAT: (Material.CONCRETE, (150, 144, 136)),
    SIDEWALK: (Material.PAVING, (158, 153, 146)),
    TERRAIN: (Material.GRASS, (96, 118, 58)),
}


@dataclass(frozen=True)
class Crossing:
    """A road that crosses the street at s, or ends at it when one arm is missing."""

    s_m: float
    half_width_m: float
    left: bool
    right: bool
    signals: bool


@dataclass(frozen=True)
class Side:
    """What lies beside the road on one side, from the road's edge outwards."""

    lanes: int
    parking_m: float  # 0 where there is none
    verge_m: float  # grass between kerb and sidewalk; 0 where there is none
    walk_m: float  # 0 where there is no sidewalk
    yard_m: float  # from the sidewalk to the house fronts
    style: str  # "town" | "suburb" | "country" | "industry"
    rise: float  # slope of the ground behind the sidewalk


@dataclass(frozen=True)
class StreetPlan:
    """A street in numbers; d > 0 is left of the centre line, traffic keeps right."""

    length_m: float
    curve: np.ndarray  # (K, 4) float64: s, x, y, heading
    hills: np.ndarray  # (H, 4) float64: amplitude m, wave vector x and y in 1/m, phase
    lane_m: float
    median_m: float  # width of an island between the directions; 0 where there is none
    median_class: int
    kerb_m: float
    left: Side
    right: Side
    crossings: tuple[Crossing, ...]

    def side(self, sign: int) -> Side:
        """The left side for +1, the right one for -1."""
        return self.left if sign > 0 else self.right

    def edge_m(self, sign: int) -> float:
        """Distance of the kerb from the centre line."""
        side = self.side(sign)
        return self.median_m / 2 + side.lanes * self.lane_m + side.parking_m

    def walk_end_m(self, sign: int) -> float:
        """Distance of the sidewalk's outer edge from the centre line."""
        return self.edge_m(sign) + self.side(sign).verge_m + self.side(sign).walk_m

    def lane_d_m(self, sign: int, lane: int) -> float:
        """Middle of a lane, 0 the innermost."""
        return sign * (self.median_m / 2 + (lane + 0.5) * self.lane_m)

    def warp(self, s_m: np.ndarray, d_m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Street coordinates -> x, y and heading in the world."""
        x = np.interp(s_m, self.curve[:, 0], self.curve[:, 1])
        y = np.interp(s_m, self.curve[:, 0], self.curve[:, 2])
        heading = np.interp(s_m, self.curve[:, 0], self.curve[:, 3])
        return x - np.sin(heading) * d_m, y + np.cos(heading) * d_m, heading

    def ground_z(self, s_m: np.ndarray, d_m: np.ndarray) -> np.ndarray:
        """Height of the road's level there; kerbs come on top."""
        x, y, _ = self.warp(s_m, d_m)
        z = np.zeros(np.broadcast(x, y).shape)
        for amplitude, kx, ky, phase in self.hills:
            z = z + amplitude * np.sin(kx * x + ky * y + phase)
        for sign in (1, -1):
            outside = np.clip(sign * np.asarray(d_m) - self.walk_end_m(sign) - 0.5, 0, 45)
            z = z + self.side(sign).rise * outside**2 / (outside + 4.0)
        return z

    def in_crossing(self, s_m: float, sign: int, margin_m: float = 0.0) -> bool:
        """Whether an arm of a crossing opens on that side at s."""
        return any(
            (crossing.left if sign > 0 else crossing.right) and abs(s_m - crossing.s_m) < crossing.half_width_m + margin_m
            for crossing in self.crossings
        )

    def pose(self, s_m: float, d_m: float, yaw_rad: float, level_m: float = 0.0, tilt: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(3,) position and (3, 3) rotation of a thing standing at (s, d), turned by yaw against the street; `tilt` follows the slope."""
        positions, rotations = self.poses(*(np.array([value]) for value in (s_m, d_m, yaw_rad, level_m)), tilt)
        return positions[0], rotations[0]

    def poses(self, s_m: np.ndarray, d_m: np.ndarray, yaw_rad: np.ndarray, level_m: np.ndarray, tilt: bool) -> tuple[np.ndarray, np.ndarray]:
        """Positions (N, 3) and rotations (N, 3, 3) of N things, as `pose` gives them one by one."""
        x, y, heading = self.warp(s_m, d_m)
        z = self.ground_z(s_m, d_m)
        cosine, sine, zero = np.cos(heading + yaw_rad), np.sin(heading + yaw_rad), np.zeros_like(x)
        forward = np.stack([cosine, sine, zero], axis=1)
        up = np.stack([zero, zero, zero + 1.0], axis=1)
        if tilt:
            along, across = self.ground_z(s_m + 1.0, d_m) - z, self.ground_z(s_m, d_m + 1.0) - z
            # The ground's gradient turned from street axes to world axes.
            up[:, 0] = -along * np.cos(heading) + across * np.sin(heading)
            up[:, 1] = -along * np.sin(heading) - across * np.cos(heading)
            up /= np.sqrt((up * up).sum(axis=1, keepdims=True))
            forward -= up * (up * forward).sum(axis=1, keepdims=True)
            forward /= np.sqrt((forward * forward).sum(axis=1, keepdims=True))
        left = np.stack([up[:, 1] * forward[:, 2] - up[:, 2] * forward[:, 1], up[:, 2] * forward[:, 0] - up[:, 0] * forward[:, 2], up[:, 0] * forward[:, 1] - up[:, 1] * forward[:, 0]], axis=1)
        return np.stack([x, y, z + level_m], axis=1), np.stack([forward, left, up], axis=2)


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
    parts = [*_tiles(plan, s_edges, d_edges, tile_class, level, ~corner), *_kerbs(plan, s_edges, d_edges, tile_class, level)]
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
    """s of the borders between blocks: the middles of the crossings and the street's ends."""
    return np.array([0.0, *[crossing.s_m for crossing in plan.crossings], plan.length_m])


def _refined(edges: list[float], step_m: float) -> np.ndarray:
    edges = sorted({round(edge, 4) for edge in edges})
    pieces = [np.linspace(a, b, max(1, int(np.ceil((b - a) / step_m))) + 1)[:-1] for a, b in zip(edges[:-1], edges[1:], strict=True)]
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
        edges += [sign * value for value in (plan.median_m / 2, edge, edge + corner_radius(plan, sign), edge + side.verge_m, walk_end, walk_end + side.yard_m)]
    near = _refined(edges, 3.5)
    return np.concatenate([np.linspace(-REACH_M, near[0], 9)[:-1], near, np.linspace(near[-1], REACH_M, 9)[1:]])


def _lifted(plan: StreetPlan, s: np.ndarray, d: np.ndarray, level: np.ndarray | float) -> np.ndarray:
    x, y, _ = plan.warp(s, d)
    return np.stack([x, y, plan.ground_z(s, d) + level], axis=-1)


def _of_class(plan: StreetPlan, sdl: np.ndarray, class_id: int) -> Mesh:
    """Triangles (F, 3, 3) in (s, d, level) -> a ground mesh of one class with uv = (s, d)."""
    material, color = _LOOK[class_id]
    return surface(_lifted(plan, sdl[..., 0], sdl[..., 1], sdl[..., 2]), class_id, material, color, sdl[..., :2])


def _tiles(plan: StreetPlan, s: np.ndarray, d: np.ndarray, tile_class: np.ndarray, level: np.ndarray, kept: np.ndarray) -> list[Mesh]:
    i, j = np.nonzero(kept)
    z = level[i, j]
    corners = np.stack([np.stack(c, -1) for c in ((s[i], d[j], z), (s[i + 1], d[j], z), (s[i + 1], d[j + 1], z), (s[i], d[j + 1], z))], axis=1)
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
        corners = np.stack([np.stack(c, -1) for c in ((*start, bottom), (*end, bottom), (*end, top), (*start, top))], axis=1)
        for value in np.unique(owner):
            triangles = quads(corners[owner == value])
            parts.append(surface(_lifted(plan, triangles[..., 0], triangles[..., 1], triangles[..., 2]), int(value), Material.CONCRETE, (172, 170, 164)))
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
        [np.concatenate([points, np.full((8, 1), level)], axis=1) for points, level in ((arc[:-1], 0.0), (arc[1:], 0.0), (arc[1:], plan.kerb_m), (arc[:-1], plan.kerb_m))],
        axis=1,
    )
    wall_sdl = quads(wall)
    kerb = surface(_lifted(plan, wall_sdl[..., 0], wall_sdl[..., 1], wall_sdl[..., 2]), SIDEWALK, Material.CONCRETE, (172, 170, 164))
    return merged([_of_class(plan, fan(middle, plan.kerb_m), SIDEWALK), _of_class(plan, fan(foot, 0.0), DRIVEABLE_SURFACE), kerb])
