"""What a recording says about its cameras and frames, and how these move, read before the first cloud. Reads files."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from lidar_vl_core.bags.camera_topics import (
    CameraTopics,
    camera_topics,
    has_info_beside,
    info_topics,
    photographs,
    unread_videos,
)
from lidar_vl_core.cameras.calibrations import Calibrations
from lidar_vl_core.cameras.image import decode_image
from lidar_vl_core.foundation.errors import BadBag, BadCalibration, BadImage
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree

if TYPE_CHECKING:
    from lidar_vl_core.bags.messages import BagMessage
    from lidar_vl_core.bags.reader import BagReader

TF_TYPE, ODOMETRY_TYPE = "tf2_msgs/msg/TFMessage", "nav_msgs/msg/Odometry"
_MOST_REASONS = 20  # told of transforms that are left out
_PICTURES_LOOKED_AT = 3  # one may be damaged where the others are not


@dataclass
class Surroundings:
    """Cameras whose images can be used, their calibrations and all transforms of a recording."""

    cameras: list[CameraTopics] = field(default_factory=list)
    calibrations: dict[str, Calibrations] = field(default_factory=dict)  # by camera_info topic
    # kept from the first second to the last: a recording is read whole
    transforms: FrameTransforms = field(default_factory=lambda: FrameTransforms(TransformTree(history_s=None)))
    frame_ids: dict[str, str] = field(default_factory=dict)  # of the images, by image topic
    problems: list[str] = field(default_factory=list)  # what could not be used, one entry per message


def read_surroundings(bag: "BagReader") -> Surroundings:
    """Read the small topics and a first image of each camera; one that cannot be used is left out, `problems` says why.

    A first pass, since a calibration or transform may be recorded after the cloud that needs it.
    """
    found = Surroundings()
    cameras = _cameras(bag, found.problems)
    found.calibrations = {camera.info_topic: Calibrations(camera.rectified) for camera in cameras}
    _read_small_topics(bag, found)
    for camera in cameras:
        try:
            found.frame_ids[camera.image_topic] = _usable_frame_id(bag, camera, found.calibrations)
            found.cameras.append(camera)
        except (BadBag, BadImage, BadCalibration) as error:
            found.problems.append(f"camera {camera.name} ({camera.image_topic}) is left out: {error}")
    return found


def messages_around_clouds(
    bag: "BagReader", cameras: Iterable[CameraTopics], say: Callable[[str], None]
) -> Iterator["BagMessage"]:
    """Transforms, and images and calibrations of these cameras, by time; `say` is told of each without CDR bytes."""
    topics = {topic.name for topic in bag.topics if topic.type == TF_TYPE}
    topics |= {name for camera in cameras for name in (camera.image_topic, camera.info_topic)}
    for message in bag.messages(topics) if topics else ():
        try:
            _ = message.cdr
        except BadBag as error:
            say(f"{message.topic}: {error}")
            continue
        yield message


class RecordedMotion:
    """All that a recording tells of motion, read at once: a pose may be recorded later than the cloud it belongs to."""

    def __init__(self, bag: "BagReader") -> None:
        """Of several odometry topics the one with the most messages is read. Unreadable messages are ignored."""
        # Kept from the first second to the last, as a recording is read whole.
        self._by_tf, self._by_odometry = (
            FrameTransforms(TransformTree(history_s=None)),
            FrameTransforms(TransformTree(history_s=None)),
        )
        odometry = sorted(
            (topic for topic in bag.topics if topic.type == ODOMETRY_TYPE), key=lambda topic: (-topic.count, topic.name)
        )[:1]
        topics = [topic.name for topic in (*(each for each in bag.topics if each.type == TF_TYPE), *odometry)]
        for message in bag.messages(topics) if topics else ():
            try:
                content = message.message
            except BadBag:
                continue
            if message.type == ODOMETRY_TYPE:
                self._by_odometry.add_odometry(content)
                continue
            is_static = message.topic.endswith("tf_static")
            self._by_tf.add(content, is_static)
            if is_static:
                self._by_odometry.add(content, is_static)

    def T_now_then(self, frame: str, now_ns: int, then_ns: int) -> RigidTransform:
        """How points seen in a frame at one time lie in it at another. Raises BadTransform where the recording does not tell."""
        moves = self._by_odometry.moves(frame) and not self._by_tf.moves(frame)
        return (self._by_odometry if moves else self._by_tf).T_now_then(frame, now_ns, then_ns)


def _cameras(bag: "BagReader", problems: list[str]) -> list[CameraTopics]:
    infos = info_topics(bag.topics)
    asked = [image.name for image in photographs(bag.topics) if not has_info_beside(image.name, infos)]
    frame_ids = _first_frame_ids(bag, [*infos, *asked]) if asked else {}
    cameras, alone = camera_topics(bag.topics, frame_ids)
    problems += [f"{topic}: no camera_info in its namespace or frame, so it is left out" for topic in alone]
    problems += [
        f"{topic.name}: expected raw or compressed images, found {topic.type} of another transport, so it is left out"
        for topic in unread_videos(bag.topics)
    ]
    return cameras


def _read_small_topics(bag: "BagReader", found: Surroundings) -> None:
    reasons: dict[tuple[str, str, str], str] = {}  # of the transforms left out, by topic and frames
    times: Counter[tuple[str, str, str]] = Counter()  # that they were
    transforms = [topic.name for topic in bag.topics if topic.type == TF_TYPE]
    for message in bag.messages(sorted({*transforms, *found.calibrations})):
        try:
            if message.type == TF_TYPE:
                refused = found.transforms.add(message.message, static=message.topic.endswith("tf_static"))
                for transform in refused:
                    frames = (message.topic, transform.parent, transform.child)
                    if frames in reasons or len(reasons) < _MOST_REASONS:
                        reasons.setdefault(frames, str(transform))
                    else:
                        frames = (message.topic, "", "")
                        reasons[frames] = "further transforms are left out"
                    times[frames] += 1
            else:
                found.calibrations[message.topic].add(message.message)
        except (BadCalibration, BadBag) as error:
            found.problems.append(f"{message.topic}: {error}")
    for frames, text in reasons.items():  # the numbers of a broken sender differ, its fault does not
        found.problems += [f"{frames[0]}: {text}"] * times[frames]
    found.problems += [
        f"frame {child}: expected one static transform, found several that differ; the last one is used for the whole "
        "recording. Check whether two nodes published it, or cut the recording where the calibration changed."
        for child in sorted(found.transforms.restated)[:_MOST_REASONS]
    ]


def _first_frame_ids(bag: "BagReader", topics: Iterable[str]) -> dict[str, str]:
    """frame_id of the first readable message of each topic; topic by topic, because one may begin late."""
    found: dict[str, str] = {}
    for topic in topics:
        for message in bag.messages([topic]):
            try:
                found[topic] = message.message.header.frame_id
                break
            except BadBag:
                continue
    return found


def _usable_frame_id(bag: "BagReader", camera: CameraTopics, calibrations: Mapping[str, Calibrations]) -> str:
    """The frame of a camera of which one of the first images can be read and fits the calibration.

    Raises BadBag, BadImage or BadCalibration where none does.
    """
    own = calibrations[camera.info_topic]
    own.require_own_frame(calibrations.values())
    first_error: Exception | None = None
    for number, message in enumerate(islice(bag.messages([camera.image_topic]), _PICTURES_LOOKED_AT)):
        try:
            picture = message.message
            own.expected_at(stamp_ns(picture.header.stamp)).require_size(decode_image(picture))
            return picture.header.frame_id or own.frame_id
        except (BadBag, BadImage, BadCalibration) as error:
            first_error = first_error if number else error
    if first_error is None and bag.is_partly_read:
        first_error = BadBag(
            "expected its first images in the time for the whole recording, which was up before they came."
        )
    raise first_error or BadBag("expected images, found no readable one. Record them again.")
