"""RGB-D images of a synthetic room from a walk through it: colour, depth, and what each pixel shows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.rooms.layout import Room
from offline_training.synthetic.rooms.light import Surface, room_light
from offline_training.synthetic.rooms.shot import RoomPicture, room_camera
from offline_training.synthetic.sensors.scene import Part
from offline_training.synthetic.sensors.shading import to_bytes
from offline_training.synthetic.world.meshes import merged

_FAR_M = 50.0
_CELL_M = 0.2
_NEAREST_M = 0.7  # a view with less than this before most of its pixels shows too little
_TRIES = 12  # places for each view until one is not too near; the last is taken as it is
_EXTRA_SAMPLES = np.array([[-0.33, -0.12], [0.12, -0.33], [0.25, 0.3]])
_EXPOSED_LIGHT = 0.3  # linear light that the middle pixel of an image is brought to


class RoomScene:
    """A room that rays can be cast into."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.part = Part(merged(room.things))
        self.shadows = Part(merged(room.shell + room.furniture))  # lamps stand in nobody's light
        self.instance_of_face = np.repeat(
            np.arange(1, len(room.things) + 1, dtype=np.uint16), [len(mesh) for mesh in room.things]
        )


def walk(scene: RoomScene, views: int, rng: np.random.Generator) -> Iterator[RigidTransform]:
    """T_room_cam of each view: a round through the free parts of the room, looking across it and about."""
    free = _free_places(scene.room)
    start, turn = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    reach = scene.room.size_m[:2] / 2
    probe = room_camera(16)
    middles = _middles(scene.room, rng)
    for number in range(views):
        angle = start + turn * 2 * np.pi * number / views
        for _ in range(_TRIES):
            wish = reach * rng.uniform(0.35, 0.8) * [np.cos(angle), np.sin(angle)]
            place = free[np.argmin(np.linalg.norm(free - wish, axis=1))] + rng.uniform(-0.08, 0.08, 2)
            eye = np.append(place, rng.uniform(1.25, 1.7))
            target = _target(eye, angle + np.pi, reach, middles, number, rng)
            T_room_cam = _looking(eye, target, roll_rad=rng.normal(0, 0.04))
            if np.median(_cast(scene, probe, T_room_cam, *_pixels(probe)).depth_m) > _NEAREST_M:
                break
        yield T_room_cam


def _target(
    eye_m: np.ndarray,
    across_rad: float,
    reach_m: np.ndarray,
    middles_m: np.ndarray,
    number: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """(3,) what view `number` looks at: across the room, or at a thing; every third view takes the things in turn."""
    angle = across_rad + rng.normal(0, 0.75)
    target = np.append(reach_m * rng.uniform(0.4, 1.0) * [np.cos(angle), np.sin(angle)], rng.uniform(0.2, 2.2))
    thing = middles_m[rng.integers(len(middles_m))] if number % 3 else middles_m[number // 3 % len(middles_m)]
    if rng.random() < 0.6 and np.linalg.norm((thing - eye_m)[:2]) > 1.2:
        target = thing + rng.normal(0, 0.15, 3)
    if np.linalg.norm((target - eye_m)[:2]) < 0.3:  # a camera that looks straight down does not know what is up
        target[:2] = np.where(eye_m[:2] < 0, reach_m, -reach_m)
    return target


def take_picture(
    scene: RoomScene, camera: CameraModel, T_room_cam: RigidTransform, rng: np.random.Generator
) -> RoomPicture:
    """One image; pixels on the rims of things get the mean of four rays."""
    u, v = _pixels(camera)
    seen = _cast(scene, camera, T_room_cam, u, v)
    light = _light_of(scene, seen, rng)
    shape = (camera.height, camera.width)
    rim = np.flatnonzero(_rims(seen, shape))
    for du, dv in _EXTRA_SAMPLES:
        light[rim] += _light_of(scene, _cast(scene, camera, T_room_cam, u[rim] + du, v[rim] + dv), rng)
    light[rim] /= len(_EXTRA_SAMPLES) + 1
    exposed = light * np.float32(_EXPOSED_LIGHT / max(float(np.median(light.mean(axis=1))), 1e-3))
    noisy = to_bytes(exposed) + rng.normal(0, 1.5, (len(light), 3))
    return RoomPicture(
        np.clip(np.round(noisy), 0, 255).astype(np.uint8).reshape(*shape, 3),
        seen.depth_m.reshape(shape),
        scene.part.mesh.class_id[seen.face].reshape(shape),
        scene.instance_of_face[seen.face].reshape(shape),
        seen.slant.reshape(shape),
    )


_NO_RAYS = {
    "primID": np.zeros(0, np.int32),
    "tfar": np.zeros(0, np.float32),
    "Ng": np.zeros((0, 3), np.float32),
    "u": np.zeros(0, np.float32),
    "v": np.zeros(0, np.float32),
}


@dataclass(frozen=True)
class _Seen:
    """What the rays of some pixels met; a room is closed, so each meets something."""

    point_m: np.ndarray  # (N, 3) in the room's frame
    normal: np.ndarray  # (N, 3) unit, towards the camera
    depth_m: np.ndarray  # (N,) float32
    slant: np.ndarray  # (N,) float32
    face: np.ndarray  # (N,) int64
    uv: np.ndarray  # (N, 2) texture coordinates


def _cast(scene: RoomScene, camera: CameraModel, T_room_cam: RigidTransform, u: np.ndarray, v: np.ndarray) -> _Seen:
    K = camera.K
    ray = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones(len(u))], axis=1)
    length = np.linalg.norm(ray, axis=1)
    direction = ((ray / length[:, None]) @ T_room_cam.rotation.T).astype(np.float32)
    origin = np.tile(T_room_cam.translation_m.astype(np.float32), (len(u), 1))
    found = scene.part.first(origin, direction, _FAR_M) or _NO_RAYS
    face = np.maximum(found["primID"], 0).astype(np.int64)
    normal = found["Ng"] / np.maximum(np.linalg.norm(found["Ng"], axis=1, keepdims=True), 1e-12)
    inward = np.einsum("ij,ij->i", normal, direction)
    normal = normal * -np.sign(inward)[:, None]
    corners, a, b = scene.part.mesh.uv_m[face], found["u"][:, None], found["v"][:, None]
    uv = (1 - a - b) * corners[:, 0] + a * corners[:, 1] + b * corners[:, 2]
    point = origin + found["tfar"][:, None] * direction
    return _Seen(point, normal, (found["tfar"] / length).astype(np.float32), np.abs(inward), face, uv)


