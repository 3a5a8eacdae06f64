"""BoxSample: a cloud and the boxes of the things in it, from any data set that knows them."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset


@dataclass(frozen=True, eq=False)
class BoxSample:
    """One sweep, or several joined in the frame of the annotated one, and what stands and moves in it.

    Boxes of class 255 are things that the table has no class for: neither to be found nor background.
    """

    name: str  # unique in its data set; named in errors
    cloud: PointCloud
    boxes: Boxes3d  # in the cloud's frame
    classes: ClassTable  # of the boxes
    point_count: np.ndarray  # (B,) int64 points of the annotated sweep in each box, as the data set counts them
    difficulty: np.ndarray | None = None  # (B,) int8, KITTI's: 0 easy, 1 moderate, 2 hard, -1 beyond; None = not told
    ground: np.ndarray | None = (
        None  # (4,) float64 a, b, c, d of the road a x + b y + c z + d = 0, c > 0; None = not told
    )

    def __post_init__(self) -> None:
        """Raise BadDataset when boxes, cloud and classes do not belong together, or there are no points."""
        if len(self.cloud) == 0:
            raise BadDataset(
                f"{self.name}: expected points, found an empty cloud. Leave the scan out, or check which of its points are read."
            )
        count = len(self.boxes)
        for what, values, dtype in (("point counts", self.point_count, np.int64), ("levels", self.difficulty, np.int8)):
            if values is not None and (values.shape != (count,) or values.dtype != dtype):
                raise BadDataset(
                    f"{self.name}: expected {count} {what} ({np.dtype(dtype)}), one a box, found {values.shape} of "
                    f"{values.dtype}. Give each box its own."
                )
        if self.boxes.frame_id != self.cloud.frame_id:
            raise BadDataset(
                f"{self.name}: expected boxes in the cloud's frame {self.cloud.frame_id!r}, found {self.boxes.frame_id!r}. "
                "Transform them."
            )
        require_classes(self.boxes, self.classes, self.name)


def points_of_boxes(cloud: PointCloud, boxes: Boxes3d) -> np.ndarray:
    """(B,) int64 points of a cloud in each box, both in one frame."""
    from lidar_vl_core.boxes.points_in_boxes import count_points_in_boxes  # here, as data sets are listed without numba

    return count_points_in_boxes(cloud.xyz_m, boxes.boxes)


def require_classes(boxes: Boxes3d, classes: ClassTable, name: str) -> None:
    """Raise BadDataset, naming the sample, for a class id that the table does not have."""
    unknown = (boxes.class_id >= len(classes)) & (boxes.class_id != IGNORE_ID)
    if unknown.any():
        raise BadDataset(
            f"{name}: expected classes of {classes.name} (0 to {len(classes) - 1}, 255 = none), found "
            f"{np.unique(boxes.class_id[unknown]).tolist()}. Read the boxes with the class table they were drawn for."
        )
