"""Detection as a task of a node: boxes of the objects in a cloud, or in the last few, with second opinions on their classes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.limits import BoxRules
from lidar_vl_core.boxes.majority import majority_in_boxes
from lidar_vl_core.boxes.usable import usable_boxes
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformToCome
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sweeps.history import SweepHistory
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_ros.health.answer_statistics import AnswerStatistics
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.inputs.patience import Patience
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.messages.detections import DetectionTypes
from lidar_vl_ros.messages.objects import FoundObjects, SecondOpinion
from lidar_vl_ros.node.output import Output
from lidar_vl_ros.node.perception_node import PerceptionNode
from lidar_vl_ros.outputs.answer import ObjectAnswer
from lidar_vl_ros.outputs.label_info import OBJECTS_TOPIC, LabelInfo
from lidar_vl_ros.outputs.object_boxes import ObjectBoxes
from lidar_vl_ros.outputs.object_detections import ObjectDetections
from lidar_vl_ros.outputs.object_markers import ObjectMarkers
from lidar_vl_ros.outputs.object_overlay import ObjectOverlay
from lidar_vl_ros.parameters.each_node import DetectionParameters
from lidar_vl_ros.tasks.task import PointOpinion, Served, Task, tell_engine


class ObjectDetector(Protocol):
    """What finds objects: lidar_vl_core.tasks.detector.Detector, or a test double."""

    @property
    def classes(self) -> ClassTable:
        """The classes of the boxes."""
        ...

    @property
    def engine_problem(self) -> str:
        """Why another engine runs than requested; empty if none does."""
        ...

    def warm_up(self) -> None:
        """Prepare the first answer."""
        ...

    def set_limits(self, score_thresholds: Mapping[str, float], max_range_m: Mapping[str, float]) -> None:
        """Set which boxes are published from now on, by class name; other classes keep the model's limits."""
        ...

    def detect(self, cloud: PointCloud) -> Boxes3d:
        """The objects in a cloud, in its frame."""
        ...


OpenDetector = Callable[[DetectionParameters], ObjectDetector]


def open_detector(settings: DetectionParameters) -> ObjectDetector:
    """The detector of the named model package. Raises BadModelPackage, also for a package of another task, or EngineUnavailable."""
    package = load_model_package(settings.model)
    ego = EgoRegion(settings.ego_radius_m, settings.ego_box_m)
    return Detector(package, settings.engine, settings.threads or None, settings.max_points, ego)