def _light_of(scene: RoomScene, seen: _Seen, rng: np.random.Generator) -> np.ndarray:
    mesh = scene.part.mesh
    surface = Surface(mesh.color_rgb[seen.face], mesh.material[seen.face], seen.uv)
    return room_light(scene.room, scene.shadows, surface, seen.point_m, seen.normal, rng)


def _pixels(camera: CameraModel) -> tuple[np.ndarray, np.ndarray]:
    v, u = (index.ravel().astype(np.float64) for index in np.indices((camera.height, camera.width)))
    return u, v


def _rims(seen: _Seen, shape: tuple[int, int]) -> np.ndarray:
    """(N,) bool: pixels whose neighbour shows another face with another normal or depth."""
    face, normal = seen.face.reshape(shape), seen.normal.reshape(*shape, 3)
    inverse_depth = 1.0 / np.maximum(seen.depth_m.reshape(shape), 0.05)
    rim = np.zeros(shape, bool)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        bent = np.einsum("ijk,ijk->ij", normal[one], normal[other]) < 0.98
        apart = np.abs(inverse_depth[one] - inverse_depth[other]) > 0.02
        differs = (face[one] != face[other]) & (bent | apart)
        rim[one] |= differs
        rim[other] |= differs
    return rim.ravel()


def _free_places(room: Room) -> np.ndarray:
    """(M, 2) places 0.45 m from the walls where a held camera is 0.35 m from everything as tall as it."""
    half = room.size_m[:2] / 2 - 0.45
    x, y = np.meshgrid(*(np.arange(-side, side + 1e-6, _CELL_M) for side in half), indexing="ij")
    places = np.stack([x.ravel(), y.ravel()], axis=1)
    free = np.ones(len(places), bool)
    for mesh in room.furniture:
        low, high = mesh.corners_m.min(axis=(0, 1)), mesh.corners_m.max(axis=(0, 1))
        if high[2] > 1.1 and low[2] < 1.8:
            free &= ((places < low[:2] - 0.35) | (places > high[:2] + 0.35)).any(axis=1)
    return places[free] if free.any() else np.zeros((1, 2))


def _middles(room: Room, rng: np.random.Generator) -> np.ndarray:
    """(M, 3) middles of all that stands or hangs in the room, in random order; its own middle when it is empty."""
    middles = [mesh.corners_m.mean(axis=(0, 1), dtype=np.float64) for mesh in room.furniture]
    return rng.permutation(np.array(middles)) if middles else np.array([[0.0, 0.0, 1.0]])


def _looking(eye_m: np.ndarray, target_m: np.ndarray, roll_rad: float) -> RigidTransform:
    """T_room_cam of a camera at `eye_m` that looks at `target_m`, turned by `roll_rad` about its axis."""
    forward = target_m - eye_m
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll_rad), np.sin(roll_rad)
    return RigidTransform(np.stack([c * right + s * down, c * down - s * right, forward], axis=1), eye_m)
