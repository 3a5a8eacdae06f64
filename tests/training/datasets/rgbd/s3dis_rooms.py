"""Rooms of S3DIS as Stanford publishes them, and images of 2D-3D-S, written to disk."""

import json
from pathlib import Path

import numpy as np

from tests.written.rgbd_scenes import ROOM_M, K, frames, save


def write_room(area: Path, room: str, objects: dict[str, np.ndarray] | None = None) -> Path:
    """A room as Stanford publishes it."""
    annotations = area / room / "Annotations"
    annotations.mkdir(parents=True)
    for name, rows in (objects or {"ceiling_1": np.array([[0.5, 1.0, 2.5, 1, 2, 3]])}).items():
        np.savetxt(annotations / f"{name}.txt", rows, fmt="%.3f %.3f %.3f %d %d %d")
    return annotations


def walls(count: int = 20000) -> np.ndarray:
    """(N, 6) points on the walls of the test room."""
    rng = np.random.default_rng(1)
    rows = np.zeros((count, 6))
    rows[:, :3] = rng.uniform(0, 1, (count, 3)) * ROOM_M
    axis = rng.integers(0, 3, count)
    rows[np.arange(count), axis] = rng.integers(0, 2, count) * ROOM_M[axis]
    return rows


def write_images(area: Path, room: str, T_world: np.ndarray | None = None, count: int = 4) -> None:
    """Images of 2D-3D-S: depth in 1/512 m, poses from the world into the camera, the world moved by T_world."""
    for number, (pose, rgb, depth) in enumerate(frames(count)):
        stem = f"camera_{number:032x}_{room}_frame_{number}_domain"
        save(area / "data" / "rgb" / f"{stem}_rgb.png", rgb)
        save(area / "data" / "depth" / f"{stem}_depth.png", np.rint(depth * 0.512).astype(np.uint16))
        T_world_cam = (np.eye(4) if T_world is None else T_world) @ pose.matrix()
        stored = {
            "camera_k_matrix": K.tolist(),
            "camera_rt_matrix": np.linalg.inv(T_world_cam)[:3].tolist(),
            "camera_location": T_world_cam[:3, 3].tolist(),
        }
        (area / "data" / "pose").mkdir(exist_ok=True)
        (area / "data" / "pose" / f"{stem}_pose.json").write_text(json.dumps(stored))
