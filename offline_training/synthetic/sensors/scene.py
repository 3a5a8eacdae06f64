"""Ray casting into a synthetic world with Embree: what stands still is built once, what moves is built per moment."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.synthetic.streets.layout import World
from offline_training.synthetic.streets.paint import PAINT_CELL_M, PAINT_REACH_M
from offline_training.synthetic.streets.traffic import actor_poses
from offline_training.synthetic.world.materials import DRIVEABLE_SURFACE
from offline_training.synthetic.world.meshes import Mesh, merged


@dataclass(frozen=True)
class Hits:
    """What rays hit first; rows of rays that hit nothing have range inf and class 255."""

    range_m: np.ndarray  # (N,) float32
    class_id: np.ndarray  # (N,) uint8
    material: np.ndarray  # (N,) uint8
    color_rgb: np.ndarray  # (N, 3) uint8
    normal: np.ndarray  # (N, 3) float32, unit, towards the ray's origin
    uv_m: np.ndarray  # (N, 2) float32 texture coordinates
    paint: np.ndarray  # (N,) uint8 road paint code


class Part:
    """A mesh that rays can be cast into, in the mesh's own frame."""

    def __init__(self, mesh: Mesh) -> None:
        require_packages("synthetic scenes", "embreex")
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self.mesh = mesh
        self._scene = EmbreeScene()
        self._geometry = None
        if len(mesh):
            vertices = np.ascontiguousarray(mesh.corners_m.reshape(-1, 3), np.float32)
            self._geometry = TriangleMesh(
                self._scene, vertices, np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
            )

    def first(self, origin_m: np.ndarray, direction: np.ndarray, max_range_m: float) -> dict[str, np.ndarray] | None:
        """Embree's answer for each ray; None when there is nothing to hit or to cast.

        origin_m, direction: (R, 3); the arrays of the answer have R rows.
        """
        if self._geometry is None or not len(origin_m):
            return None
        reach = np.full(len(origin_m), max_range_m, np.float32)
        return self._scene.run(origin_m, direction, dists=reach, query="INTERSECT", output=True)

    def blocked(self, origin_m: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """(N,) bool: whether anything is in the way, however far."""
        if self._geometry is None or not len(origin_m):
            return np.zeros(len(origin_m), bool)
        return self._scene.run(origin_m, direction, query="OCCLUDED") >= 0


@dataclass(frozen=True)
class ActorRays:
    """The rays that may hit a moving thing: they are cast in its own frame, so that its triangles are built only once."""

    actor: int
    rows: np.ndarray  # (R,) indices of rays
    position_m: np.ndarray  # (3,) or (R, 3): where the thing is when the ray flies
    rotation: np.ndarray  # (3, 3)


class Scene:
    """A world that rays can be cast into."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._static = Part(world.static)
        self._actors = [Part(actor.mesh) for actor in world.actors]
        # A ball about each actor's frame that holds its mesh.
        self.actor_radius_m = np.array([np.linalg.norm(actor.mesh.corners_m, axis=-1).max() for actor in world.actors])
        self.actor_corners_m = [_box_corners(actor.mesh) for actor in world.actors]

    def moving_shade(self, time_s: float) -> Part:
        """What throws the shadows of everything that moves, where it is at that time."""
        positions, rotations = self.actor_poses(time_s)
        placed = [actor.mesh.placed(p, r) for actor, p, r in zip(self.world.actors, positions, rotations, strict=True)]
        return Part(merged(placed))

    def actor_poses(self, time_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Positions (A, 3) and rotations (A, 3, 3) of everything that moves, at that time."""
        return actor_poses(self.world.plan, self.world.actors, time_s)

    def cast(
        self, origin_m: np.ndarray, direction: np.ndarray, max_range_m: float, moving: Iterable[ActorRays]
    ) -> Hits:
        """First hits of rays (N, 3), (N, 3) float32 unit vectors."""
        count = len(origin_m)
        hits = Hits(
            np.full(count, np.inf, np.float32), np.full(count, 255, np.uint8), np.zeros(count, np.uint8), np.zeros((count, 3), np.uint8),
            np.zeros((count, 3), np.float32), np.zeros((count, 2), np.float32), np.zeros(count, np.uint8),
        )  # fmt: skip
        _take_nearer(hits, np.arange(count), self._static, origin_m, direction, max_range_m, None)
        for rays in moving:
            local = rays.rotation.astype(np.float32)
            near = (origin_m[rays.rows] - rays.position_m.astype(np.float32)) @ local
            _take_nearer(
                hits, rays.rows, self._actors[rays.actor], near, direction[rays.rows] @ local, max_range_m, local
            )
        self._add_paint(hits)
        return hits

    def lit(self, hits: Hits, origin_m: np.ndarray, direction: np.ndarray, shadows: Part) -> np.ndarray:
        """(N,) bool: whether the sun reaches what the rays hit."""
        sun = self.world.sun_direction.astype(np.float32)
        lit = np.isfinite(hits.range_m) & (hits.normal @ sun > 0)
        rows = np.flatnonzero(lit)
        point = origin_m[rows] + hits.range_m[rows, None] * direction[rows] + 0.02 * hits.normal[rows] + 0.01 * sun
        towards = np.tile(sun, (len(rows), 1))
        lit[rows] = ~(self._static.blocked(point, towards) | shadows.blocked(point, towards))
        return lit

    def _add_paint(self, hits: Hits) -> None:
        road = np.flatnonzero(hits.class_id == DRIVEABLE_SURFACE)
        paint = self.world.paint
        row = (hits.uv_m[road, 0] / PAINT_CELL_M).astype(np.int64)
        column = ((hits.uv_m[road, 1] + PAINT_REACH_M) / PAINT_CELL_M).astype(np.int64)
        inside = (row >= 0) & (row < paint.shape[0]) & (column >= 0) & (column < paint.shape[1])
        hits.paint[road[inside]] = paint[row[inside], column[inside]]


def _take_nearer(
    hits: Hits,
    rows: np.ndarray,
    part: Part,
    origin_m: np.ndarray,
    direction: np.ndarray,
    max_range_m: float,
    rotation: np.ndarray | None,
) -> None:
    """Cast rays `rows` into a part and write what is nearer than before; `rotation` turns normals of the part's frame."""
    found = part.first(origin_m, direction, max_range_m)
    if found is None:
        return
    nearer = np.flatnonzero((found["primID"] >= 0) & (found["tfar"] < hits.range_m[rows]))
    at, face = rows[nearer], found["primID"][nearer]
    normal = found["Ng"][nearer]
    length = np.sqrt(np.einsum("ij,ij->i", normal, normal))
    inward = np.einsum("ij,ij->i", normal, direction[nearer])
    normal *= (-np.sign(inward) / np.maximum(length, 1e-12))[:, None]
    hits.range_m[at] = found["tfar"][nearer]
    hits.normal[at] = normal if rotation is None else normal @ rotation.T
    hits.class_id[at] = part.mesh.class_id[face]
    hits.material[at] = part.mesh.material[face]
    hits.color_rgb[at] = part.mesh.color_rgb[face]
    u, v = found["u"][nearer, None], found["v"][nearer, None]
    corners = part.mesh.uv_m[face]
    hits.uv_m[at] = (1 - u - v) * corners[:, 0] + u * corners[:, 1] + v * corners[:, 2]


def _box_corners(mesh: Mesh) -> np.ndarray:
    """(8, 3) corners of the box around a mesh, in its own frame."""
    low, high = mesh.corners_m.min(axis=(0, 1)), mesh.corners_m.max(axis=(0, 1))
    return np.array(
        [[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])], np.float64
    )
