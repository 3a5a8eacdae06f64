"""The front end of a node: clouds and images arrive independently, each cloud is handed over once, with its images."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.clock import Clock
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2

from lidar_vl_core.cameras.image import decode_image
from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.cameras.synchronisation.clouds_of_senders import CloudsOfSenders
from lidar_vl_core.cameras.synchronisation.clouds_with_images import CloudsWithImages
from lidar_vl_core.cameras.synchronisation.frame import Frame
from lidar_vl_core.cameras.view import CameraView, DecodedOnce
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import LidarVlError
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_ros.health.camera_health import CameraHealth, told_in_a_line
from lidar_vl_ros.health.health import OK, Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.sensor_frame import CloudViews
from lidar_vl_ros.messages.publishers import told_publishers

if TYPE_CHECKING:
    from lidar_vl_ros.inputs.cameras import Cameras

_POLL_S = 0.01  # while a cloud waits

HandOver = Callable[[PointCloud2, Mapping[str, Paired]], None]
PictureCame = Callable[[str, Paired, Callable[[], np.ndarray]], None]


class FrontEnd:
    """Pairs clouds with images while the node serves. `views` may be called from any thread, the rest only from the executor's."""

    def __init__(
        self,
        node: LifecycleNode,
        cameras: "Cameras",
        max_wait_s: float,
        place_max_wait_s: float,
        reporter: Reporter,
        steady: Clock,
        images_needed: Callable[[], bool],
        hand_over: HandOver,
        picture_came: PictureCame,
    ) -> None:
        """max_wait_s, place_max_wait_s: as for CloudsWithImages. images_needed: called for every cloud, whether to wait for its images.

        picture_came: called with every image, whatever cloud it belongs to, and its decoder, which raises LidarVlError.
        """
        self._node, self._cameras, self._reporter = node, cameras, reporter
        parameters = self._parameters = cameras.parameters
        self._required = frozenset(name for name, camera in parameters.items() if camera.required)
        self._images_needed, self._hand_over, self._picture_came = images_needed, hand_over, picture_came
        timings = [camera.timing(name) for name, camera in parameters.items()]
        self._clouds = CloudsOfSenders(
            lambda: CloudsWithImages(timings, max_wait_s, self._is_place_to_come, place_max_wait_s)
        )
        self._health = {name: CameraHealth(camera.required) for name, camera in parameters.items()}
        self._listens = False
        self._timer = node.create_timer(_POLL_S, self._poll, clock=steady)
        self._timer.cancel()

    @property
    def told(self) -> str:
        """The cameras in use, in a few words."""
        if not self._parameters:
            return "LiDAR only, as no cameras.NAME.topic is set"
        return "with " + ", ".join(
            f"camera {name} ({camera.topic}{', required' if camera.required else ''})"
            for name, camera in self._parameters.items()
        )

    def start(self) -> None:
        """Subscribe to the cameras."""
        self._cameras.start(self._add_image)
        self._listens = True

    def stop(self) -> int:
        """Unsubscribe, and log what became of the images; returns how many waiting clouds are discarded."""
        if self._listens:
            self._listens = False
            for name, state in self._clouds.camera_states(time.monotonic_ns()).items():
                self._node.get_logger().info(f"camera {name}: {told_in_a_line(self._health[name].values(state))}")
        self._cameras.stop()
        self._timer.cancel()
        return self._clouds.stop()

    def close(self) -> None:
        """Destroy timer and subscriptions."""
        self.stop()
        self._node.destroy_timer(self._timer)

    def restart(self) -> None:
        """Start over after a jump of the clock; waiting clouds leave with the images they have."""
        self._give_out(self._clouds.restart())

    def add_cloud(self, message: PointCloud2, sender: int) -> None:
        """Take a cloud, and hand it over now or when its images have arrived. sender: a key for its sender."""
        needed = bool(self._parameters) and (bool(self._required) or self._images_needed())
        stamp, now_ns = stamp_ns(message.header.stamp), time.monotonic_ns()
        self._give_out(self._clouds.add_cloud(sender, stamp, message, now_ns, needed))
        if self._clouds.waits:
            self._timer.reset()

    def views(self, images: Mapping[str, Paired], cloud: PointCloud) -> CloudViews:
        """The views of a cloud that was handed over with these images; unusable ones are reported."""
        return CloudViews(images, cloud, self._view, self._cameras.place_at)

    def reports(self, now_ns: int) -> Iterator[tuple[str, Report]]:
        """How each camera keeps up, by the name of its diagnostics; empty while not subscribed."""
        if not self._listens:
            return
        self._cameras.latched_calibrations.look()
        if not self._parameters:
            yield "cameras", Report(OK, "none: LiDAR only", {})
        for name, state in self._clouds.camera_states(now_ns).items():
            camera = self._parameters[name]
            if state.silent_s is not None:
                self._reporter.warn(
                    f"silent {name}",
                    f"camera {name}: no image for {state.silent_s:.0f} s: topic {camera.topic}, "
                    f"{told_publishers(self._node, camera.topic, camera.image_type)}. Clouds do not wait for it.",
                )
            uncalibrated = "" if self._cameras.is_calibrated(name) else camera.calibration_topic
            yield f"camera {name}", self._health[name].report(state, camera.topic, uncalibrated)

    def _is_place_to_come(self, frame: Frame) -> bool:
        return self._cameras.is_place_to_come(frame.cloud.header, frame.images)

    def _add_image(self, name: str, stamp: int, message: Any) -> None:  # noqa: ANN401
        load_rgb = DecodedOnce(partial(decode_image, message), partial(self._undecodable, name))
        self._picture_came(name, Paired(stamp, message), load_rgb)
        self._give_out(self._clouds.add_image(name, stamp, message, time.monotonic_ns()))

    def _poll(self) -> None:
        self._give_out(self._clouds.poll(time.monotonic_ns()))
        if not self._clouds.waits:
            self._timer.cancel()

    def _give_out(self, frames: list[Frame]) -> None:
        for frame in frames:
            if lacking := self._required.intersection(frame.missing):
                self._reporter.problem(
                    "unpaired",
                    f"cloud dropped: no matching image of {', '.join(sorted(lacking))}, which is required",
                )
            else:
                self._hand_over(frame.cloud, frame.images)

    def _view(self, name: str, paired: Paired, cloud: PointCloud) -> CameraView | None:
        try:
            return self._cameras.view(name, paired, cloud, self._undecodable, self._unmoved)
        except LidarVlError as error:
            self._left_out(name, "unplaced", error)
            return None

    def _unmoved(self, name: str, error: LidarVlError) -> None:
        self._health[name].count("static_chain", str(error))
        self._reporter.lasting_problem(
            "faults", f"camera {name} is placed as if nothing had moved between its image and the cloud: {error}"
        )

    def _undecodable(self, name: str, error: LidarVlError) -> None:
        self._left_out(name, "undecodable", error)

    def _left_out(self, name: str, what: str, error: LidarVlError) -> None:
        self._health[name].count(what, str(error))
        self._reporter.lasting_problem(
            "unplaced" if what == "unplaced" else "faults", f"camera {name} left out: {error}"
        )
