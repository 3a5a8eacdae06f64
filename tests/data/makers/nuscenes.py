"""A key frame of nuScenes' sensors with boxes, and labelled range images of such a LiDAR."""

import json
from pathlib import Path

import numpy as np

from offline_training.datasets.base.sample import T_FLU_RFU
from offline_training.synthetic.sensors.drive import SyntheticDrive, SyntheticFrame
from offline_training.synthetic.world.meshes import Mesh
from tests.data.makers.street import STREET, camera_pose, places, save_picture, street

_FRAME = 4
_RANGE_FRAMES = (0, 8)
_COLUMNS = 256
# Classes of the labelled range images: 0 road, 1 sidewalk, 2 building, 3 pole, 4 vegetation, 5 person, 6 two-wheeler,
# 7 car, 8 truck, 9 bus, 10 none.
_RANGE_CLASS = {
    "driveable_surface": 0, "other_flat": 1, "sidewalk": 1, "manmade": 2, "barrier": 2, "vegetation": 4, "terrain": 4,
    "pedestrian": 5, "bicycle": 6, "motorcycle": 6, "car": 7, "truck": 8, "trailer": 8, "construction_vehicle": 8, "bus": 9,
}  # fmt: skip
_BUILDING, _POLE, _NONE = 2, 3, 10


def write_nuscenes_frame(folder: Path) -> None:
    """frame.json beside the sweep and six pictures, in nuScenes' frames: the LiDAR's x is right, y forward."""
    drive = street("hdl32", _COLUMNS, 320)
    frame = drive.frame(_FRAME)
    folder.mkdir(parents=True)
    cloud, T_base_rfu = frame.cloud, drive.lidar.T_base_lidar() @ T_FLU_RFU
    rows = np.column_stack([
        places(T_FLU_RFU.inverse().apply(cloud.xyz_m)), np.round(255 * cloud.intensity), cloud.extra["ring"],
    ]).astype(np.float32)  # fmt: skip
    rows.tofile(folder / "street__LIDAR_TOP.pcd.bin")
    cameras = {}
    for view in frame.views:
        channel = f"CAM_{view.name.upper()}"
        save_picture(folder / f"street__{channel}.jpg", view.rgb)
        cameras[channel] = {
            "file": f"street__{channel}.jpg", "width": view.camera.width, "height": view.camera.height,
            "K": view.camera.K.tolist(), "lidar2cam": (view.T_cam_lidar @ T_FLU_RFU).matrix().tolist(),
            "cam2ego": (view.T_world_base.inverse() @ camera_pose(frame, view)).matrix().tolist(),
            "timestamp_s": view.stamp_ns / 1e9,
        }  # fmt: skip
    content = {
        "dataset": "synthetic street in the form of nuScenes", "timestamp_s": cloud.stamp_ns / 1e9,
        "ego2global_at_lidar": frame.T_world_base.matrix().tolist(),
        "lidar": {
            "file": "street__LIDAR_TOP.pcd.bin", "columns": ["x", "y", "z", "intensity", "ring"], "dtype": "float32",
            "lidar2ego": T_base_rfu.matrix().tolist(),
        },
        "cameras": cameras, "boxes": _boxes(drive, frame, rows[:, :3]),
    }  # fmt: skip
    (folder / "frame.json").write_text(json.dumps(content, indent=1))


def _boxes(drive: SyntheticDrive, frame: SyntheticFrame, xyz_rfu_m: np.ndarray) -> list[dict]:
    """The boxes of the moving things that the sweep met, with the number of points in each."""
    scene, end_s = drive._scene, (_FRAME + 1) / drive.rate_hz
    T_rfu_world = (frame.T_world_lidar @ T_FLU_RFU).inverse()
    boxes = []
    for actor, position, rotation in zip(scene.world.actors, *scene.actor_poses(end_s), strict=True):
        box = _box(actor.mesh, T_rfu_world.apply(position), T_rfu_world.rotation @ rotation)
        box["num_lidar_pts"] = _count(box, xyz_rfu_m)
        if box["num_lidar_pts"]:
            boxes.append(box)
    return boxes


def _box(mesh: Mesh, position_m: np.ndarray, rotation: np.ndarray) -> dict:
    corners = mesh.corners_m.reshape(-1, 3)
    low, high = corners.min(axis=0) - 0.1, corners.max(axis=0) + 0.1
    return {
        "center": (position_m + rotation @ ((low + high) / 2)).tolist(), "lwh": (high - low).tolist(),
        "yaw": float(np.arctan2(rotation[1, 0], rotation[0, 0])),
    }  # fmt: skip


def _count(box: dict, xyz_m: np.ndarray) -> int:
    """By angle and distance from the middle, so as not to repeat the arithmetic of whoever checks it."""
    off = xyz_m.astype(np.float64) - box["center"]
    distance, angle = np.hypot(off[:, 0], off[:, 1]), np.arctan2(off[:, 1], off[:, 0]) - box["yaw"]
    length, width, height = np.array(box["lwh"]) / 2
    inside = (np.abs(distance * np.cos(angle)) <= length) & (np.abs(distance * np.sin(angle)) <= width)
    return int((inside & (np.abs(off[:, 2]) <= height)).sum())


def write_range_images(folder: Path) -> None:
    """Sweeps as images of 32 rings, the top one first."""
    folder.mkdir(parents=True)
    drive = street("hdl32", _COLUMNS, 320)
    for number, frame in enumerate(_RANGE_FRAMES):
        np.savez_compressed(folder / f"{number:06}.npz", **_range_image(drive, drive.frame(frame, cameras=False)))


def _range_image(drive: SyntheticDrive, frame: SyntheticFrame) -> dict[str, np.ndarray]:
    cloud, rings = frame.cloud, len(drive.lidar.elevation_deg)
    row = rings - 1 - cloud.extra["ring"].astype(int)
    share = 1.0 + cloud.extra["time"] * drive.lidar.rate_hz  # of the turn
    column = np.clip(np.round(share * _COLUMNS).astype(int) - 1, 0, _COLUMNS - 1)
    ids = np.full(256, _NONE, np.uint8)
    for name, value in _RANGE_CLASS.items():
        ids[STREET.id_of(name)] = value
    xyz_m, intensity = np.zeros((rings, _COLUMNS, 3), np.float32), np.zeros((rings, _COLUMNS), np.float32)
    label = np.full((rings, _COLUMNS), _NONE, np.uint8)
    xyz_m[row, column], intensity[row, column] = places(cloud.xyz_m), np.round(255 * cloud.intensity)
    label[row, column] = ids[cloud.extra["label"]]
    depth_m = np.linalg.norm(xyz_m, axis=2)
    return {"xyz": xyz_m, "intensity": intensity, "depth": depth_m, "label": _with_poles(label)}


def _with_poles(label: np.ndarray) -> np.ndarray:
    """What is built and only one column wide is called a pole."""
    built = label == _BUILDING
    narrow = built & ~np.roll(built, 1, axis=1) & ~np.roll(built, -1, axis=1)
    return np.where(narrow, _POLE, label).astype(np.uint8)
