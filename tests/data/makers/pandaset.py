"""A sequence in PandaSet's format: six cameras, one spinning LiDAR and one that looks ahead, poses, classes of points, boxes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.pandaset import pandaset_of_boxes
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table, name_map
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import T_FLU_RFU
from offline_training.synthetic.sensors.drive import SyntheticDrive, SyntheticFrame
from offline_training.synthetic.sensors.thing_boxes import boxes_of_things, points_of_things
from tests.data.makers.street import STREET, camera_pose, cityscapes_labels, places, raw_ids, save_picture, street

_FRAMES = ("00", "02", "04", "06")
_CAMERAS = {
    "front": "front_camera", "front_left": "front_left_camera", "front_right": "front_right_camera",
    "back_left": "left_camera", "back_right": "right_camera", "back": "back_camera",
}  # fmt: skip
# PandaSet's ids and names of classes, from its documentation.
_NAMES = (
    "Smoke", "Exhaust", "Spray or rain", "Reflection", "Vegetation", "Ground", "Road", "Lane Line Marking",
    "Stop Line Marking", "Other Road Marking", "Sidewalk", "Driveway", "Car", "Pickup Truck", "Medium-sized Truck",
    "Semi-truck", "Towed Object", "Motorcycle", "Other Vehicle - Construction Vehicle", "Other Vehicle - Uncommon",
    "Other Vehicle - Pedicab", "Emergency Vehicle", "Bus", "Personal Mobility Device", "Motorized Scooter", "Bicycle",
    "Train", "Trolley", "Tram / Subway", "Pedestrian", "Pedestrian with Object", "Animals - Bird", "Animals - Other",
    "Pylons", "Road Barriers", "Signs", "Cones", "Construction Signs", "Temporary Construction Barriers",
    "Rolling Containers", "Building", "Other Static Object",
)  # fmt: skip


def write_pandaset(folder: Path, weak_labels: Path) -> None:
    """The sequence, and a weak label map for each of its pictures."""
    drive = street("pandar64", 400, 320)
    raw = raw_ids("pandaset")
    frames = {name: drive.frame(int(name)) for name in _FRAMES}
    T_world_start = frames["00"].T_world_lidar @ T_FLU_RFU
    (folder / "lidar").mkdir(parents=True)
    for name, frame in frames.items():
        _write_cloud(folder / "lidar" / f"{name}.npz", frame, T_world_start, raw)
        cuboids = _cuboids(drive, name, frame, T_world_start)
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"{name}.cuboids.json").write_text(json.dumps(cuboids))
        for view in frame.views:
            save_picture(folder / "camera" / _CAMERAS[view.name] / f"{name}.jpg", view.rgb)
            save_picture(weak_labels / "camera" / _CAMERAS[view.name] / f"{name}.png", cityscapes_labels(view))
    meta = {
        "frames": {name: _poses(frame, T_world_start) for name, frame in frames.items()},
        "cameras": {_CAMERAS[view.name]: _intrinsics(view.camera) for view in frames["00"].views},
    }
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    (folder / "semseg_classes.json").write_text(json.dumps(dict(enumerate(_NAMES, 1)), indent=1))


def _write_cloud(path: Path, frame: SyntheticFrame, T_world_start: RigidTransform, raw: np.ndarray) -> None:
    cloud = frame.cloud
    ahead = np.abs(np.arctan2(cloud.xyz_m[:, 1], cloud.xyz_m[:, 0])) < np.pi / 6
    np.savez_compressed(
        path,
        xyz_world=places((T_world_start.inverse() @ frame.T_world_lidar).apply(cloud.xyz_m)),
        intensity=np.round(255 * cloud.intensity).astype(np.uint8),
        t=cloud.extra["time"],
        sensor=(ahead & (np.arange(len(cloud)) % 8 == 0)).astype(np.uint8),
        label=raw[cloud.extra["label"]],
    )


def _cuboids(drive: SyntheticDrive, name: str, frame: SyntheticFrame, T_world_start: RigidTransform) -> list[dict]:
    """The things that the sweep met; every fourth has a box of its own for each LiDAR, as PandaSet's have where both see it."""
    far = replace(drive.lidar, max_range_m=1e6)  # all things, so that each keeps its number in all frames
    things = boxes_of_things(drive._scene.world, far, (int(name) + 1) / drive.rate_hz, frame.cloud.frame_id)
    boxes = pandaset_of_boxes(things.boxes, T_world_start.inverse() @ frame.T_world_lidar)
    rows = []
    for thing in np.flatnonzero(points_of_things(frame.cloud, things)).tolist():
        still = not things.velocity_mps[thing].any()
        position, size = boxes.position_m[thing].round(3).tolist(), boxes.dimensions_m[thing].round(3).tolist()
        row = {
            "uuid": f"thing-{thing}", "label": _LABEL[things.class_id[thing]], "yaw": round(float(boxes.yaw_rad[thing]), 5),
            "stationary": still, "camera_used": -1,
            **{f"position_{axis}": value for axis, value in zip("xyz", position, strict=True)},
            **{f"dimensions_{axis}": value for axis, value in zip("xyz", size, strict=True)},
            "cuboids_sibling_id": "-", "cuboids_sensor_id": -1,
        }  # fmt: skip
        if thing % 4:
            rows.append(row)
            continue
        for sensor in (0, 1):
            own = {"uuid": f"thing-{thing}-{sensor}", "cuboids_sibling_id": f"thing-{thing}-{1 - sensor}"}
            rows.append(row | own | {"cuboids_sensor_id": sensor})
    return rows


def _labels() -> dict[int, str]:
    """Class of the street's points -> the first of PandaSet's names that means it."""
    names = name_map("pandaset_cuboids", class_table("nuscenes10"))
    return {
        STREET.id_of(names.target.names[class_id]): label
        for label, class_id in reversed(names.class_of_name.items())
        if class_id != IGNORE_ID
    }


_LABEL = _labels()


def _poses(frame: SyntheticFrame, T_world_start: RigidTransform) -> dict:
    T_start_world = T_world_start.inverse()
    return {
        "lidar_timestamp": frame.cloud.stamp_ns / 1e9,
        "lidar_pose_world": _pose(T_start_world @ frame.T_world_lidar @ T_FLU_RFU),
        "cameras": {
            _CAMERAS[view.name]: {
                "timestamp": view.stamp_ns / 1e9,
                "pose_world": _pose(T_start_world @ camera_pose(frame, view)),
            }
            for view in frame.views
        },
    }


def _pose(T_world_sensor: RigidTransform) -> dict:
    x, y, z = map(float, T_world_sensor.translation_m)
    qx, qy, qz, qw = map(float, T_world_sensor.quaternion())
    return {"position": {"x": x, "y": y, "z": z}, "heading": {"w": qw, "x": qx, "y": qy, "z": qz}}


def _intrinsics(camera) -> dict:
    K = camera.K
    values = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    return {"intrinsics": values, "width": camera.width, "height": camera.height}
