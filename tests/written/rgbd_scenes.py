"""A room of 4 x 3 x 2.5 m seen by a depth camera that turns in its middle, in the files of several data sets, for tests."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.geometry.rigid_transform import RigidTransform

ROOM_M = np.array([4.0, 3.0, 2.5])
WALL_RGB = np.array([(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200), (200, 0, 200)], np.uint8)
WIDTH, HEIGHT = 64, 48
K = np.array([[40.0, 0.0, 31.5], [0.0, 40.0, 23.5], [0.0, 0.0, 1.0]])
LOST = np.full((4, 4), -np.inf)
# Camera looking along x of the room: its x is -y of the room, its y is -z.
_T_LEVEL_CAM = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def turned_pose(angle_rad: float) -> RigidTransform:
    """T_room_cam of a camera in the room's middle, turned about z."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return RigidTransform(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ _T_LEVEL_CAM, ROOM_M / 2)


def room_images(T_room_cam: RigidTransform, camera: CameraModel) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 colours of the walls and (H, W) float64 depth in metres."""
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    rays = camera.unproject(np.stack((u.ravel(), v.ravel()), axis=1), np.ones(u.size)) @ T_room_cam.rotation.T
    at = T_room_cam.translation_m
    with np.errstate(divide="ignore"):
        to_wall = np.where(rays > 0, (ROOM_M - at) / rays, -at / rays)  # (P, 3) depth at which each axis ends
    axis = to_wall.argmin(axis=1)
    wall = 2 * axis + (rays[np.arange(len(rays)), axis] > 0)
    return WALL_RGB[wall].reshape(*u.shape, 3), to_wall.min(axis=1).reshape(u.shape)


def frames(count: int, camera: CameraModel | None = None) -> list[tuple[RigidTransform, np.ndarray, np.ndarray]]:
    """Poses, colours and depths in millimetres (uint16) of a turn."""
    camera = camera or CameraModel(WIDTH, HEIGHT, K)
    shots = []
    for number in range(count):
        pose = turned_pose(2 * np.pi * number / count)
        rgb, depth_m = room_images(pose, camera)
        shots.append((pose, rgb, np.rint(1000 * depth_m).astype(np.uint16)))
    return shots


def save(path: Path, image: np.ndarray) -> None:
    """An image file."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_seven_scenes(folder: Path, count: int = 8) -> Path:
    """A scene as 7-Scenes stores it."""
    for number, (pose, rgb, depth) in enumerate(frames(count)):
        stem = folder / f"frame-{number:06d}"
        save(stem.with_suffix(".color.png"), rgb)
        save(stem.with_suffix(".depth.png"), depth)
        np.savetxt(stem.with_suffix(".pose.txt"), pose.matrix())
    np.savetxt(folder / "camera-intrinsics.txt", K)
    return folder


def write_exported(folder: Path, count: int = 8, units_per_m: float = 1000.0) -> Path:
    """A scene as ScanNet's exporter writes it: 4x4 intrinsics, numbers without zeros in front."""
    for number, (pose, rgb, depth) in enumerate(frames(count)):
        save(folder / "color" / f"{number}.png", rgb)
        save(folder / "depth" / f"{number}.png", np.rint(depth * (units_per_m / 1000.0)).astype(np.uint16))
        (folder / "pose").mkdir(exist_ok=True)
        np.savetxt(folder / "pose" / f"{number}.txt", pose.matrix())
    (folder / "intrinsic").mkdir()
    for name in ("intrinsic_color.txt", "intrinsic_depth.txt"):
        matrix = np.eye(4)
        matrix[:3, :3] = K
        np.savetxt(folder / "intrinsic" / name, matrix)
    return folder


def encoded(rgb: np.ndarray, kind: str) -> bytes:
    """A colour image as raw, png or jpeg bytes."""
    from PIL import Image

    if kind == "raw":
        return rgb.tobytes()
    stream = BytesIO()
    Image.fromarray(rgb).save(stream, kind, **({"quality": 95} if kind == "jpeg" else {}))
    return stream.getvalue()


def sens_bytes(
    poses: Sequence[np.ndarray],
    colors: Sequence[np.ndarray],
    depths: Sequence[np.ndarray],
    color_kind: str = "jpeg",
    depth_kind: int = 1,
    version: int = 4,
    intrinsics: np.ndarray = K,
) -> bytes:
    """A .sens file of ScanNet's version 4; depth_kind: 0 raw, 1 zlib; depths uint16."""
    matrix = np.eye(4, dtype="<f4")
    matrix[:3, :3] = intrinsics
    (height, width), (depth_height, depth_width) = colors[0].shape[:2], depths[0].shape
    kinds = ("raw", "png", "jpeg").index(color_kind), depth_kind
    eye = np.eye(4, dtype="<f4").tobytes()
    parts = [struct.pack("<IQ", version, 6), b"sensor", matrix.tobytes(), eye, matrix.tobytes(), eye]
    parts += [struct.pack("<2i4IfQ", *kinds, width, height, depth_width, depth_height, 1000.0, len(poses))]
    for number, (pose, rgb, depth) in enumerate(zip(poses, colors, depths, strict=True)):
        color = encoded(rgb, color_kind)
        stored = depth.astype("<u2").tobytes()
        stored = zlib.compress(stored) if depth_kind == 1 else stored
        stamps = (1000 * number, 1000 * number + 7)
        parts += [
            np.asarray(pose, "<f4").tobytes(),
            struct.pack("<4Q", *stamps, len(color), len(stored)),
            color,
            stored,
        ]
    return b"".join([*parts, struct.pack("<Q", 0)])  # no measurements of the motion sensor
