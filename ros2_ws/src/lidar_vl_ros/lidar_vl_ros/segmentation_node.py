"""One class per LiDAR point: clouds in, labelled clouds out, with the same header and in the same order."""

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Float64, Header
from std_srvs.srv import Trigger

from lidar_vl_core.cameras.synchronisation import Paired
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.errors import BadRequest, LidarVlError
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import PointLabels, Segmenter
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_ros.asked_words import asked_table
from lidar_vl_ros.health.reporter import state_label
from lidar_vl_ros.messages.class_names import ClassNames
from lidar_vl_ros.messages.conversion import coloured_cloud, label_info, labelled_cloud, vision_label_info
from lidar_vl_ros.node.parameters import SegmentationParameters
from lidar_vl_ros.node.perception_node import PerceptionNode
from lidar_vl_ros.node.qos import LATCHED, OUTPUT, publisher_events
from lidar_vl_ros.process.run_node import run_node

if TYPE_CHECKING:
    from lidar_vl_ros.cameras.camera_ensemble import CameraEnsemble
    from lidar_vl_ros.cameras.camera_overlay_output import CameraOverlayOutput

LABELLED = "~/output/pointcloud/segmentation"
COLOURED = "~/output/pointcloud/visualization"
OVERLAY = "~/output/image/overlay"
LABEL_INFO = "~/output/label_info"
VISION_LABEL_INFO = "~/output/vision_label_info"
RELOAD_VOCABULARY = "~/reload_vocabulary"
_STAGES = ("voxels", "maps", "network", "labels", "total")


def open_segmenter(settings: SegmentationParameters) -> Segmenter:
    """The segmenter of the named model package. Raises BadModelPackage or EngineUnavailable."""
    package = load_model_package(settings.model)
    return Segmenter(package, engine=settings.engine, threads=settings.threads or None)


