"""Images of synthetic sweeps on disk: six cameras, what class each pixel shows, and where the cameras were. Touches the disk.

<name of the sweep's file>_w<width>_v<version>/
  front.jpg ...      the images
  front.png ...      8-bit class ids, 255 = none
  cameras.npz        intrinsics, poses, stamps; written last, so that a folder that has it is whole
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.foundation.files import atomic_writer, write_bytes
from lidar_vl_core.foundation.stamps import nanoseconds
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample_files import opened_picture, read_picture_bytes, read_rgb
from offline_training.synthetic.sensors.shot import Shot

VERSION = 1  # raise it when the same seed gives other images, so that cached ones are made anew
_JPEG_QUALITY = 92
_DAMAGED = "Delete the folder; it will be made again."


@dataclass(frozen=True)
class PictureSpec:
    """How large the six 16:9 images of a sweep are."""

    width: int = 240  # pixels

    def __post_init__(self) -> None:
        """Raise BadConfig for a width nobody can use."""
        if not 32 <= self.width <= 4096:
            raise BadConfig(f"image width: expected 32 to 4096 pixels, found {self.width}.")


def picture_folder(sweep_file: Path, spec: PictureSpec) -> Path:
    """Where the images of a cached sweep lie; the sweep's name says all the rest that decides over them."""
    return sweep_file.with_name(f"{sweep_file.stem}_w{spec.width}_v{VERSION}")


def has_pictures(folder: Path) -> bool:
    """Whether a folder's images are all there."""
    return (folder / "cameras.npz").exists()


def write_pictures(folder: Path, shots: Iterable[Shot], T_world_lidar: RigidTransform) -> None:
    """Keep the shots of one sweep, whose LiDAR stood at T_world_lidar."""
    shots = tuple(shots)
    for shot in shots:
        write_bytes(folder / f"{shot.mount.name}.jpg", encode_jpeg(shot.picture.rgb, _JPEG_QUALITY))
        write_bytes(folder / f"{shot.mount.name}.png", _png(shot.picture.class_id))
    with atomic_writer(folder / "cameras.npz") as handle:
        np.savez(
            handle,
            name=np.array([shot.mount.name for shot in shots]),
            size=np.array([(shot.camera.width, shot.camera.height) for shot in shots]),
            K=np.stack([shot.camera.K for shot in shots]),
            T_cam_lidar=np.stack([shot.T_cam_lidar.matrix() for shot in shots]),
            stamp_ns=np.array([nanoseconds(shot.time_s) for shot in shots], np.int64),
            T_world_lidar=T_world_lidar.matrix(),
        )


def read_views(folder: Path, sample_name: str) -> tuple[CameraView, ...]:
    """The views of a sweep; raises BadDataset, naming the folder, when it is damaged."""
    stored = _read_cameras(folder)
    columns = (stored[key] for key in ("name", "size", "K", "T_cam_lidar", "stamp_ns"))
    return tuple(
        _view(folder, sample_name, str(name), CameraModel(int(size[0]), int(size[1]), K), T, int(stamp_ns))
        for name, size, K, T, stamp_ns in zip(*columns, strict=True)
    )


def read_pose(folder: Path) -> RigidTransform:
    """T_world_lidar of a sweep; raises BadDataset, naming the folder, when it is damaged."""
    return RigidTransform.from_matrix(_read_cameras(folder)["T_world_lidar"])


def class_image(cache_folder: Path, view: CameraView) -> np.ndarray:
    """(H, W) uint8 true class of each pixel of a view, 255 = none. Raises BadDataset when there is none to read."""
    path = (cache_folder / str(view.file)).with_suffix(".png")
    with opened_picture(path, str(view.file), "PNG of class ids") as picture:
        return np.array(picture)


def _view(
    folder: Path, sample_name: str, name: str, camera: CameraModel, T_cam_lidar: np.ndarray, stamp_ns: int
) -> CameraView:
    path = folder / f"{name}.jpg"
    return CameraView(
        name=name,
        camera=camera,
        T_cam_lidar=RigidTransform.from_matrix(T_cam_lidar),
        stamp_ns=stamp_ns,
        load_rgb=partial(read_rgb, path, sample_name, camera),
        read_bytes=partial(read_picture_bytes, path, sample_name),
        file=f"{folder.name}/{path.name}",
    )


def _read_cameras(folder: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(folder / "cameras.npz", allow_pickle=False) as stored:
            return {key: stored[key] for key in ("name", "size", "K", "T_cam_lidar", "stamp_ns", "T_world_lidar")}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadDataset(f"{folder}: expected cameras.npz of synthetic images, found: {error}. {_DAMAGED}") from error


def _png(class_id: np.ndarray) -> bytes:
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(class_id).save(stream, "PNG")
    return stream.getvalue()
