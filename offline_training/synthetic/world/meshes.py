"""Triangle meshes of the synthetic world and the shapes they are put together from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import ParamSpec

import numpy as np

Color = tuple[int, int, int]
Vector = Sequence[float] | np.ndarray
P = ParamSpec("P")


@dataclass(frozen=True, eq=False)
class Thing:
    """One object that a detector should find, as the box about its own surfaces in the frame of the mesh it is part of."""

    class_id: int  # of nuScenes' 16 classes, as the surfaces have it
    center_m: np.ndarray  # (3,) float64
    size_m: np.ndarray  # (3,) float64: length, width, height
    rotation: np.ndarray  # (3, 3) float64, its x axis is the heading

    def placed(self, xyz_m: np.ndarray, rotation: np.ndarray) -> "Thing":
        """The same thing rotated by a rotation (3, 3), then moved by `xyz_m`."""
        return replace(self, center_m=rotation @ self.center_m + xyz_m, rotation=rotation @ self.rotation)


@dataclass(frozen=True)
class Mesh:
    """A soup of triangles, each with its own class, material and colour."""

    corners_m: np.ndarray  # (F, 3, 3) float32
    uv_m: np.ndarray  # (F, 3, 2) float32: texture coordinates in metres; zeros where the texture needs none
    class_id: np.ndarray  # (F,) uint8
    material: np.ndarray  # (F,) uint8
    color_rgb: np.ndarray  # (F, 3) uint8
    things: tuple[Thing, ...] = ()  # the objects among them that a detector should find

    def __len__(self) -> int:
        return len(self.corners_m)

    def placed(self, xyz_m: Vector, rotation: np.ndarray) -> "Mesh":
        """The same mesh rotated by `rotation` (3, 3), then moved by `xyz_m`."""
        moved = self.corners_m @ rotation.T.astype(np.float32) + np.asarray(xyz_m, np.float32)
        things = tuple(thing.placed(np.asarray(xyz_m, np.float64), rotation) for thing in self.things)
        return replace(self, corners_m=moved, things=things)

    def with_class(self, class_id: int) -> "Mesh":
        """The same mesh as a member of one class."""
        return replace(self, class_id=np.full_like(self.class_id, class_id), things=())


def surface(corners_m: np.ndarray, class_id: int, material: int, color: Color, uv_m: np.ndarray | None = None) -> Mesh:
    """A mesh of one class, one material and one colour. corners_m: (F, 3, 3)."""
    count = len(corners_m)
    return Mesh(
        corners_m.astype(np.float32),
        np.zeros((count, 3, 2), np.float32) if uv_m is None else uv_m.astype(np.float32),
        np.full(count, class_id, np.uint8),
        np.full(count, material, np.uint8),
        np.tile(np.array(color, np.uint8), (count, 1)),
    )


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """All triangles of several meshes, in their order."""
    if not meshes:
        return surface(np.zeros((0, 3, 3)), 255, 0, (0, 0, 0))
    return Mesh(
        np.concatenate([mesh.corners_m for mesh in meshes]),
        np.concatenate([mesh.uv_m for mesh in meshes]),
        np.concatenate([mesh.class_id for mesh in meshes]),
        np.concatenate([mesh.material for mesh in meshes]),
        np.concatenate([mesh.color_rgb for mesh in meshes]),
        tuple(thing for mesh in meshes for thing in mesh.things),
    )


def thing_about(corners_m: np.ndarray, class_id: int, heads_across: bool = False) -> Thing:
    """The thing whose surfaces have these corners (F, 3, 3), in its own frame: heading along x.

    heads_across: along y instead, as nuScenes' barriers are drawn, whose width is their longer side.
    """
    low, high = corners_m.min(axis=(0, 1)).astype(np.float64), corners_m.max(axis=(0, 1)).astype(np.float64)
    size = high - low
    if heads_across:
        turned = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        return Thing(class_id, (low + high) / 2, size[[1, 0, 2]], turned)
    return Thing(class_id, (low + high) / 2, size, np.eye(3))


def one_thing(class_id: int, heads_across: bool = False) -> Callable[[Callable[P, "Mesh"]], Callable[P, "Mesh"]]:
    """Decorate a function that makes one object: its mesh gets a box about all surfaces of the class; see thing_about()."""

    def with_box(make: Callable[P, Mesh]) -> Callable[P, Mesh]:
        @wraps(make)
        def made(*args: P.args, **kwargs: P.kwargs) -> Mesh:
            mesh = make(*args, **kwargs)
            thing = thing_about(mesh.corners_m[mesh.class_id == class_id], class_id, heads_across)
            return replace(mesh, things=(thing,))

        return made

    return with_box


def yaw_rotation(yaw_rad: float) -> np.ndarray:
    """(3, 3) rotation about z."""
    c, s = np.cos(yaw_rad), np.sin(yaw_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def quads(corners_m: np.ndarray) -> np.ndarray:
    """(n, 4, 3) quadrilaterals, corners in turn -> (2n, 3, 3) triangles."""
    corners_m = np.asarray(corners_m, np.float64)
    return corners_m[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, corners_m.shape[-1])


_BOX_FACES = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])
_BOX_SIGNS = np.array([[x, y, z] for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])


def boxes(center_m: np.ndarray, size_m: np.ndarray) -> np.ndarray:
    """(n, 3) centres and (n, 3) sizes -> (12n, 3, 3) triangles, axes along the frame's."""
    center_m, size_m = np.atleast_2d(center_m), np.atleast_2d(size_m)
    points = center_m[:, None] + _BOX_SIGNS * size_m[:, None]
    return quads(points[:, _BOX_FACES].reshape(-1, 4, 3))