class DetectionTask(Task):
    """Boxes of a cloud, as markers, as a cloud of boxes and, where vision_msgs is installed, as detections."""

    def __init__(self, node: PerceptionNode, open_detector: OpenDetector) -> None:
        super().__init__()
        self._node, self._open_detector = node, open_detector
        self._settings: DetectionParameters | None = None
        self._detector: ObjectDetector | None = None
        self._history: SweepHistory | None = None
        self._patience = Patience()  # with transforms of the newest sweep's time
        self._label_info: LabelInfo | None = None
        self._statistics = AnswerStatistics()

    def load(self, settings: DetectionParameters) -> None:
        """Open the model, then offer the outputs."""
        detector = self._detector = self._open_detector(settings)
        _set_limits(detector, settings.rules)
        self._history = SweepHistory(settings.sweeps, settings.sweeps_max_age_s, settings.max_points)
        self._settings, self._patience = settings, Patience()
        self.outputs.open(self._make_outputs(settings))
        self._label_info = LabelInfo(self._node, lambda: detector.classes, OBJECTS_TOPIC)
        self._node.get_logger().info(f"model {settings.model}: boxes of {', '.join(detector.classes.names)}")

    def _make_outputs(self, settings: DetectionParameters) -> Iterator[Output[ObjectAnswer]]:
        """The outputs, in order of publication: first what programs wait for."""
        yield ObjectBoxes(self._node)
        if (types := DetectionTypes.installed()) is not None:
            yield ObjectDetections(self._node, types)
        yield ObjectMarkers(self._node, settings.marker_lifetime_s)  # slow to make, and only for viewing
        if settings.cameras:
            yield ObjectOverlay(self._node, settings.overlay_width_px, self._node.reporter)

    def stages(self) -> Sequence[str]:
        """Joining sweeps, the detector, and the processing of its boxes."""
        return ("sweeps", "detection", "boxes")

    def reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        """Statistics of the boxes."""
        if self._detector is not None:
            yield "detection", self._statistics.report()

    def motion_told_by(self) -> str | None:
        """The odometry topic, if sweeps are joined."""
        settings = self._settings
        return None if settings is None or settings.sweeps == 1 else settings.odometry_topic

    def prepare(self, settings: DetectionParameters) -> None:
        """Refuse limits of classes that the model does not have."""
        if self._detector is not None:
            settings.rules.require_classes(self._detector.classes)

    def apply(self, settings: DetectionParameters, prepared: None) -> None:
        """Choose the next cloud's boxes by these limits."""
        self._settings = settings
        if self._detector is not None:
            _set_limits(self._detector, settings.rules)

    def warm_up(self) -> None:
        """Compile and touch what the first cloud would otherwise wait for."""
        if self._detector is not None:
            self._detector.warm_up()

    def serve(self, frame: SensorFrame, opinions: Sequence[PointOpinion]) -> Served | None:
        """Join sweeps, find boxes, publish."""
        detector, settings, started_s = self._detector, self._settings, time.perf_counter()
        if detector is None or settings is None:
            return None
        cloud = self._joined(frame.looked_at.cloud, settings)
        joined_s = time.perf_counter()
        detected = detector.detect(cloud)
        tell_engine(self._node.reporter, detector.engine_problem)
        detected_s = time.perf_counter()
        boxes, unusable = usable_boxes(_told_from(cloud.origin_m, detected), detector.classes)
        if unusable:
            self._node.reporter.lasting_problem(
                "faults", f"{unusable} boxes left out: the detector gave an invalid score, class or size"
            )
        found = FoundObjects(
            frame.header, boxes, detector.classes, cloud.origin_m, _second_opinions(frame.cloud, boxes, opinions)
        )
        if state_label(self._node) != "active":
            return None
        self.outputs.publish(ObjectAnswer(found, frame.views))
        self._statistics.add(boxes.class_id, boxes.score, detector.classes.names)
        told_s = time.perf_counter()
        stages_s = {
            "sweeps": joined_s - started_s,
            "detection": detected_s - joined_s,
            "boxes": told_s - detected_s,
            "total": told_s - started_s,
        }
        return Served({stage: 1e3 * duration_s for stage, duration_s in stages_s.items()}, boxes=boxes)

    def unload(self) -> None:
        """Drop the model, and destroy the publishers beside the outputs."""
        if self._label_info is not None:
            self._label_info.close()
        self._detector = self._settings = self._history = self._label_info = None

    def _joined(self, cloud: PointCloud, settings: DetectionParameters) -> PointCloud:
        """The cloud with the sweeps before it; sweeps since which the sensor's motion is unknown are left out and counted."""
        history, transforms = self._history, self._node.transforms
        if history is None or transforms is None:
            return cloud
        wait_until_s = self._patience.until_s(settings.motion_max_wait_s)

        def moved(frame: str, now_ns: int, then_ns: int) -> RigidTransform:
            return transforms.T_now_then(frame, now_ns, then_ns, wait_until_s)

        joined = history.joined(cloud, moved)
        self._patience.ended(in_vain=any(isinstance(error, TransformToCome) for error in joined.left_out))
        if joined.left_out:
            self._tell_left_out(joined.left_out)
        return joined.cloud

    def _tell_left_out(self, errors: Sequence[BadTransform]) -> None:
        self._node.reporter.lasting_problem("unjoined", f"{len(errors)} earlier sweeps left out: {errors[0]}")


def _set_limits(detector: ObjectDetector, rules: BoxRules) -> None:
    """Raises BadConfig for limits of a class that the detector does not have."""
    detector.set_limits(rules.min_scores(detector.classes), rules.max_ranges_m(detector.classes))


def _told_from(origin_m: tuple[float, float, float], boxes: Boxes3d) -> Boxes3d:
    """Boxes of the frame, relative to the origin of the cloud's points, which have one of their own when far away."""
    return replace(boxes, boxes=boxes.boxes - np.array([*origin_m, 0.0, 0.0, 0.0, 0.0]))


def _second_opinions(cloud: PointCloud, boxes: Boxes3d, opinions: Sequence[PointOpinion]) -> tuple[SecondOpinion, ...]:
    return tuple(
        SecondOpinion(each.source, each.classes, majority_in_boxes(cloud.xyz_m, each.class_id, boxes.boxes))
        for each in opinions
    )
