"""Scenes of ScanNet written to disk: a recording of the test room, and a mesh of its walls with labels."""

from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.ply import ply_bytes
from tests.written.rgbd_scenes import ROOM_M, frames, sens_bytes

POINTS = 40
RAW = np.resize(np.array([0, 1, 2, 14, 39, 40, 13, 36], np.uint16), POINTS)
CLASSES = np.resize(np.array([255, 0, 1, 12, 19, 255, 255, 18], np.uint8), POINTS)


def write_sens(path: Path, count: int = 4, **kinds: object) -> list:
    shots = frames(count)
    path.parent.mkdir(parents=True, exist_ok=True)
    poses, colors, depths = zip(*shots, strict=True)
    path.write_bytes(sens_bytes([pose.matrix() for pose in poses], colors, depths, **kinds))
    return shots


def write_scene(scene: Path, labels: bool = True, points: int = POINTS) -> Path:
    """The mesh of a scene, with points on the walls of the room."""
    scene.mkdir(parents=True)
    rng = np.random.default_rng(0)
    xyz_m = (rng.uniform(0, 1, (points, 3)) * ROOM_M).astype(np.float32)
    axis = rng.integers(0, 3, points)
    xyz_m[np.arange(points), axis] = rng.integers(0, 2, points) * ROOM_M[axis]
    columns = {name: xyz_m[:, k] for k, name in enumerate("xyz")}
    columns |= {name: np.full(points, 50 * k, np.uint8) for k, name in enumerate(("red", "green", "blue", "alpha"))}
    (scene / f"{scene.name}_vh_clean_2.ply").write_bytes(ply_bytes(columns))
    if labels:
        (scene / f"{scene.name}_vh_clean_2.labels.ply").write_bytes(
            ply_bytes({**columns, "label": np.resize(RAW, points)})
        )
    return scene