def box(center_m: Vector, size_m: Vector) -> np.ndarray:
    """One box -> (12, 3, 3)."""
    return boxes(np.array([center_m], float), np.array([size_m], float))


def rings_to_triangles(rings_m: np.ndarray, closed: bool = True) -> np.ndarray:
    """Walls between consecutive rings (R, P, 3); with `closed` both ends get a fan around their middle."""
    nxt = np.roll(rings_m, -1, axis=1)
    walls = quads(np.stack([rings_m[:-1], nxt[:-1], nxt[1:], rings_m[1:]], axis=2).reshape(-1, 4, 3))
    if not closed:
        return walls
    ends = []
    for ring, after in ((rings_m[0], nxt[0]), (rings_m[-1], nxt[-1])):
        middle = np.broadcast_to(ring.mean(axis=0), ring.shape)
        ends.append(np.stack([middle, ring, after], axis=1))
    return np.concatenate([walls, *ends])


def tube(
    start_m: Vector, end_m: Vector, radius_m: float, end_radius_m: float | None = None, sides: int = 8
) -> np.ndarray:
    """(T, 3, 3) corners of a closed round bar, tapering when `end_radius_m` is given."""
    start, end = np.asarray(start_m, float), np.asarray(end_m, float)
    axis = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.8 else np.array([0.0, 1.0, 0.0])
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side)
    up = np.cross(axis, side)
    angle = np.arange(sides) * (2 * np.pi / sides)
    circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up
    last = radius_m if end_radius_m is None else end_radius_m
    return rings_to_triangles(np.stack([start + radius_m * circle, end + last * circle]))


def ball(
    center_m: Vector,
    radius_m: Vector,
    sides: int = 8,
    levels: int = 5,
    wobble: np.ndarray | None = None,
) -> np.ndarray:
    """An ellipsoid; `wobble` (levels, sides) scales its radius from place to place."""
    latitude = np.linspace(-0.5 * np.pi * 0.98, 0.5 * np.pi * 0.98, levels)
    angle = np.arange(sides) * (2 * np.pi / sides)
    unit = np.stack(
        [
            np.cos(latitude)[:, None] * np.cos(angle),
            np.cos(latitude)[:, None] * np.sin(angle),
            np.repeat(np.sin(latitude)[:, None], sides, axis=1),
        ],
        axis=-1,
    )
    if wobble is not None:
        unit = unit * wobble[..., None]
    return rings_to_triangles(np.asarray(center_m, float) + unit * np.asarray(radius_m, float))


def extruded(profile_xz_m: np.ndarray, stations_y_m: Sequence[float], scales: Sequence[float]) -> np.ndarray:
    """A side view (P, 2) drawn out across y; each station's outline is scaled about the outline's middle."""
    middle = profile_xz_m.mean(axis=0)
    rings = []
    for y, scale in zip(stations_y_m, scales, strict=True):
        outline = middle + (profile_xz_m - middle) * scale
        rings.append(np.stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]], axis=1))
    return rings_to_triangles(np.stack(rings))


def frustum(bottom: Sequence[float], top: Sequence[float]) -> np.ndarray:
    """Sides and roof of a hip body as (5, 4, 3): rear, right, front, left, roof. bottom, top: (x0, x1, half width, z)."""
    x0, x1, w, z = bottom
    u0, u1, v, t = top
    low = np.array([[x0, w, z], [x0, -w, z], [x1, -w, z], [x1, w, z]], float)
    high = np.array([[u0, v, t], [u0, -v, t], [u1, -v, t], [u1, v, t]], float)
    sides = [np.stack([low[i], low[(i + 1) % 4], high[(i + 1) % 4], high[i]]) for i in range(4)]
    return np.stack([*sides, high[::-1]])


def panel(quad_m: np.ndarray, u: tuple[float, float], v: tuple[float, float], offset_m: float = 0.015) -> np.ndarray:
    """A part of a quadrilateral (4, 3), u along its first edge and v up, lifted off it -> (2, 3, 3)."""
    origin, right, across, up = quad_m
    normal = np.cross(right - origin, up - origin)
    normal = normal / max(float(np.linalg.norm(normal)), 1e-9)

    def at(a: float, b: float) -> np.ndarray:
        return (1 - b) * ((1 - a) * origin + a * right) + b * ((1 - a) * up + a * across) + offset_m * normal

    return quads(np.stack([at(u[0], v[0]), at(u[1], v[0]), at(u[1], v[1]), at(u[0], v[1])])[None])


def leaf_cloud(rng: np.random.Generator, center_m: np.ndarray, size_m: float) -> np.ndarray:
    """One small, randomly turned triangle at each centre (n, 3) -> (n, 3, 3)."""
    offset = rng.normal(size=(len(center_m), 3, 3))
    offset /= np.linalg.norm(offset, axis=-1, keepdims=True)
    return center_m[:, None] + offset * size_m * rng.uniform(0.6, 1.3, (len(center_m), 1, 1))


def shaded_like(mesh: Mesh, rng: np.random.Generator, spread: float) -> Mesh:
    """The same mesh with a random brightness per triangle, +-spread."""
    factor = 1.0 + rng.uniform(-spread, spread, (len(mesh), 1))
    color = np.clip(mesh.color_rgb * factor, 0, 255).astype(np.uint8)
    return Mesh(mesh.corners_m, mesh.uv_m, mesh.class_id, mesh.material, color)
