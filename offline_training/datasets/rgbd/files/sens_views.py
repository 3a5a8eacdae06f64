"""Views out of a .sens recording, prepared as 3DSS-VLG does: every 20th frame, colour and depth resized to 320x240."""

from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset
from offline_training.datasets.rgbd.files.rgbd_frames import rigid_or_none
from offline_training.datasets.rgbd.files.rgbd_view import openscene_resized, resized_nearest
from offline_training.datasets.rgbd.files.sens_file import SensFile, open_sens

FRAME_STEP = 20
_SIZE = (320, 240)  # width, height


def sens_views(path: Path, step: int = FRAME_STEP) -> tuple[list[CameraView], int]:
    """Views of every step-th frame named by its number, and how many were left out because their pose is invalid.

    The intrinsics are those of the recording's colour camera; OpenScene takes one set for all of ScanNet. Raises BadDataset.
    """
    sens = open_sens(path, step)
    try:
        camera = openscene_resized(CameraModel(*sens.color_size, sens.K_color), *_SIZE)
    except BadCalibration as error:
        raise BadDataset(f"{path}: intrinsics of its colour camera: {error}") from error
    views = [view for index in range(len(sens.frames)) if (view := _view(sens, index, camera)) is not None]
    return views, len(sens.frames) - len(views)


def _view(sens: SensFile, index: int, camera: CameraModel) -> CameraView | None:
    frame = sens.frames[index]
    T_world_cam = rigid_or_none(frame.world_from_camera)
    if T_world_cam is None:
        return None
    return CameraView(
        f"{frame.number:06d}",
        camera,
        T_world_cam.inverse(),
        frame.stamp_ns,
        partial(_rgb, sens, index),
        partial(sens.color_image, index),
        None,
        partial(_depth_m, sens, index),
    )


def _rgb(sens: SensFile, index: int) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(sens.rgb(index))
    return np.asarray(picture.resize(_SIZE, Image.Resampling.BILINEAR))


def _depth_m(sens: SensFile, index: int) -> np.ndarray:
    return resized_nearest(sens.depth_m(index), *_SIZE)
