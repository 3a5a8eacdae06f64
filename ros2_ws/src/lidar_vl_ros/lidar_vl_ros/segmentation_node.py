"""One class per LiDAR point: clouds in, labelled clouds out, with the same header and in the same order."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger

from lidar_vl_core.cameras.camera_queue import Paired
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadRequest, LidarVlError
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import PointLabels, Segmenter
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_ros.asked_words import asked_table
from lidar_vl_ros.cameras.ensemble import CAMERA_STAGES, CameraEnsemble
from lidar_vl_ros.health.lifecycle_state import state_label
from lidar_vl_ros.node.cloud_reading import CloudReading
from lidar_vl_ros.node.output import Output
from lidar_vl_ros.node.perception_node import PerceptionNode
from lidar_vl_ros.node.settings import SegmentationParameters
from lidar_vl_ros.outputs.answer import Answer
from lidar_vl_ros.outputs.camera_overlay import CameraOverlay
from lidar_vl_ros.outputs.coloured_cloud import ColouredCloud
from lidar_vl_ros.outputs.label_info import LabelInfo
from lidar_vl_ros.outputs.labelled_cloud import LabelledCloud
from lidar_vl_ros.outputs.stage_times import StageTimes
from lidar_vl_ros.process.run_node import run_node

RELOAD_VOCABULARY = "~/reload_vocabulary"
_STAGES = ("voxels", "maps", "network", "labels", "total")


def open_segmenter(settings: SegmentationParameters) -> Segmenter:
    """The segmenter of the named model package. Raises BadConfig, BadModelPackage or EngineUnavailable."""
    package = load_model_package(settings.model)
    ego = EgoRegion(settings.ego_radius_m, settings.ego_box_m)
    return Segmenter(package, engine=settings.engine, threads=settings.threads or None, ego=ego)


class SegmentationNode(PerceptionNode):
    """~/input/pointcloud -> ~/output/pointcloud/segmentation, and what else is told of the answer."""

    def __init__(
        self,
        open_segmenter: Callable[[SegmentationParameters], Segmenter] = open_segmenter,
        **node_options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__("segmentation_node", SegmentationParameters, **node_options)
        self._open_segmenter = open_segmenter
        self._segmenter: Segmenter | None = None
        self._ensemble: CameraEnsemble | None = None
        self._label_info: LabelInfo | None = None
        self._times: StageTimes | None = None
        self._reading: CloudReading | None = None
        self.create_service(Trigger, RELOAD_VOCABULARY, self._reload_vocabulary)

    def load(self, settings: SegmentationParameters) -> None:
        """Open the model, then offer the outputs."""
        segmenter = self._segmenter = self._open_segmenter(settings)
        self._use(segmenter, asked_table(segmenter, settings))
        if settings.ensemble:
            self._ensemble = CameraEnsemble(self, settings, segmenter, self.reporter, self.steady, self.hand_over)
        self._reading = CloudReading(self, settings, segmenter.reads_colours)
        self.outputs.open(self._make_outputs(settings))
        self._times = StageTimes(self, (*_STAGES, *CAMERA_STAGES) if settings.ensemble else _STAGES)
        self._label_info = LabelInfo(self, lambda: segmenter.classes)
        self.get_logger().info(f"model {settings.model}: {', '.join(segmenter.classes.names)}")

    def _make_outputs(self, settings: SegmentationParameters) -> Iterator[Output[Answer]]:
        """What is told of each answer, in this order."""
        yield LabelledCloud(self)
        yield ColouredCloud(self)
        if settings.camera_topics:
            yield CameraOverlay(self, settings, self.reporter, self.steady)

    def prepare(self, settings: SegmentationParameters) -> TextTable | None:
        """The text table of words that are asked for while the node is configured."""
        return asked_table(self._loaded(), settings)

    def apply(self, prepared: TextTable | None) -> None:
        """Label the next cloud with these words."""
        segmenter = self._loaded()
        self._use(segmenter, prepared)
        if self._label_info is not None:
            self._label_info.changed()
        self.get_logger().info(f"looks for {', '.join(segmenter.classes.names)}")

    def warm_up(self) -> None:
        """Compile and touch what the first cloud would otherwise wait for."""
        if self._ensemble is not None:
            self._ensemble.warm_up()
        elif self._segmenter is not None:
            self._segmenter.warm_up()

    def take(self, message: PointCloud2) -> None:
        """Let the cloud wait for its images where they have a say."""
        if self._ensemble is not None:
            self._ensemble.add_cloud(message)
        else:
            super().take(message)

    def listen(self) -> None:
        """Begin to listen to cameras that have a say."""
        if self._ensemble is not None:
            self._ensemble.start()

    def stop_listening(self) -> int:
        """End it, and forget the clouds that wait for images."""
        return 0 if self._ensemble is None else self._ensemble.stop()

    def serve(self, message: PointCloud2, images: Mapping[str, Paired]) -> None:
        """Read, ask the core, write, report."""
        label_info, times, reading = self._label_info, self._times, self._reading
        if label_info is None or times is None or reading is None:
            self.health.count("discarded")
            return
        with label_info.of_a_cloud() as tell_classes:
            cloud = reading.cloud_of(message)
            segmenter = self._segmenter
            labels = self._labels(cloud, images)
            if segmenter is None or labels is None or state_label(self) != "active":
                self.health.count("discarded")
                return
            answer = Answer(
                message.header, cloud, labels.class_id, labels.probability, labels.classes or segmenter.classes
            )
            tell_classes(answer.classes, cloud.stamp_ns)
            self.outputs.publish(answer)
        latency_ms = self.age_ms(message)
        self.health.served(labels.timing_ms, latency_ms)
        times.publish(labels.timing_ms, latency_ms)

    def unload(self) -> None:
        """Drop the model and withdraw what is told beside the outputs."""
        for part in (self._ensemble, self._times, self._label_info):
            if part is not None:
                part.close()
        self._segmenter = self._ensemble = self._times = self._label_info = self._reading = None

    def forget(self) -> None:
        """Let pictures and clouds of different rounds not be paired."""
        if self._ensemble is not None:
            self._ensemble.forget()

    def _labels(self, cloud: PointCloud, images: Mapping[str, Paired]) -> PointLabels | None:
        """None where the model was given back meanwhile."""
        ensemble, segmenter = self._ensemble, self._segmenter
        if ensemble is not None:
            return ensemble.segment(cloud, images)
        return None if segmenter is None else segmenter.segment(cloud)

    def _loaded(self) -> Segmenter:
        if self._segmenter is None:
            raise BadRequest("node: expected a loaded model, found none. Configure the node first.")
        return self._segmenter

    @staticmethod
    def _use(segmenter: Segmenter, table: TextTable | None) -> None:
        if table is not None:
            segmenter.set_table(table)

    def _reload_vocabulary(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        try:
            segmenter = self._loaded()
            if not self.settings.vocabulary:
                raise BadRequest("vocabulary: expected a name or a file in this parameter, found none. Set it.")
            self.apply(asked_table(segmenter, self.settings))
            response.success, response.message = True, f"looks for {', '.join(segmenter.classes.names)}"
        except Exception as error:  # one that leaves this callback would leave the caller unanswered
            if not isinstance(error, LidarVlError):
                self.reporter.fault("faults", error)
            response.success, response.message = False, " ".join(str(error).split()) or repr(error)
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run_node(SegmentationNode, SegmentationParameters, args)


if __name__ == "__main__":
    sys.exit(main())
