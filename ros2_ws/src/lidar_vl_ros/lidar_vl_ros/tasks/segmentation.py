"""Segmentation as a task of a node: one class for each point, by words where the model understands them."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from std_srvs.srv import Trigger

from lidar_vl_core.black_box.triggers import PointAnswer
from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.foundation.errors import BadRequest, LidarVlError
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_ros.health.answer_statistics import AnswerStatistics
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.output import Output
from lidar_vl_ros.node.perception_node import PerceptionNode
from lidar_vl_ros.outputs.answer import Answer
from lidar_vl_ros.outputs.camera_overlay import CameraOverlay
from lidar_vl_ros.outputs.coloured_cloud import ColouredCloud
from lidar_vl_ros.outputs.label_info import LabelInfo
from lidar_vl_ros.outputs.labelled_cloud import LabelledCloud
from lidar_vl_ros.parameters.each_node import SegmentationParameters
from lidar_vl_ros.tasks.asked_words import AskedWords, asked_words
from lidar_vl_ros.tasks.camera_ensemble import IMAGE_AGE, CameraEnsemble
from lidar_vl_ros.tasks.cloud_colours import COLOURS, CloudColours
from lidar_vl_ros.tasks.labels_under_load import LabelsUnderLoad
from lidar_vl_ros.tasks.task import PointOpinion, Served, Task, tell_engine
from lidar_vl_ros.tasks.word_changes import WordChanges

RELOAD_VOCABULARY = "~/reload_vocabulary"
_STAGES = ("voxels", "maps", "network", "labels")
_CAMERA_STAGES = ("image_encoder", "fusion", IMAGE_AGE)

OpenSegmenter = Callable[[SegmentationParameters], Segmenter]


def open_segmenter(settings: SegmentationParameters) -> Segmenter:
    """The segmenter of the named model package. Raises BadConfig, BadModelPackage or EngineUnavailable."""
    package = load_model_package(settings.model)
    ego = EgoRegion(settings.ego_radius_m, settings.ego_box_m)
    return Segmenter(package, settings.engine, settings.threads or None, settings.max_points, ego)


class SegmentationTask(Task):
    """A class for each point of a cloud, in the order and with the header of the input."""

    def __init__(self, node: PerceptionNode, open_segmenter: OpenSegmenter) -> None:
        super().__init__()
        self._node, self._open_segmenter = node, open_segmenter
        self._settings: SegmentationParameters | None = None
        self._segmenter: Segmenter | None = None
        self._ensemble: CameraEnsemble | None = None
        self._colours: CloudColours | None = None
        self._words: WordChanges | None = None  # of a model that knows words
        self._load: LabelsUnderLoad | None = None
        self._label_info: LabelInfo | None = None
        self._statistics = AnswerStatistics()
        node.create_service(Trigger, RELOAD_VOCABULARY, self._reload_vocabulary)

    def load(self, settings: SegmentationParameters) -> None:
        """Open the model, then offer the outputs."""
        segmenter = self._segmenter = self._open_segmenter(settings)
        asked = asked_words(segmenter, settings)
        if segmenter.own_table is not None:
            self._words = WordChanges(segmenter, self._node.reporter, self._words_changed)
            self._words.begin_with(asked)
        if settings.ensemble:
            self._ensemble = CameraEnsemble(self._node.reporter, settings, segmenter)
        self._colours = CloudColours(self._node.reporter, settings, segmenter)
        self._load = LabelsUnderLoad(self._node, self._node.health, self._node.reporter, settings, segmenter)
        self._settings = settings
        self.outputs.open(self._make_outputs(settings))
        self._label_info = LabelInfo(self._node, lambda: segmenter.classes)
        self._node.get_logger().info(f"model {settings.model}: {', '.join(segmenter.classes.names)}")

    def _make_outputs(self, settings: SegmentationParameters) -> Iterator[Output[Answer]]:
        """The outputs, in order of publication."""
        yield LabelledCloud(self._node)
        yield ColouredCloud(self._node)
        if settings.cameras:
            yield CameraOverlay(self._node, settings.overlay_width_px, self._node.reporter)

    def stages(self) -> Sequence[str]:
        """The stages, including those of the images if they take part."""
        colours = (COLOURS,) if self._colours is not None and self._colours.is_used else ()
        return (*_STAGES, *colours, *(() if self._ensemble is None else _CAMERA_STAGES))

    def images_needed(self) -> bool:
        """Whether a cloud is labelled by its own images, too, or gets its colours from them."""
        return any(each is not None and each.waits_for_images for each in (self._ensemble, self._colours))

    def picture_came(self, name: str, paired: Paired, load_rgb: Callable[[], np.ndarray]) -> None:
        """Pass the image, (H, W, 3) when loaded, to the ensemble, if there is one."""
        if self._ensemble is not None:
            self._ensemble.picture_came(name, paired, load_rgb)

    def reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        """Statistics of the labels, and the age and share of the images that take part."""
        if self._segmenter is not None:
            yield "segmentation", self._statistics.report()
        if (words := self._words) is not None:
            yield "words", words.report()
        if (ensemble := self._ensemble) is not None:
            yield "ensemble", ensemble.report()

    def motion_told_by(self) -> str | None:
        """The odometry topic, if images from another time than the cloud's take part."""
        ensemble, settings = self._ensemble, self._settings
        return None if ensemble is None or settings is None or ensemble.waits_for_images else settings.odometry_topic

    def extra_fields(self) -> Sequence[str]:
        """The fields to copy into the labelled cloud."""
        return () if self._settings is None else self._settings.extra_fields

    def reads_colours(self) -> bool:
        """Whether the network reads colours."""
        return self._loaded().reads_colours

    def prepare(self, settings: SegmentationParameters) -> AskedWords:
        """The words requested while the node is configured; nothing is embedded yet."""
        return asked_words(self._loaded(), settings)

    def apply(self, settings: SegmentationParameters, prepared: AskedWords) -> None:
        """Label by these words: from the next cloud on by known ones, later by those that are to be embedded."""
        self._settings = settings
        if self._words is not None and not self._words.ask(prepared):
            self._node.get_logger().info(self._words.told)

    def must_retry(self) -> bool:
        """Whether the last words could not be embedded."""
        return self._words is not None and self._words.failed

    def warm_up(self) -> None:
        """Compile and touch what the first cloud would otherwise wait for."""
        warmed_up = self._ensemble or self._segmenter
        if warmed_up is not None:
            warmed_up.warm_up()

    def serve(self, frame: SensorFrame, opinions: Sequence[PointOpinion]) -> Served | None:
        """Label, publish, report."""
        label_info = self._label_info
        if label_info is None:
            return None
        with label_info.of_a_cloud() as tell_classes:
            segmenter = self._segmenter
            labels = self._labels(frame)
            if segmenter is None or labels is None or state_label(self._node) != "active":
                return None
            tell_engine(self._node.reporter, segmenter.engine_problem)
            classes = labels.classes or segmenter.classes
            answer = Answer(frame.header, frame.cloud, labels.class_id, labels.probability, classes, frame.views)
            tell_classes(answer.classes, frame.cloud.stamp_ns)
            self.outputs.publish(answer)
        self._statistics.add(labels.class_id, labels.probability, classes.names)
        said = {"segmentation": labels.class_id, "images": labels.picture_class_id}
        told = [PointOpinion(who, of_points, classes) for who, of_points in said.items() if of_points is not None]
        points = PointAnswer(labels.class_id, labels.probability, len(classes), labels.disagreement)
        return Served(labels.timing_ms, tuple(told), points)

    def unload(self) -> None:
        """Drop the model, and destroy the publishers beside the outputs."""
        if self._label_info is not None:
            self._label_info.close()
        if self._ensemble is not None:
            self._ensemble.close()
        if self._words is not None:
            self._words.close()
        self._segmenter = self._ensemble = self._settings = self._label_info = self._load = self._words = None
        self._colours = None

    def _labels(self, frame: SensorFrame) -> PointLabels | None:
        """Labels of all points of the cloud; None if the model was released in the meantime."""
        ensemble, load, colours, began_s = self._ensemble, self._load, self._colours, time.perf_counter()
        if colours is not None and colours.is_used:
            frame = colours.given_to(frame)
        few, coloured_ms = frame.looked_at, 1e3 * (time.perf_counter() - began_s)
        if ensemble is not None:
            labels = ensemble.labels(frame)
        elif load is not None:
            labels = load.labels(few.cloud)
        else:
            return None
        class_id, probability = few.spread(labels.class_id, IGNORE_ID), few.spread(labels.probability, 0.0)
        of_pictures = None if labels.picture_class_id is None else few.spread(labels.picture_class_id, IGNORE_ID)
        timing_ms = labels.timing_ms
        if colours is not None and colours.is_used:
            timing_ms = {**timing_ms, COLOURS: coloured_ms, "total": timing_ms["total"] + coloured_ms}
        return replace(
            labels, class_id=class_id, probability=probability, picture_class_id=of_pictures, timing_ms=timing_ms
        )

    def _loaded(self) -> Segmenter:
        if self._segmenter is None:
            raise BadRequest("node: expected a loaded model, found none. Configure the node first.")
        return self._segmenter

    def _words_changed(self) -> None:
        if self._segmenter is not None and self._label_info is not None:
            self._label_info.changed()
            self._node.get_logger().info(f"looking for {', '.join(self._segmenter.classes.names)}")

    def _reload_vocabulary(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            segmenter, settings, words = self._loaded(), self._settings, self._words
            if settings is None or not settings.vocabulary or words is None:
                raise BadRequest("vocabulary: expected this parameter to give a name or a file, found it empty.")
            words.ask(asked_words(segmenter, settings))
            response.success, response.message = True, words.told
        except Exception as error:  # one that leaves this callback would leave the caller unanswered
            if not isinstance(error, LidarVlError):
                self._node.reporter.fault("faults", error)
            response.success, response.message = False, " ".join(str(error).split()) or repr(error)
        return response
