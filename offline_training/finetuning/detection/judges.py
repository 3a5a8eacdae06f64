"""Boxes of a detector against those of a data set: by KITTI's numbers, by nuScenes' numbers, or by centre distance for any data."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.kitti_objects import KittiObjects
from lidar_vl_core.boxes.transform import boxes_in_frame
from lidar_vl_core.evaluation.detection.average_precision import AveragePrecision
from lidar_vl_core.evaluation.detection.kitti import kitti_scores
from lidar_vl_core.evaluation.detection.kitti_predictions import KittiCamera, kitti_predictions
from lidar_vl_core.evaluation.detection.nuscenes import NuscenesDetection
from lidar_vl_core.evaluation.detection.nuscenes_frame import MOST_BOXES
from lidar_vl_core.evaluation.detection.nuscenes_results import default_attributes
from offline_training.datasets.base.box_sample import BoxSample
from offline_training.datasets.base.box_source import BoxSource
from offline_training.datasets.base.sample_files import image_size
from offline_training.datasets.boxes.kitti_object import KittiObjectBoxes
from offline_training.datasets.boxes.nuscenes import MAP, NuScenesBoxes
from offline_training.datasets.data_sources import DataSource
from offline_training.finetuning.detection.quality import SourceQuality

_KITTI_MEASURE, _KITTI_DIFFICULTY = "3d", "moderate"  # of the one number that papers compare


class Judge(ABC):
    """Gathers the answers on the samples of one data set."""

    benchmark: str

    def __init__(self, source: DataSource) -> None:
        self.source = source

    @abstractmethod
    def add(self, index: int, sample: BoxSample, found: Boxes3d) -> None:
        """Count the boxes that were found in a sample, in the frame of its cloud."""

    @abstractmethod
    def quality(self) -> SourceQuality:
        """Quality over all samples so far."""

    def _quality(self, score: float, class_scores: dict[str, float], metrics: dict[str, Any]) -> SourceQuality:
        return SourceQuality(self.source.title, self.source.folder, self.benchmark, score, class_scores, metrics)


def judge_of(source: DataSource, dataset: BoxSource, range_m: tuple[float, ...]) -> Judge:
    """The judge of a data set. range_m: what the detector looks at, lower, then upper corner."""
    if isinstance(dataset, KittiObjectBoxes):
        return KittiJudge(source, dataset)
    if isinstance(dataset, NuScenesBoxes):
        return NuscenesJudge(source, dataset)
    return CentreJudge(source, dataset, range_m)


class KittiJudge(Judge):
    """KITTI's average precision, over 40 recalls; score: the mean over the classes in 3D, moderate."""

    benchmark = "kitti"

    def __init__(self, source: DataSource, dataset: KittiObjectBoxes) -> None:
        super().__init__(source)
        self._dataset = dataset
        self._truth: dict[str, KittiObjects] = {}
        self._found: dict[str, KittiObjects] = {}

    def add(self, index: int, sample: BoxSample, found: Boxes3d) -> None:
        """Boxes beside the image are left out, as nobody could label there."""
        scan, calibration = self._dataset.scans[index], self._dataset.calibration(index)
        width, height = image_size(scan.picture, scan.name)
        camera = KittiCamera(calibration.T_cam0_lidar(), calibration.P2(), width, height)
        self._truth[scan.name] = self._dataset.objects(index)
        self._found[scan.name] = kitti_predictions(found, sample.classes, camera)

    def quality(self) -> SourceQuality:
        """Quality by class, measure and difficulty."""
        scores = kitti_scores(self._truth, self._found)
        by_class = {
            name: measures[_KITTI_MEASURE][_KITTI_DIFFICULTY].ap_r40 for name, measures in scores.by_class.items()
        }
        mean = scores.mean_ap(_KITTI_MEASURE, _KITTI_DIFFICULTY)
        return self._quality(mean, by_class, {"frames": len(self._truth), "classes": scores.to_dict()})


class NuscenesJudge(Judge):
    """nuScenes' detection scores, in the map of the city, attributes by speed; score: NDS."""

    benchmark = "nuscenes"

    def __init__(self, source: DataSource, dataset: NuScenesBoxes) -> None:
        super().__init__(source)
        self._dataset, self._detection = dataset, NuscenesDetection(dataset.classes)

    def add(self, index: int, sample: BoxSample, found: Boxes3d) -> None:
        """The surest ones, as many as the benchmark takes."""
        sure = found.taken(np.argsort(-found.score, kind="stable")[:MOST_BOXES])
        in_map = boxes_in_frame(sure, self._dataset.T_world_lidar(index), MAP)
        attribute = default_attributes(in_map, self._dataset.classes)
        self._detection.add(replace(self._dataset.judged(index), found=in_map, found_attribute=attribute))

    def quality(self) -> SourceQuality:
        """mAP, the five errors, and NDS."""
        scores = self._detection.scores()
        return self._quality(scores.nds, dict(scores.class_ap), scores.to_dict())


class CentreJudge(Judge):
    """Average precision by the distance of centres, 0.5 to 4 m, of things with a point in the detector's range; score: mAP."""

    benchmark = "centre_distance"

    def __init__(self, source: DataSource, dataset: BoxSource, range_m: tuple[float, ...]) -> None:
        super().__init__(source)
        self._range_m, self._precision = np.asarray(range_m), AveragePrecision(dataset.classes)

    def add(self, index: int, sample: BoxSample, found: Boxes3d) -> None:
        """A thing counts where its centre is in the range."""
        center_m = sample.boxes.boxes[:, :3]
        inside = ((center_m >= self._range_m[:3]) & (center_m <= self._range_m[3:])).all(axis=1)
        self._precision.add(sample.boxes.taken(inside & (sample.point_count > 0)), found)

    def quality(self) -> SourceQuality:
        """Quality by class and limit."""
        by_class = {each.name: each.average_precision for each in self._precision.classes()}
        metrics = {**self._precision.to_dict(), "range_m": self._range_m.tolist()}
        return self._quality(self._precision.mean(), by_class, metrics)
