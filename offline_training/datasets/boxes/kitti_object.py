"""KITTI object detection with its boxes: cars, pedestrians and cyclists that the colour camera sees."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.kitti import boxes_of_kitti
from lidar_vl_core.boxes.kitti_objects import DONT_CARE, KittiObjects, read_kitti_objects
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, name_map
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadBoxes, BadDataset, BadLabels, BadTransform
from offline_training.datasets.base.box_sample import BoxSample, points_of_boxes
from offline_training.datasets.base.box_source import BoxSpec
from offline_training.datasets.base.sample_files import image_size
from offline_training.datasets.base.source_config import Names
from offline_training.datasets.lidar.files.kitti_calibration import KittiCalibration
from offline_training.datasets.lidar.files.kitti_object_scans import TESTING, TRAINING, ObjectScan, object_scans
from offline_training.datasets.lidar.files.kitti_picture import in_picture
from offline_training.datasets.lidar.kitti_object import FRAME, KittiObjectSource, object_cloud

# Least height of the 2D box in pixels, most occlusion, most truncation of easy, moderate and hard (Geiger et al., 2012).
_LEVELS = ((40.0, 0, 0.15), (25.0, 1, 0.3), (25.0, 2, 0.5))


class KittiObjectBoxes:
    """The points in the image's view, as OpenPCDet cuts them, and the boxes of label_2 in the Velodyne's frame.

    Vans, trucks and other things have class 255; areas of DontCare are 2D boxes alone and stand in objects().
    """

    def __init__(
        self,
        folder: Path,
        lists: Sequence[str] | None = None,
        frames: Collection[str] | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """lists: such as "train"; frames: names of scans; None = all of training/. Raises BadDataset, also without label_2."""
        self.classes = classes or class_table("kitti3")
        self._names = name_map("kitti_object", self.classes)
        self.scans = object_scans(Path(folder), lists, frames)
        if not self.scans[0].labels.parent.is_dir():
            raise BadDataset(
                f"{self.scans[0].labels.parent}: expected the boxes of the scans, found no such folder. Unpack KITTI's "
                "data_object_label_2.zip there; testing/ has none."
            )

    def __len__(self) -> int:
        return len(self.scans)

    def __getitem__(self, index: int) -> BoxSample:
        """The scan's visible points and its boxes; raises BadDataset naming scan, file and line when one is damaged."""
        scan = self.scans[index]
        cloud, calibration = visible_cloud(scan), scan.calibration()
        objects = self.objects(index)
        boxes = self._boxes(objects, calibration, scan.name)
        counted = points_of_boxes(cloud, boxes)
        level = difficulty(objects)[objects.kind != DONT_CARE]
        return BoxSample(scan.name, cloud, boxes, self.classes, counted, level, _ground(scan, calibration))

    def boxes(self, index: int) -> Boxes3d:
        """The boxes alone, without reading the scan; raises BadDataset as above."""
        scan = self.scans[index]
        return self._boxes(self.objects(index), scan.calibration(), scan.name)

    def objects(self, index: int) -> KittiObjects:
        """The label file as it is, with DontCare: what KITTI's evaluator compares with. Raises BadDataset."""
        scan = self.scans[index]
        try:
            objects = read_kitti_objects(scan.labels)
        except BadLabels as error:
            raise BadDataset(f"{scan.name}: {error}") from error
        if objects.score is not None:
            raise BadDataset(
                f"{scan.name}: {scan.labels}: expected 15 columns, found a 16th, which is the score of a prediction. "
                "Put KITTI's own labels there."
            )
        return objects

    def calibration(self, index: int) -> KittiCalibration:
        """The calibration of a scan, by which its boxes go back into the camera's frame; raises BadDataset."""
        return self.scans[index].calibration()

    def _boxes(self, objects: KittiObjects, calibration: KittiCalibration, name: str) -> Boxes3d:
        seen = objects.taken(objects.kind != DONT_CARE)
        rows = np.column_stack([seen.size_hwl_m, seen.bottom_m, seen.turned_rad])
        try:
            class_id = np.array([self._names.class_id(str(kind)) for kind in seen.kind], np.uint8)
            boxes = boxes_of_kitti(rows, calibration.T_cam0_lidar())
        except (BadBoxes, BadLabels, BadTransform) as error:
            raise BadDataset(f"{name}: {error}") from error
        return Boxes3d.of(boxes, class_id, frame_id=FRAME)


def visible_cloud(scan: ObjectScan) -> PointCloud:
    """The points in the image's view, where alone anybody labelled; raises BadDataset naming a damaged file."""
    points = scan.points()
    return object_cloud(points[in_picture(points[:, :3], scan.calibration(), image_size(scan.picture, scan.name))])


def _ground(scan: ObjectScan, calibration: KittiCalibration) -> np.ndarray | None:
    """The road in the Velodyne's frame."""
    plane = scan.ground()
    if plane is None:
        return None
    T_cam0_lidar = calibration.T_cam0_lidar()
    return np.append(plane[:3] @ T_cam0_lidar.rotation, plane[:3] @ T_cam0_lidar.translation_m + plane[3])


def difficulty(objects: KittiObjects) -> np.ndarray:
    """(N,) int8 0 easy, 1 moderate, 2 hard, -1 harder than the benchmark asks for."""
    height_px = objects.bbox_px[:, 3] - objects.bbox_px[:, 1] + 1.0  # edges are whole pixels that belong to the box
    level = np.full(len(objects), -1, np.int8)
    for number, (least_px, most_occluded, most_truncated) in reversed(list(enumerate(_LEVELS))):
        fits = (height_px >= least_px) & (objects.occluded <= most_occluded) & (objects.truncated <= most_truncated)
        level[fits] = number
    return level


def _open(source: KittiObjectSource, lists: Names, classes: ClassTable, sweeps: int) -> KittiObjectBoxes:
    return KittiObjectBoxes(Path(source.folder), lists, source.frames, classes)


def _are_there(source: KittiObjectSource, lists: Names) -> bool:
    part = TESTING if lists == ("test",) else TRAINING
    return (Path(source.folder) / part / "label_2").is_dir()


BOXES = BoxSpec(source=KittiObjectSource, classes=("kitti3",), open=_open, are_there=_are_there)
