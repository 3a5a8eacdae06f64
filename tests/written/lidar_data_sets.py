"""Small folders in the formats of real data sets, written from the descriptions of their authors, for tests."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lidar_vl_core.geometry.rigid_transform import RigidTransform

CALIB = "P2: 700 0 31.5 0 0 700 23.5 0 0 0 1 0\nTr: 0 -1 0 0 0 0 -1 0 1 0 0 0\n"
TURN = {"w": 0.7071067811865476, "x": -0.7071067811865476, "y": 0.0, "z": 0.0}
ORIGIN = {"x": 0.0, "y": 0.0, "z": 0.0}


def ring_of_points(count: int, columns: int = 4, full_intensity: float = 1.0) -> np.ndarray:
    """(count, columns) float32: points all around at 3 m to 30 m, intensities up to the full one."""
    rng = np.random.default_rng(count)
    angle, distance = rng.uniform(-np.pi, np.pi, count), rng.uniform(3, 30, count)
    rows = np.zeros((count, columns), np.float32)
    rows[:, 0], rows[:, 1] = distance * np.cos(angle), distance * np.sin(angle)
    rows[:, 2], rows[:, 3] = rng.uniform(-1.5, 1.5, count), np.linspace(0, full_intensity, count)
    return rows


def write_scan(
    points: Path, labels: Path | None, raw_ids: Sequence[int] | np.ndarray, columns: int = 4, full: float = 1.0
) -> None:
    """One scan of as many points as raw ids, with an instance number above each raw id, as SemanticKITTI writes them."""
    points.parent.mkdir(parents=True, exist_ok=True)
    ring_of_points(len(raw_ids), columns, full).tofile(points)
    if labels is not None:
        labels.parent.mkdir(parents=True, exist_ok=True)
        (np.asarray(raw_ids, np.uint32) | np.uint32(7 << 16)).tofile(labels)


def write_kitti_like(
    root: Path, raw_ids: Sequence[int], frames: Sequence[str] = ("000000", "000001"), points: str = "velodyne", labels: str = "labels",
    columns: int = 4, full: float = 1.0,
) -> Path:  # fmt: skip
    """root/<points>/*.bin and root/<labels>/*.label."""
    for frame in frames:
        write_scan(root / points / f"{frame}.bin", root / labels / f"{frame}.label", raw_ids, columns, full)
    return root


def write_rellis(folder: Path, raw_ids: Sequence[int], lists: dict[str, Sequence[str]]) -> Path:
    """RELLIS-3D: the scans of the lists; `lists`: split -> names such as "00000/000012"."""
    points, labels = "os1_cloud_node_kitti_bin", "os1_cloud_node_semantickitti_label_id"
    for split, scans in lists.items():
        pairs = []
        for scan in scans:
            sequence, frame = scan.split("/")
            pair = (f"{sequence}/{points}/{frame}.bin", f"{sequence}/{labels}/{frame}.label")
            write_scan(folder / pair[0], folder / pair[1], raw_ids)
            pairs.append(pair)
        (folder / f"pt_{split}.lst").write_text("".join(f"{a} {b}\n" for a, b in pairs))
    return folder


def write_nuscenes(
    folder: Path, version: str, scenes: dict[str, int], points: int = 400, with_labels: bool = True
) -> Path:
    """nuScenes with identity poses: scenes of so many key frames, six cameras 60 degrees apart, black pictures."""
    from PIL import Image

    cameras = ("FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK", "BACK_LEFT", "FRONT_LEFT")
    channels = ["LIDAR_TOP", *(f"CAM_{name}" for name in cameras)]
    tables: dict[str, list[dict]] = {name: [] for name in ("scene", "sample", "sample_data", "ego_pose", "lidarseg")}
    tables["sensor"] = [{"token": channel, "channel": channel, "modality": ""} for channel in channels]
    tables["calibrated_sensor"] = [
        {
            "token": channel, "sensor_token": channel, "translation": [0.0, 0.0, 0.0],
            "rotation": [1.0, 0.0, 0.0, 0.0] if place == 0 else _looking(-np.pi / 3 * (place - 1)),
            "camera_intrinsic": [] if place == 0 else [[40.0, 0.0, 32.0], [0.0, 40.0, 24.0], [0.0, 0.0, 1.0]],
        }
        for place, channel in enumerate(channels)
    ]  # fmt: skip
    for scene, count in scenes.items():
        tables["scene"].append({"token": scene, "name": scene})
        for number in range(count):
            sample = f"{scene}-{number}"
            tables["sample"].append({"token": sample, "scene_token": scene, "timestamp": number * 500_000})
            for channel in channels:
                token = f"{sample}-{channel}"
                file = Path("samples") / channel / f"{token}.{'pcd.bin' if channel == 'LIDAR_TOP' else 'jpg'}"
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                if channel == "LIDAR_TOP":
                    ring_of_points(points, 5, 255.0).tofile(folder / file)
                else:
                    Image.new("RGB", (64, 48)).save(folder / file)
                tables["sample_data"].append({
                    "token": token, "sample_token": sample, "calibrated_sensor_token": channel, "ego_pose_token": token,
                    "timestamp": number * 500_000, "is_key_frame": True, "filename": str(file), "width": 64, "height": 48,
                })  # fmt: skip
                tables["ego_pose"].append(
                    {"token": token, "rotation": [1.0, 0.0, 0.0, 0.0], "translation": [0.0, 0.0, 0.0]}
                )
            if with_labels:
                labels = Path("lidarseg") / version / f"{sample}-LIDAR_TOP_lidarseg.bin"
                (folder / labels).parent.mkdir(parents=True, exist_ok=True)
                np.resize(np.array([0, 17, 24, 28], np.uint8), points).tofile(folder / labels)
                tables["lidarseg"].append({"sample_data_token": f"{sample}-LIDAR_TOP", "filename": str(labels)})
    if not with_labels:
        del tables["lidarseg"]
    (folder / version).mkdir(parents=True, exist_ok=True)
    for name, records in tables.items():
        (folder / version / f"{name}.json").write_text(json.dumps(records))
    return folder


def write_pandaset(folder: Path) -> None:
    """Two frames of a LiDAR and one camera, with labels."""
    (folder / "lidar").mkdir()
    (folder / "camera" / "front").mkdir(parents=True)
    frames = {}
    for frame in ("00", "01"):
        arrays = {
            "xyz_world": np.ones((9, 3), np.float32), "intensity": np.zeros(9, np.uint8), "t": np.zeros(9, np.float32),
            "sensor": np.zeros(9, np.uint8), "label": np.full(9, 7, np.uint8),
        }  # fmt: skip
        np.savez(folder / "lidar" / f"{frame}.npz", **arrays)
        Image.new("RGB", (64, 48)).save(folder / "camera" / "front" / f"{frame}.jpg")
        pose = {"position": ORIGIN, "heading": TURN}
        shot = {"timestamp": 1.0, "pose_world": pose}
        frames[frame] = {"lidar_timestamp": 1.0, "lidar_pose_world": pose, "cameras": {"front": shot}}
    intrinsics = {"fx": 40.0, "fy": 40.0, "cx": 31.5, "cy": 23.5}
    meta = {"frames": frames, "cameras": {"front": {"intrinsics": intrinsics, "width": 64, "height": 48}}}
    (folder / "meta.json").write_text(json.dumps(meta))


def _looking(yaw_rad: float) -> list[float]:
    """wxyz of a camera that looks level in a direction: its z forward, x right, y down."""
    forward = (np.cos(yaw_rad), np.sin(yaw_rad), 0.0)
    right = (np.sin(yaw_rad), -np.cos(yaw_rad), 0.0)
    x, y, z, w = RigidTransform(np.column_stack([right, (0.0, 0.0, -1.0), forward]), np.zeros(3)).quaternion()
    return [float(value) for value in (w, x, y, z)]
