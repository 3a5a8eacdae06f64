"""Sample: what every data set gives, whatever its files look like.

Clouds are in x forward, y left, z up (REP 103), metres, intensity 0..1.
"""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform

# Vehicle-like frames with x right and y forward (PandaSet, nuScenes' LIDAR_TOP) into x forward, y left.
T_FLU_RFU = RigidTransform(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros(3))


@dataclass(frozen=True, eq=False)
class Sample:
    """One sweep with the class of each point, where known, and the images taken with it."""

    name: str  # unique in its data set; named in errors
    cloud: PointCloud
    class_id: np.ndarray | None  # (N,) uint8 in `classes`, 255 = ignore, as are points without a return
    classes: ClassTable
    views: tuple[CameraView, ...] = ()

    def __post_init__(self) -> None:
        """Raise BadDataset when labels and points do not belong together; a beam that met nothing has no class."""
        if self.class_id is None:
            return
        if self.class_id.shape != (len(self.cloud),) or self.class_id.dtype != np.uint8:
            raise BadDataset(
                f"{self.name}: expected {len(self.cloud)} labels (uint8), one per point, found shape "
                f"{self.class_id.shape} of {self.class_id.dtype}. The label file belongs to another scan or is truncated."
            )
        met = self.cloud.has_return()
        if not met.all():
            object.__setattr__(self, "class_id", np.where(met, self.class_id, np.uint8(IGNORE_ID)))
