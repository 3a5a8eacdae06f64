"""KITTI's colour picture of camera 2: as a view of a scan, and which points of the scan lie in it."""

from functools import partial
from pathlib import Path

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample_files import image_size, read_picture_bytes, read_rgb
from offline_training.datasets.lidar.files.kitti_calibration import KittiCalibration


def picture_view(path: Path, calibration: KittiCalibration, stamp_ns: int, name: str, file: str) -> CameraView:
    """image_2 of a scan. KITTI's images are rectified, so the camera is a pinhole.

    name: of the sample; file: the picture's path below the data set's folder. Raises BadDataset naming both.
    """
    width, height = image_size(path, name)
    P2, T_cam0_lidar = calibration.P2(), calibration.T_cam0_lidar()
    K = P2[:, :3]
    try:
        camera = CameraModel(width, height, K)
    except BadCalibration as error:
        raise BadDataset(f"{calibration.path}: P2: {error}") from error
    # P2 = K [I | t]: camera 2 stands beside camera 0, both look the same way.
    T_cam2_cam0 = RigidTransform(np.eye(3), np.linalg.solve(K, P2[:, 3]))
    T_cam2_lidar = T_cam2_cam0 @ T_cam0_lidar
    load_rgb, read_bytes = partial(read_rgb, path, name, camera), partial(read_picture_bytes, path, name)
    return CameraView("image_2", camera, T_cam2_lidar, stamp_ns, load_rgb, read_bytes, file)


def in_picture(xyz_m: np.ndarray, calibration: KittiCalibration, size_px: tuple[int, int]) -> np.ndarray:
    """(N,) bool: the points (N, 3) of the scan that camera 2 sees, as OpenPCDet cuts scans: before it and within the picture.

    size_px: width and height. Raises BadDataset for a calibration without the camera or the LiDAR.
    """
    rectified_m = calibration.T_cam0_lidar().apply(xyz_m.astype(np.float64))
    P2 = calibration.P2()
    with np.errstate(divide="ignore", invalid="ignore"):
        # By the depth in camera 0, as OpenPCDet has it; camera 2 stands 3 mm before it.
        uv_px = (rectified_m @ P2[:2, :3].T + P2[:2, 3]) / rectified_m[:, 2:]
        inside = ((uv_px >= 0) & (uv_px < size_px)).all(axis=1)
    return np.asarray(inside & (rectified_m[:, 2] >= 0))
