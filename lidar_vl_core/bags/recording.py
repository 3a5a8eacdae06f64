"""A recording as frames: each cloud with the camera images nearest in time and where its points lie in them. Reads files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from lidar_vl_core.bags.camera_topics import IMAGE_TYPES, CameraTopics
from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.reader import BagReader, open_bag
from lidar_vl_core.bags.surroundings import RecordedMotion, Surroundings, messages_around_clouds, read_surroundings
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import decode_image, stored_bytes
from lidar_vl_core.cameras.synchronisation.camera_queue import CameraTiming
from lidar_vl_core.cameras.synchronisation.frame import Frame
from lidar_vl_core.cameras.synchronisation.frame_pairer import FramePairer
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.clouds.intensity import IntensityScale
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import (
    BadBag,
    BadCalibration,
    BadImage,
    BadPointCloud,
    BadTransform,
    ToldTexts,
    one_line,
    without_numbers,
)
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.compensation import SweepCompensation

_MAX_TIME_DIFFERENCE_S = 0.1  # one sweep of a 10 Hz LiDAR: a triggered camera looks somewhere within it
_MAX_WAIT_S = 0.3  # of recording: an image may be written later than the cloud it belongs to
_LOOKED_AT = 5  # clouds that the intensity scale of a recording is judged by
_QUEUE_LENGTH = 12  # images kept per camera: 0.4 s at 30 Hz, and no more memory than that


@dataclass(frozen=True)
class RecordedFrame:
    """One cloud of a recording."""

    index: int  # place among the clouds of its topic, unreadable ones counted
    cloud: PointCloud
    views: tuple[CameraView, ...]
    recorded_ns: int  # when the cloud was recorded (log time)


@dataclass(frozen=True)
class SkippedCloud:
    """A cloud that could not be read, and why."""

    index: int
    stamp_ns: int  # when it was recorded
    reason: str


class Recording:
    """One cloud topic of an open bag, its cameras and its transforms. Made by `open_recording`."""

    def __init__(
        self, bag: BagReader, cloud_topic: str, intensity_max: float | None = None, compensate: bool = False
    ) -> None:
        self.cloud_topic = cloud_topic
        self._intensity_max = intensity_max
        self._motion = RecordedMotion(bag) if compensate else None
        self._compensation = SweepCompensation()
        self._decoder = CloudDecoder(intensity_max=intensity_max)  # of the frames that were asked for last
        self.skipped: list[SkippedCloud] = []
        self.bag = bag
        has_images = any(topic.type in IMAGE_TYPES for topic in bag.topics)
        self._surroundings = read_surroundings(bag) if has_images else Surroundings()
        self._said = ToldTexts()
        self._said.tell(self._surroundings.problems)

    @property
    def cameras(self) -> list[CameraTopics]:
        """The cameras whose images can be drawn into, by name."""
        return self._surroundings.cameras

    @property
    def cloud_count(self) -> int:
        """Number of clouds the bag declares; a damaged bag may hold fewer."""
        return sum(topic.count for topic in self.bag.topics if topic.name == self.cloud_topic)

    @property
    def warnings(self) -> list[str]:
        """What could not be used so far, each once, with how often it happened."""
        return [one_line(warning) for warning in (*self.bag.warnings, *self._decoder.notes, *self._said.lines())]

    @property
    def intensity(self) -> IntensityScale | None:
        """The field used as intensity; None as long as no cloud has one."""
        return self._decoder.scale

    def cloud_fields(self) -> list[str]:
        """Field names of the first cloud; raises BadBag when the topic holds none."""
        for message in self.bag.messages([self.cloud_topic]):
            return [field.name for field in message.message.fields]
        expected = f"topic {self.cloud_topic}: expected at least one cloud, found"
        if self.bag.is_partly_read:
            raise BadBag(f"{expected} none in the time for the whole recording.")
        raise BadBag(f"{expected} no readable one. Choose another topic or bag.")

    def frames(self, extra_fields: Sequence[str] = (), with_views: bool = True) -> Iterator[RecordedFrame]:
        """Every readable cloud in recorded order, with its colours; unreadable ones are listed in `skipped`.

        extra_fields: fields of the cloud message to keep in `cloud.extra`. One intensity scale holds for all of them.
        """
        times = self._motion is not None
        self._decoder = CloudDecoder(extra_fields, self._intensity_max, colours=True, times=times)
        self._decoder.look_at(self._first_clouds())
        cameras = {camera.image_topic: camera for camera in self.cameras} if with_views else {}
        timing = [
            CameraTiming(camera.name, max_time_difference_s=_MAX_TIME_DIFFERENCE_S) for camera in cameras.values()
        ]
        pairer = FramePairer(timing, max_wait_s=_MAX_WAIT_S, queue_length=_QUEUE_LENGTH)
        waiting: dict[int, RecordedFrame] = {}  # without their images
        index, now_ns = -1, 0
        for message in self.bag.messages([self.cloud_topic, *cameras]):
            now_ns = max(now_ns, message.stamp_ns)
            if message.topic != self.cloud_topic:
                camera = cameras[message.topic]
                paired = self._add_image(pairer, camera.name, message, now_ns)
            else:
                index += 1
                cloud = self._read_cloud(index, message)
                if cloud is None:
                    continue
                alone = RecordedFrame(index, cloud, (), message.stamp_ns)
                if not cameras:
                    yield alone
                    continue
                waiting[index] = alone
                paired = pairer.add_cloud(cloud.stamp_ns, index, now_ns)
            for frame in paired:
                yield from self._released(waiting, frame)
            while len(waiting) > 2 * _QUEUE_LENGTH:  # clouds the pairer refuses, e.g. all with stamp 0
                yield waiting.pop(min(waiting))
        for frame in pairer.poll(now_ns + 3_600_000_000_000):  # an hour on: nobody waits any longer
            yield from self._released(waiting, frame)
        for late in sorted(waiting):
            yield waiting[late]

    def motion(self) -> RecordedMotion:
        """How the sensor moved, from all the transforms and odometry in the recording."""
        return RecordedMotion(self.bag)

    def around_the_clouds(self, with_images: bool) -> Iterator[BagMessage]:
        """Transforms and, where asked for, the cameras' images and calibrations; those without CDR bytes are left out."""
        yield from messages_around_clouds(self.bag, self.cameras if with_images else (), self._say)

    def _first_clouds(self) -> Iterator[object]:
        for message in islice(self.bag.messages([self.cloud_topic]), _LOOKED_AT):
            try:
                yield message.message
            except BadBag:  # told when its turn comes
                continue

    def _read_cloud(self, index: int, message: BagMessage) -> PointCloud | None:
        try:
            return self._at_its_stamp(self._decoder.decode(message.message))
        except (BadPointCloud, BadBag) as error:
            self.skipped.append(SkippedCloud(index, message.stamp_ns, str(error)))
            return None

    def _at_its_stamp(self, cloud: PointCloud) -> PointCloud:
        if self._motion is None:
            return cloud
        found = self._compensation.compensated(cloud, self._motion.T_now_then)
        if found.problem is not None:
            self._say(f"clouds without motion compensation: {without_numbers(found.problem)}")
        return found.cloud

    def _add_image(self, pairer: FramePairer, name: str, message: BagMessage, now_ns: int) -> list[Frame]:
        try:
            return pairer.add_image(name, stamp_ns(message.message.header.stamp), message, now_ns)
        except BadBag as error:
            self._say(f"{message.topic}: {error}")
            return []

    def _released(self, waiting: dict[int, RecordedFrame], frame: Frame) -> Iterator[RecordedFrame]:
        """The paired cloud, after those before it that the pairer let go (a clock that jumped): none is lost here."""
        for earlier in sorted(index for index in waiting if index < frame.cloud):
            yield waiting.pop(earlier)
        alone = waiting.pop(frame.cloud, None)
        if alone is None:
            return
        for name in frame.missing:
            self._say(f"camera {name}: no image within {_MAX_TIME_DIFFERENCE_S} s of the cloud")
        views = [self._view(camera, frame, alone.cloud) for camera in self.cameras if camera.name in frame.images]
        yield replace(alone, views=tuple(view for view in views if view is not None))

    def _view(self, camera: CameraTopics, frame: Frame, cloud: PointCloud) -> CameraView | None:
        paired = frame.images[camera.name]
        calibrations = self._surroundings.calibrations[camera.info_topic]
        model = calibrations.expected_at(paired.stamp_ns)  # a camera without any has no place among the cameras
        message = paired.image
        frame_id = message.message.header.frame_id or calibrations.frame_id
        try:
            T_cam_lidar = self._surroundings.transforms.T_cam_lidar(
                frame_id, paired.stamp_ns, cloud.frame_id, cloud.stamp_ns
            )
        except BadTransform:
            self._say(
                f"camera {camera.name}: the recording does not say where {frame_id} is in {cloud.frame_id} "
                "at its time, so it is left out. Record /tf and /tf_static"
            )
            return None
        if any(cloud.origin_m):
            T_cam_lidar = T_cam_lidar @ RigidTransform(np.eye(3), np.array(cloud.origin_m))
        # No lambdas: a data set of recordings keeps its views, and training sends it to worker processes.
        load_rgb, read_bytes = partial(_load_rgb, message, model), partial(_stored_bytes, message)
        return CameraView(camera.name, model, T_cam_lidar, paired.stamp_ns, load_rgb, read_bytes)

    def _say(self, text: str) -> None:
        self._said.tell([text])


@contextmanager
def open_recording(
    path: Path, cloud_topic: str | None = None, intensity_max: float | None = None, compensate: bool = False
) -> Iterator[Recording]:
    """Open a bag for reading frame by frame; the cloud topic is found by type and needs a name only where there are two.

    intensity_max: the driver's full scale; None judges it once, by the first clouds. compensate: bring the points of each cloud to
    its stamp, by their times and the recorded motion; a cloud for which these do not tell stays as it is, with a warning. Raises BadBag where the bag cannot be read, BadRequest where it has no cloud topic or several.
    """
    with open_bag(path) as bag:
        yield Recording(bag, bag.topic_of_type(CLOUD_TYPE, cloud_topic), intensity_max, compensate)


def _stored_bytes(message: BagMessage) -> bytes:
    return stored_bytes(message.message)


def _load_rgb(message: BagMessage, model: CameraModel) -> np.ndarray:
    rgb = decode_image(message.message)
    try:
        model.require_size(rgb)
    except BadCalibration as error:
        raise BadImage(f"{message.topic}: {error}") from error
    return rgb
