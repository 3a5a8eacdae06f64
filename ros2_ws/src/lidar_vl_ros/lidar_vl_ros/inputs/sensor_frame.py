"""What a node processes: one cloud, decoded once, and the images that belong to it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from std_msgs.msg import Header

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.thinning import ThinnedCloud
from lidar_vl_core.geometry.rigid_transform import RigidTransform

Place = Callable[[str, Paired, PointCloud], CameraView | None]
PlaceAt = Callable[[str, Paired, PointCloud, float], tuple[CameraModel, RigidTransform]]


@dataclass(frozen=True, eq=False)
class SensorFrame:
    """One cloud with its images."""

    header: Header  # of the cloud's message
    cloud: PointCloud  # N points, as they came
    looked_at: ThinnedCloud  # at most max_points of them: what a network works on
    views: "CloudViews"


class CloudViews:
    """The images of one cloud. They cost nothing until they are needed, then each is placed once and decoded once."""

    def __init__(self, images: Mapping[str, Paired], cloud: PointCloud, place: Place, place_at: PlaceAt) -> None:
        """place: gives the view of an image, or None if it is left out; called once for each, on first use.

        place_at: as Cameras'.
        """
        self._images, self._cloud, self._place, self._place_at = images, cloud, place, place_at
        self._lock = threading.Lock()
        self._views: tuple[CameraView, ...] | None = None

    @property
    def has_images(self) -> bool:
        """Whether any image belongs to the cloud."""
        return bool(self._images)

    def __call__(self) -> tuple[CameraView, ...]:
        """The usable views, in the order of the cameras; callable from the worker and from output threads."""
        with self._lock:
            if self._views is None:
                found = [self._place(name, paired, self._cloud) for name, paired in self._images.items()]
                self._views = tuple(view for view in found if view is not None)
            return self._views

    def place_at(self, name: str, paired: Paired, wait_until_s: float) -> tuple[CameraModel, RigidTransform]:
        """Camera and pose of an image from another time, relative to the cloud. Raises BadCalibration or BadTransform."""
        return self._place_at(name, paired, self._cloud, wait_until_s)
