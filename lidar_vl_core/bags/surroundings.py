"""What a recording says about its cameras and frames, read before the first cloud. Reads files."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lidar_vl_core.bags.camera_topics import INFO_TYPE, CameraTopics, camera_topics
from lidar_vl_core.cameras.calibrations import Calibrations
from lidar_vl_core.foundation.errors import BadBag, BadCalibration
from lidar_vl_core.geometry.frame_transforms import FrameTransforms

if TYPE_CHECKING:
    from lidar_vl_core.bags.reader import BagReader

TF_TYPE = "tf2_msgs/msg/TFMessage"


@dataclass
class Surroundings:
    """Cameras, their calibrations and all transforms of a recording."""

    cameras: list[CameraTopics] = field(default_factory=list)
    calibrations: dict[str, Calibrations] = field(default_factory=dict)  # by camera_info topic
    # kept from the first second to the last: a recording is read whole
    transforms: FrameTransforms = field(default_factory=lambda: FrameTransforms(history_s=None))
    problems: list[str] = field(default_factory=list)  # what could not be used, one entry per message


def read_surroundings(bag: "BagReader") -> Surroundings:
    """Read the small topics in a first pass: a calibration or transform may be recorded after the cloud that needs it."""
    found = Surroundings()
    frame_ids: dict[str, str] = {}
    reasons: dict[tuple[str, str, str], list[str]] = {}  # of the transforms left out, by topic and frames
    small = sorted({topic.name for topic in bag.topics if topic.type in (INFO_TYPE, TF_TYPE)})
    for message in bag.messages(small):
        try:
            if message.type == TF_TYPE:
                refused = found.transforms.add(message.message, static=message.topic.endswith("tf_static"))
                for transform in refused:
                    reasons.setdefault((message.topic, transform.parent, transform.child), []).append(str(transform))
            else:
                frame_ids.setdefault(message.topic, message.message.header.frame_id)
                found.calibrations.setdefault(message.topic, Calibrations()).add(message.message)
        except (BadCalibration, BadBag) as error:
            found.problems.append(f"{message.topic}: {error}")
    for (topic, _, _), texts in reasons.items():
        found.problems += [f"{topic}: {texts[0]}"] * len(
            texts
        )  # the numbers of a broken sender differ, its fault does not
    found.cameras, alone = camera_topics(bag.topics, frame_ids)
    if alone:
        found.cameras, alone = camera_topics(bag.topics, frame_ids | _first_frame_ids(bag, alone))
    found.problems += [f"{topic}: no camera_info in its namespace or frame, so it is left out" for topic in alone]
    return found


def _first_frame_ids(bag: "BagReader", topics: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for message in bag.messages(topics):
        try:
            found.setdefault(message.topic, message.message.header.frame_id)
        except BadBag:
            continue
        if len(found) == len(topics):
            break
    return found
