"""RGB-D pictures of a synthetic room: frames with poses as 7-Scenes stores them, and one picture as NYU Depth V2 has it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.rooms.camera import RoomScene, room_camera, take_picture
from offline_training.synthetic.rooms.cloud import measured_depth
from offline_training.synthetic.rooms.layout import build_room
from tests.data.makers.street import save_picture

_SEED = 5
_FRAMES, _FRAME_STEP = 20, 25
_WIDTH = 160
# Ids of NYU's masks of 13 classes for the classes of the synthetic rooms.
_NYU13 = {
    "bed": 1, "bookshelf": 6, "cabinet": 6, "ceiling": 3, "chair": 4, "door": 6, "floor": 5, "person": 7, "picture": 8,
    "plant": 7, "sofa": 9, "table": 10, "wall": 12, "window": 13,
}  # fmt: skip
_NYU_K = np.array([[518.858, 0.0, 325.582], [0.0, 519.470, 253.736], [0.0, 0.0, 1.0]])
_NYU_CORNER_PX = (240, 180)  # width and height of the upper left part of the picture that is kept


def write_seven_scenes(folder: Path) -> None:
    """A slow way through the room: colour, depth in millimetres, pose and intrinsics."""
    scene, camera = RoomScene(build_room(_SEED)), room_camera(_WIDTH)
    for number, T_room_cam in enumerate(_way()):
        rng = np.random.default_rng([_SEED, number])
        picture = take_picture(scene, camera, T_room_cam, rng)
        stem = folder / f"frame-{number * _FRAME_STEP:06}"
        save_picture(stem.with_suffix(".color.jpg"), picture.rgb)
        save_picture(stem.with_suffix(".depth.png"), _millimetres(measured_depth(picture, noise=True, rng=rng)))
        np.savetxt(stem.with_suffix(".pose.txt"), T_room_cam.matrix())
    np.savetxt(folder / "camera-intrinsics.txt", camera.K)


def write_nyu_picture(folder: Path) -> None:
    """The upper left part of a picture of NYU's camera, so that the file is small and the intrinsics are NYU's."""
    rng = np.random.default_rng(_SEED)
    camera = CameraModel(*_NYU_CORNER_PX, _NYU_K)
    picture = take_picture(RoomScene(build_room(_SEED)), camera, next(_way()), rng)
    names = class_table("synthetic_rooms").names
    ids = np.zeros(256, np.uint8)
    ids[: len(names)] = [_NYU13[name] for name in names]
    save_picture(folder / "0002_rgb.png", picture.rgb)
    save_picture(folder / "0002_label13.png", ids[picture.class_id])
    save_picture(folder / "0002_depth_mm.png", _millimetres(measured_depth(picture, noise=True, rng=rng)))


def _millimetres(depth_m: np.ndarray) -> np.ndarray:
    return np.rint(1000 * depth_m).astype(np.uint16)


def _way() -> Iterator[RigidTransform]:
    """T_room_cam along an arc, looking at the middle of the room."""
    for angle in np.linspace(0.3, 2.2, _FRAMES):
        yield _looking(np.array([1.3 * np.cos(angle), 1.1 * np.sin(angle), 1.5]), np.array([-0.8, -0.6, 0.7]))


def _looking(eye_m: np.ndarray, target_m: np.ndarray) -> RigidTransform:
    forward = (target_m - eye_m) / np.linalg.norm(target_m - eye_m)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return RigidTransform(np.stack([right, np.cross(forward, right), forward], axis=1), eye_m)
