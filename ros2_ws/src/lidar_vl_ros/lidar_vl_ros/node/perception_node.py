"""A node that reads every cloud with its images and has it processed; owns the inputs while it is configured."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_ros.black_box.black_box import BlackBox
from lidar_vl_ros.black_box.raw_topics import topics_to_remember
from lidar_vl_ros.health.diagnostics import Diagnostics
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.inputs.cameras import Cameras
from lidar_vl_ros.inputs.cloud_age import CloudAge
from lidar_vl_ros.inputs.cloud_assembly import CloudAssembly, MissingLidar
from lidar_vl_ros.inputs.cloud_input import INPUT_TOPIC, CloudInput
from lidar_vl_ros.inputs.cloud_reading import CloudReading
from lidar_vl_ros.inputs.front_end import FrontEnd
from lidar_vl_ros.inputs.live_transforms import LiveTransforms
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.node.calibration_watch import CalibrationWatch
from lidar_vl_ros.node.node_duties import NodeDuties
from lidar_vl_ros.node.output import Outputs
from lidar_vl_ros.node.serving_lifecycle import ServingLifecycle
from lidar_vl_ros.parameters import ros_parameters
from lidar_vl_ros.parameters.changes import ParameterChanges
from lidar_vl_ros.parameters.node_parameters import NodeParameters


class _Arrived(NamedTuple):
    message: PointCloud2
    images: Mapping[str, Paired]


class PerceptionNode(NodeDuties, ServingLifecycle[_Arrived]):
    """Reads and pairs each cloud for a subclass; the cloud waits in one slot, and ends in one of the counters."""

    def __init__(self, name: str, settings_type: type[NodeParameters], **node_options: Any) -> None:  # noqa: ANN401
        super().__init__(name, **node_options)
        self.settings: Any = None  # an instance of settings_type while configured
        self._settings_type = settings_type
        self._front_end: FrontEnd | None = None
        self.transforms: LiveTransforms | None = None  # while configured
        self.black_box: BlackBox | None = None  # while configured, where it is asked for
        self._assembly: CloudAssembly | None = None
        self._calibration: CalibrationWatch | None = None
        self.outputs = Outputs()
        ros_parameters.declare(self, settings_type)
        ParameterChanges(self, settings_type, self.prepare, self._take_over, self.callback_failed)
        self.diagnostics = Diagnostics(
            self, self.health, self.reporter, lambda: self._input.topic, self._other_reports, self.steady
        )
        self._age = CloudAge(self, self.reporter)
        self._input = CloudInput(self, self.health, self.reporter, self._received, self._clock_jumped_back)
        self.start()

    def open(self) -> None:
        """Check the parameters and open the model; it warms up in the worker."""
        self.settings = ros_parameters.read(self, self._settings_type)
        self.transforms = LiveTransforms(self, self.settings.static_transforms)
        self._front_end = self._open_front_end(self.settings, self.transforms)
        self.load(self.settings)
        self._assembly = self._open_assembly(self.settings, self.transforms)
        if self.settings.cameras and self.settings.calibration_check_s:
            self._calibration = CalibrationWatch(self, self.reporter, self.settings.calibration_check_s)
            self.outputs.open([self._calibration])
        self.black_box = self._open_black_box(self.settings)

    def shut(self) -> None:
        """Release model, threads and publishers."""
        for opened in (self._front_end, self.black_box):
            if opened is not None:
                opened.close()
        self._front_end = self._assembly = self._calibration = self.transforms = self.black_box = None
        self.outputs.close()
        self.unload()

    def close(self) -> None:
        """Stop for good, before the node is destroyed."""
        super().close()
        self._input.close()

    def _open_front_end(self, settings: NodeParameters, transforms: LiveTransforms) -> FrontEnd:
        cameras = Cameras(self, settings.cameras, transforms, self.reporter)
        waits_s, needed = (settings.camera_max_wait_s, settings.tf_max_wait_s), self._images_needed
        return FrontEnd(self, cameras, *waits_s, self.reporter, self.steady, needed, self._hand_over, self.picture_came)

    def _images_needed(self) -> bool:
        """Whether the next cloud is to wait for its images; otherwise they are paired, but neither placed nor decoded."""
        return self.images_needed() or self.outputs.needs_images()

    def _open_assembly(self, settings: NodeParameters, transforms: LiveTransforms) -> CloudAssembly:
        fields, colours, times = self.extra_fields(), self.reads_colours(), settings.compensate_motion

        def open_reading(full_scale: float, is_main: bool) -> CloudReading:
            most = settings.max_points
            return CloudReading(self, self.reporter, full_scale or None, most, fields, colours, times, not is_main)

        return CloudAssembly(self, self.reporter, transforms, settings, open_reading)

    def _open_black_box(self, settings: NodeParameters) -> BlackBox | None:
        if not settings.black_box.folder:
            return None
        return BlackBox(self, self.reporter, settings.black_box, settings.static_transforms)

    def age_ms(self, header: Header) -> float | None:
        """Milliseconds from a cloud's stamp to now on the node's clock; None if unknown."""
        return self._age.known_ms(header)

    def callback_failed(self, error: Exception) -> None:
        """Report an exception that escaped from a callback."""
        self.reporter.fault("faults", error)

    def _take_over(self, settings: Any, prepared: Any) -> None:  # noqa: ANN401
        self.settings = settings
        self.apply(prepared)

    def listen(self) -> None:
        """Subscribe to clouds, images and transforms."""
        if self._front_end is None or self.transforms is None or self._assembly is None:
            return
        self.health.started(time.monotonic_ns(), self.settings.limits)
        self._input.listen()
        self._front_end.start()
        self._assembly.start()
        odometry_topic = self.motion_told_by()
        if self.settings.cameras or odometry_topic is not None:
            self.transforms.listen(odometry_topic or "")
        if self.black_box is not None:
            clouds = [INPUT_TOPIC, *(lidar.topic for lidar in self.settings.lidars.values())]
            self.black_box.listen(topics_to_remember(clouds, self.settings.cameras, odometry_topic or ""))
        self.get_logger().info(f"serving {self._input.topic}, {self._front_end.told}")

    def stop_listening(self) -> None:
        """Unsubscribe; clouds that wait for their images are dropped and counted."""
        self._input.stop()
        if self._front_end is not None and (forgotten := self._front_end.stop()):
            self.health.count("discarded", forgotten)
        for listening in (self._assembly, self.transforms, self.black_box):
            if listening is not None:
                listening.stop()

    def _received(self, message: PointCloud2, sender: int) -> None:
        if not self.outputs.wanted() or self._front_end is None:
            self.health.count("unwatched")
        else:
            self._front_end.add_cloud(message, sender)

    def _hand_over(self, message: PointCloud2, images: Mapping[str, Paired]) -> None:
        self.hand_over(_Arrived(message, images))

    def _clock_jumped_back(self) -> None:
        if self._front_end is not None:
            self._front_end.restart()

    def _other_reports(self, now_ns: int) -> Iterable[tuple[str, Report]]:
        front_end, assembly = self._front_end, self._assembly
        if front_end is None or assembly is None:
            return ()
        of_calibration = () if self._calibration is None else self._calibration.reports()
        of_box = () if self.black_box is None else (("black box", self.black_box.report()),)
        return (*front_end.reports(now_ns), *assembly.reports(), *of_calibration, *self.reports(now_ns), *of_box)

    def answer(self, arrived: _Arrived) -> None:
        """Read a cloud and what belongs to it, and process it."""
        front_end, assembly = self._front_end, self._assembly
        if front_end is None or assembly is None:
            self.health.count("discarded")
        elif not self._age.refuses(arrived.message.header, self.settings.max_input_age_ms):
            cloud = assembly.cloud_of(arrived.message)
            views = front_end.views(arrived.images, cloud)
            frame = SensorFrame(arrived.message.header, cloud, assembly.looked_at(cloud), views)
            if (calibration := self._calibration) is not None:
                calibration.look_at(frame)
            self.serve(frame)

    def answering_failed(self, error: Exception) -> None:
        """Count a cloud that could not be read or processed."""
        if isinstance(error, BadPointCloud):
            self.reporter.problem("unpaired" if isinstance(error, MissingLidar) else "bad", f"cloud dropped: {error}")
        elif self.context.ok():
            self.reporter.fault("failed", error)
