"""Small folders with boxes in the formats of real data sets, written from the descriptions of their authors, for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.geometry.rigid_transform import RigidTransform

# A camera that looks ahead from the Velodyne's place: optical z = x, x = -y, y = -z.
KITTI_CALIB = (
    "P2: 700 0 320 0 0 700 180 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
)
# 10 m ahead of the Velodyne, standing 1.7 m below it, heading along its x: 4 m long, 1.6 m wide, 1.5 m high.
KITTI_CAR = "Car 0.00 0 0.00 200.0 100.0 420.0 300.0 1.50 1.60 4.00 0.00 1.70 10.00 -1.5707963"
KITTI_DONT_CARE = "DontCare -1 -1 -10 500.0 170.0 520.0 190.0 -1 -1 -1 -1000 -1000 -1000 -10"


def write_kitti_object(
    folder: Path, labels: Mapping[str, Sequence[str]], lists: Mapping[str, Sequence[str]] | None = None
) -> Path:
    """training/ with a scan for each name: 40 points in the place of KITTI_CAR, 40 behind the sensor. lists: of ImageSets/."""
    from PIL import Image

    training = folder / "training"
    for part in ("velodyne", "calib", "image_2", "label_2"):
        (training / part).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    ahead = rng.uniform((8.1, -0.7, -1.6), (11.9, 0.7, -0.3), (40, 3))
    points = np.column_stack([np.concatenate([ahead, ahead * (-1, 1, 1)]), np.linspace(0, 1, 80)])
    for scan, lines in labels.items():
        points.astype(np.float32).tofile(training / "velodyne" / f"{scan}.bin")
        (training / "calib" / f"{scan}.txt").write_text(KITTI_CALIB)
        (training / "label_2" / f"{scan}.txt").write_text("".join(f"{line}\n" for line in lines))
        Image.new("RGB", (640, 360)).save(training / "image_2" / f"{scan}.png")
    for name, scans in (lists or {}).items():
        (folder / "ImageSets").mkdir(exist_ok=True)
        (folder / "ImageSets" / f"{name}.txt").write_text("".join(f"{scan}\n" for scan in scans))
    return folder


def cuboid(uuid: str, position: Sequence[float], label: str = "Car", **values: object) -> dict[str, object]:
    """A row of PandaSet's cuboids, 2 m wide, 5 m long, 1.5 m high, for both LiDARs."""
    row: dict[str, object] = {
        "uuid": uuid, "label": label, "yaw": 0.0, "stationary": False, "camera_used": -1,
        "position_x": position[0], "position_y": position[1], "position_z": position[2],
        "dimensions_x": 2.0, "dimensions_y": 5.0, "dimensions_z": 1.5,
        "cuboids_sibling_id": "-", "cuboids_sensor_id": -1,
    }  # fmt: skip
    return row | values


def write_pandaset_boxes(folder: Path, frames: Mapping[str, Sequence[dict[str, object]]]) -> Path:
    """A sequence without cameras' pictures, frames 0.1 s apart, the ego at (10, 20, 0) looking along the world's +y."""
    (folder / "lidar").mkdir(parents=True)
    (folder / "annotations").mkdir()
    upright = {"w": 1.0, "x": 0.0, "y": 0.0, "z": 0.0}
    poses = {}
    for number, (frame, cuboids) in enumerate(frames.items()):
        centers = np.array(
            [[row["position_x"], row["position_y"], row["position_z"]] for row in cuboids] or [[0, 0, 0]]
        )
        xyz = np.repeat(centers.astype(np.float32), 3, axis=0)
        count = len(xyz)
        np.savez(
            folder / "lidar" / f"{frame}.npz", xyz_world=xyz, intensity=np.full(count, 51, np.uint8),
            t=np.zeros(count, np.float32), sensor=np.arange(count, dtype=np.uint8) % 2, label=np.full(count, 13, np.uint8),
        )  # fmt: skip
        (folder / "annotations" / f"{frame}.cuboids.json").write_text(json.dumps(list(cuboids)))
        pose = {"position": {"x": 10.0, "y": 20.0, "z": 0.0}, "heading": upright}
        cameras = {"front_camera": {"timestamp": 5.0, "pose_world": pose}}
        poses[frame] = {"lidar_timestamp": 5.0 + 0.1 * number, "lidar_pose_world": pose, "cameras": cameras}
    intrinsics = {"intrinsics": {"fx": 40.0, "fy": 40.0, "cx": 31.5, "cy": 23.5}, "width": 64, "height": 48}
    (folder / "meta.json").write_text(json.dumps({"frames": poses, "cameras": {"front_camera": intrinsics}}))
    return folder


