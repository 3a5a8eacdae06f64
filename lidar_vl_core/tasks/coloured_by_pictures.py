"""A LiDAR sweep in the colours of the images that see it, for networks that learned from coloured scans."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lidar_vl_core.cameras.pairing import ZBuffer, point_pixel_pairs
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadImage

_UNSEEN_RGB = 128  # of points that no image sees
_OCCLUSION = ZBuffer(
    cell_px=8, relative_margin=0.25
)  # what hides behind nearer points is told by the sweep's own depth


def coloured_by_pictures(
    cloud: PointCloud,
    views: Sequence[CameraView],
    left_out: Callable[[CameraView, Exception], None] | None = None,
) -> PointCloud:
    """The cloud with the field "rgb" (N, 3) uint8: the mean of the pixels that see a point, mid grey where none does.

    left_out: told of each image that cannot be used, and why; without it, what reading one raises is raised.
    """
    total, count = np.zeros((len(cloud), 3)), np.zeros(len(cloud))
    for view in views:
        try:
            rgb = view.load_rgb()
            view.require_size(rgb)
            pairs = point_pixel_pairs(
                cloud.measured_xyz_m(), [(view.camera, view.T_cam_lidar)], 1.0, border_px=-1, occlusion=_OCCLUSION
            )
        except (BadImage, BadCalibration) as error:
            if left_out is None:
                raise
            left_out(view, error)
            continue
        total[pairs.point_index] += rgb[pairs.pixel_uv[:, 1], pairs.pixel_uv[:, 0]]  # a point is seen once by a view
        count[pairs.point_index] += 1
    mean = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], _UNSEEN_RGB)
    return replace(cloud, extra={**cloud.extra, "rgb": np.round(mean).astype(np.uint8)})
