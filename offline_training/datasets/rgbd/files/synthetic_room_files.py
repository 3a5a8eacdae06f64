"""A synthetic room on disk: its cloud, and each view's image, depth and truth. Touches the disk.

<seed>_<hash>/
  000.jpg ...  the images
  depth.npz    an array for each view: 16-bit millimetres, 0 = none
  truth.npz    an array for each view: class id (255 = none) in the upper, instance in the lower eight of 16 bits
  cloud.npz    points in 1 mm steps, colours, class ids, instances
  views.npz    intrinsics and poses; written last, so that a folder that has it is whole
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import atomic_writer, write_bytes
from lidar_vl_core.foundation.plain_arrays import load_plain_arrays
from lidar_vl_core.foundation.stamps import NS_PER_S
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample_files import read_picture_bytes, read_rgb
from offline_training.synthetic.rooms.shot import RoomCloud, RoomShot, room_camera

_JPEG_QUALITY = 92
_FRAME_NS = NS_PER_S  # between two views: a slow walk
_MOST_BYTES = 1 << 30
_DAMAGED = "Delete the folder; it will be made again."


def has_room(folder: Path) -> bool:
    """Whether all of a room is there."""
    return (folder / "views.npz").exists()


def write_room(folder: Path, shots: Sequence[RoomShot], cloud: RoomCloud) -> None:
    """Keep the shots of one room and its cloud."""
    depths, truths = {}, {}
    for number, shot in enumerate(shots):
        name = f"{number:03d}"
        write_bytes(folder / f"{name}.jpg", encode_jpeg(shot.picture.rgb, _JPEG_QUALITY))
        depths[name] = np.round(1000 * shot.measured_depth_m).astype(np.uint16)
        truths[name] = shot.picture.class_id.astype(np.uint16) << 8 | shot.picture.instance
    for file, images in (("depth.npz", depths), ("truth.npz", truths)):
        with atomic_writer(folder / file) as handle:
            np.savez_compressed(handle, **images)
    with atomic_writer(folder / "cloud.npz") as handle:
        np.savez(
            handle,
            xyz_mm=np.round(1000 * cloud.xyz_m).astype(np.int16),
            rgb=cloud.rgb,
            label=cloud.class_id,
            instance=cloud.instance,
        )
    height, width = shots[0].measured_depth_m.shape
    with atomic_writer(folder / "views.npz") as handle:
        np.savez(
            handle,
            size=np.array([width, height]),
            K=room_camera(width).K,
            T_cam_room=np.stack([shot.T_room_cam.inverse().matrix() for shot in shots]),
        )


def read_cloud(folder: Path) -> PointCloud:
    """The cloud with the fields rgb, label and instance; raises BadDataset, naming the file, when it is damaged."""
    path = folder / "cloud.npz"
    stored = _arrays(path, ("xyz_mm", "rgb", "label", "instance"))
    xyz_m = stored["xyz_mm"].astype(np.float32) / np.float32(1000)
    extra = {name: stored[name] for name in ("rgb", "label", "instance")}
    return PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 0, "room", extra, in_sensor_frame=False)


def read_views(folder: Path, sample_name: str) -> tuple[CameraView, ...]:
    """The views of a room, whose images load when asked; raises BadDataset, naming the file, when it is damaged."""
    stored = _arrays(folder / "views.npz", ("size", "K", "T_cam_room"))
    camera = CameraModel(int(stored["size"][0]), int(stored["size"][1]), stored["K"])
    views = []
    for number, T_cam_room in enumerate(stored["T_cam_room"]):
        path = folder / f"{number:03d}.jpg"
        view = CameraView(
            name=path.stem,
            camera=camera,
            T_cam_lidar=RigidTransform.from_matrix(T_cam_room),
            stamp_ns=number * _FRAME_NS,
            load_rgb=partial(read_rgb, path, sample_name, camera),
            read_bytes=partial(read_picture_bytes, path, sample_name),
            file=f"{folder.name}/{path.name}",
            load_depth_m=partial(_read_depth, folder, path.stem, camera),
        )
        views.append(view)
    return tuple(views)


def truth_image(cache_folder: Path, view: CameraView) -> np.ndarray:
    """(H, W) uint16: class id in the upper, instance in the lower eight bits. Raises BadDataset when there is none to read."""
    return _read_image((cache_folder / str(view.file)).parent / "truth.npz", view.name, view.camera)


def _read_depth(folder: Path, name: str, camera: CameraModel) -> np.ndarray:
    return _read_image(folder / "depth.npz", name, camera).astype(np.float32) / np.float32(1000)


def _read_image(path: Path, name: str, camera: CameraModel) -> np.ndarray:
    image = _arrays(path, (name,))[name]
    if image.shape != (camera.height, camera.width) or image.dtype != np.uint16:
        raise BadDataset(
            f"{path}: expected ({camera.height}, {camera.width}) uint16 for view {name}, found {image.shape} "
            f"{image.dtype}. {_DAMAGED}"
        )
    return image


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        stored = load_plain_arrays(path, _MOST_BYTES, names)
        return {name: stored[name] for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise BadDataset(f"{path}: expected a file of a synthetic room, found: {error}. {_DAMAGED}") from error