def nuscenes_annotation(
    token: str, sample: str, instance: str, center: Sequence[float], yaw_rad: float = 0.0, **values: object
) -> dict[str, object]:
    """A row of sample_annotation: 2 m wide, 4 m long, 1.5 m high in the global frame."""
    x, y, z, w = RigidTransform(_about_z(yaw_rad), np.zeros(3)).quaternion()
    row: dict[str, object] = {
        "token": token, "sample_token": sample, "instance_token": instance, "translation": list(center),
        "size": [2.0, 4.0, 1.5], "rotation": [float(w), float(x), float(y), float(z)], "prev": "", "next": "",
        "num_lidar_pts": 5, "num_radar_pts": 0,
    }  # fmt: skip
    return row | values


def write_nuscenes_boxes(
    folder: Path, instances: Mapping[str, str], annotations: Sequence[dict[str, object]], speed_m_s: float = 10.0
) -> Path:
    """v1.0-mini with one scene: key frames key-0 to key-2, 0.5 s apart, and sweeps every 0.05 s between them.

    The ego drives along the global +x from x = 100 with the LiDAR 2 m above the ground, whose x looks right. In each sweep
    stand a post at global (130, 5, 1), 20 points of it, and a point of the own car. instances: token -> category.
    """
    T_ego_lidar = RigidTransform(_about_z(-np.pi / 2), np.array([0.0, 0.0, 2.0]))
    tables: dict[str, list[dict[str, object]]] = {
        "scene": [{"token": "scene", "name": "scene-0061"}],
        "sample": [],
        "sensor": [{"token": "LIDAR_TOP", "channel": "LIDAR_TOP", "modality": "lidar"}],
        "calibrated_sensor": [{
            "token": "mount", "sensor_token": "LIDAR_TOP", "translation": T_ego_lidar.translation_m.tolist(),
            "rotation": _wxyz(T_ego_lidar), "camera_intrinsic": [],
        }],
        "sample_data": [], "ego_pose": [], "sample_annotation": list(annotations),
        "category": [{"token": name, "name": name} for name in sorted(set(instances.values()))],
        "instance": [{"token": token, "category_token": name} for token, name in instances.items()],
    }  # fmt: skip
    for number in range(21):
        stamp_us, is_key = 50_000 * number, number % 10 == 0
        sample = f"key-{-(-number // 10)}"
        if is_key:
            tables["sample"].append({"token": sample, "scene_token": "scene", "timestamp": stamp_us})
        file = f"{'samples' if is_key else 'sweeps'}/LIDAR_TOP/{number:02d}.pcd.bin"
        tables["sample_data"].append({
            "token": f"sweep-{number}", "sample_token": sample, "ego_pose_token": f"pose-{number}",
            "calibrated_sensor_token": "mount", "timestamp": stamp_us, "is_key_frame": is_key, "filename": file,
            "width": 0, "height": 0,
        })  # fmt: skip
        T_global_ego = RigidTransform(np.eye(3), np.array([100.0 + speed_m_s * stamp_us * 1e-6, 0.0, 0.0]))
        tables["ego_pose"].append({
            "token": f"pose-{number}", "translation": T_global_ego.translation_m.tolist(), "rotation": [1.0, 0.0, 0.0, 0.0],
        })  # fmt: skip
        post = np.tile([130.0, 5.0, 1.0], (20, 1))
        seen = (T_global_ego @ T_ego_lidar).inverse().apply(post)
        rows = np.zeros((21, 5), np.float32)
        rows[:20, :3], rows[20, :3], rows[:, 3], rows[:, 4] = seen, (0.3, -0.5, -0.2), 51.0, 7
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        rows.tofile(folder / file)
    (folder / "v1.0-mini").mkdir(parents=True)
    for name, records in tables.items():
        (folder / "v1.0-mini" / f"{name}.json").write_text(json.dumps(records))
    return folder


def _about_z(angle_rad: float) -> np.ndarray:
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _wxyz(T: RigidTransform) -> list[float]:
    x, y, z, w = T.quaternion()
    return [float(w), float(x), float(y), float(z)]