class SegmentationNode(PerceptionNode):
    """~/input/pointcloud -> ~/output/pointcloud/segmentation, and a coloured cloud while somebody looks at it."""

    def __init__(
        self,
        open_segmenter: Callable[[SegmentationParameters], Segmenter] = open_segmenter,
        **node_options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__("segmentation_node", SegmentationParameters, **node_options)
        self._open_segmenter = open_segmenter
        self._segmenter: Segmenter | None = None
        self._outputs: dict[str, Any] = {}
        self._overlay: CameraOverlayOutput | None = None
        self._ensemble: CameraEnsemble | None = None
        self._names: ClassNames | None = None
        self.create_service(Trigger, RELOAD_VOCABULARY, self._reload_vocabulary)

    def load(self, settings: SegmentationParameters) -> None:
        """Open the model, then offer the outputs."""
        segmenter = self._segmenter = self._open_segmenter(settings)
        self._use(segmenter, asked_table(segmenter, settings))
        for topic in (LABELLED, COLOURED):
            self._offer(topic, PointCloud2, OUTPUT)
        for stage in (*_STAGES, "pipeline_latency"):
            self._offer(f"~/debug/{stage}_ms", Float64, OUTPUT)
        if settings.ensemble:
            from lidar_vl_ros.cameras.camera_ensemble import STAGES, CameraEnsemble

            self._ensemble = CameraEnsemble(self, settings, segmenter, self.reporter, self.steady, self.hand_over)
            for stage in STAGES:
                self._offer(f"~/debug/{stage}_ms", Float64, OUTPUT)
        if settings.camera_topics:
            from lidar_vl_ros.cameras.camera_overlay_output import CameraOverlayOutput

            self._offer(OVERLAY, Image, OUTPUT)
            self._overlay = CameraOverlayOutput(self, self._outputs[OVERLAY], settings, self.reporter, self.steady)
        for topic, message in _class_messages(segmenter.classes).items():
            self._outputs[topic] = self.create_publisher(type(message), topic, LATCHED)
        self._names = ClassNames(self._tell_classes, lambda: segmenter.classes)
        self._names.changed()
        self.get_logger().info(f"model {settings.model}: {', '.join(segmenter.classes.names)}")

    def prepare(self, settings: SegmentationParameters) -> TextTable | None:
        """The text table of words that are asked for while the node is configured."""
        return asked_table(self._loaded(), settings)

    def apply(self, prepared: TextTable | None) -> None:
        """Label the next cloud with these words."""
        segmenter = self._loaded()
        self._use(segmenter, prepared)
        if self._names is not None:
            self._names.changed()
        self.get_logger().info(f"looks for {', '.join(segmenter.classes.names)}")

    def warm_up(self) -> None:
        """Compile and touch what the first cloud would otherwise wait for."""
        if self._ensemble is not None:
            self._ensemble.warm_up()
        elif self._segmenter is not None:
            self._segmenter.warm_up()

    def wanted(self) -> bool:
        """Whether anybody listens to a cloud or looks at the overlay."""
        looked_at = (self._outputs[topic] for topic in (LABELLED, COLOURED, OVERLAY) if topic in self._outputs)
        return any(publisher.get_subscription_count() for publisher in looked_at)

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
        if self._names is None:
            self.health.count("discarded")
            return
        with self._names.of_a_cloud() as tell_classes:
            cloud = decode(message, self.settings.extra_fields, self.settings.intensity_max or None)
            segmenter = self._segmenter
            labels = self._labels(cloud, images)
            if segmenter is None or labels is None or state_label(self) != "active":
                self.health.count("discarded")
                return
            classes = labels.classes or segmenter.classes
            tell_classes(classes, cloud.stamp_ns)
            self._publish_clouds(message.header, cloud, labels, classes)
        latency_ms = self.age_ms(message)
        self.health.served(labels.timing_ms, latency_ms)
        self._publish_timing(labels.timing_ms, latency_ms)

    def unload(self) -> None:
        """Drop the model and withdraw the outputs."""
        for camera_part in (self._overlay, self._ensemble):
            if camera_part is not None:
                camera_part.close()
        self._overlay = self._ensemble = None
        for publisher in self._outputs.values():
            self.destroy_lifecycle_publisher(publisher)
        self._outputs, self._segmenter, self._names = {}, None, None

    def time_jumped_back(self) -> None:
        """Let pictures and clouds of different rounds not be paired."""
        for camera_part in (self._overlay, self._ensemble):
            if camera_part is not None:
                camera_part.forget()

    def _labels(self, cloud: PointCloud, images: Mapping[str, Paired]) -> PointLabels | None:
        """None where the model was given back meanwhile."""
        ensemble, segmenter = self._ensemble, self._segmenter
        if ensemble is not None:
            return ensemble.segment(cloud, images)
        return None if segmenter is None else segmenter.segment(cloud)

    def _publish_clouds(self, header: Header, cloud: PointCloud, labels: PointLabels, classes: ClassTable) -> None:
        self.publish(self._outputs[LABELLED], labelled_cloud(header, cloud, labels.class_id, labels.probability))
        if self._outputs[COLOURED].get_subscription_count():
            coloured = coloured_cloud(header, cloud, labels.class_id, classes)
            self.publish(self._outputs[COLOURED], coloured)
        if self._overlay is not None:
            self._overlay.add_cloud(header, cloud, labels.class_id, classes)

    def _publish_timing(self, timing_ms: dict[str, float], latency_ms: float | None) -> None:
        for stage, duration_ms in timing_ms.items():
            if f"~/debug/{stage}_ms" in self._outputs:
                self.publish(self._outputs[f"~/debug/{stage}_ms"], Float64(data=float(duration_ms)))
        if latency_ms is not None:
            self.publish(self._outputs["~/debug/pipeline_latency_ms"], Float64(data=latency_ms))

    def _tell_classes(self, classes: ClassTable, after_stamp_ns: int) -> None:
        for topic, message in _class_messages(classes, after_stamp_ns).items():
            if topic in self._outputs:
                self.publish(self._outputs[topic], message)

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

    def _offer(self, topic: str, message_type: type, profile: Any) -> None:  # noqa: ANN401
        events = publisher_events(self.resolve_topic_name(topic), self.get_logger().warning)
        self._outputs[topic] = self.create_lifecycle_publisher(message_type, topic, profile, event_callbacks=events)


def _class_messages(classes: ClassTable, after_stamp_ns: int = 0) -> dict[str, Any]:
    """By topic, of the message types that are installed."""
    messages = {LABEL_INFO: label_info(classes, after_stamp_ns), VISION_LABEL_INFO: vision_label_info(classes)}
    return {topic: message for topic, message in messages.items() if message is not None}


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return run_node(SegmentationNode, SegmentationParameters, args)


if __name__ == "__main__":
    sys.exit(main())
