"""KITTI's colour image of camera 2: as a view of a scan, and which points of the scan lie in it."""

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

    name: of the sample; file: the image's path below the data set's folder. Raises BadDataset naming both.
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
    """(N,) bool: the points (N, 3) of the scan that camera 2 sees, as OpenPCDet cuts scans: before it and within the image.

    size_px: width and height. Raises BadDataset for a calibration without the camera or the LiDAR.
    """
    T_cam0_lidar, P2 = calibration.T_cam0_lidar().matrix()[:3], calibration.P2()
    P2_lidar = P2[:, :3] @ T_cam0_lidar
    P2_lidar[:, 3] += P2[:, 3]
    x_m, y_m, z_m = np.ascontiguousarray(xyz_m.T, np.float64)
    # By the depth in camera 0, as OpenPCDet has it; camera 2 stands 3 mm before it.
    u_depth, v_depth, depth_m = (
        row[0] * x_m + row[1] * y_m + row[2] * z_m + row[3] for row in (*P2_lidar[:2], T_cam0_lidar[2])
    )
    in_width = (u_depth >= 0) & (u_depth < size_px[0] * depth_m)
    return in_width & (v_depth >= 0) & (v_depth < size_px[1] * depth_m) & (depth_m >= 0)
