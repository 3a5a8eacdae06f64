"""A topic of boxes in a recording: those of each cloud, in its frame by the recorded transforms. Reads files."""

from bisect import bisect_left

from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.reader import BagReader
from lidar_vl_core.bags.surroundings import TF_TYPE
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.detection_messages import ToldBoxes, boxes_in_message
from lidar_vl_core.classes.name_map import NameMap
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadBag, BadBoxes, BadLabels, BadTransform
from lidar_vl_core.foundation.stamps import stamp_ns
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.geometry.transform_tree import TransformTree

_SAME_MOMENT_NS = 5_000_000  # stamps are rounded on their way; a car moves 15 cm in 5 ms at most


class RecordedBoxes:
    """All boxes of a vision_msgs/Detection3DArray topic, read and checked at once.

    A message belongs to the cloud of its stamp, 5 ms more or less. Boxes of another frame are moved by the recording's
    transforms, never left where they are.
    """

    def __init__(self, bag: BagReader, topic: str | None, names: NameMap) -> None:
        """topic: needed where the bag has several of boxes. names: what their classes mean.

        Raises BadRequest where there is no such topic, and, with topic and stamp, BadBag for a damaged message, BadBoxes for
        boxes that cannot be or two messages of one stamp, BadLabels for a class that nobody knows.
        """
        self.topic = bag.topic_of_type(DETECTIONS_TYPE, topic)
        self._names = names
        self._transforms = FrameTransforms(TransformTree(history_s=None))  # kept from the first second to the last
        told: dict[int, ToldBoxes] = {}
        transforms = {topic.name for topic in bag.topics if topic.type == TF_TYPE}
        for message in bag.messages({*transforms, self.topic}):
            if message.type == TF_TYPE:
                self._add_transforms(message)
            elif message.type == DETECTIONS_TYPE:
                boxes = self._read(message)
                if boxes.stamp_ns in told:
                    raise BadBoxes(
                        f"topic {self.topic}, stamp {boxes.stamp_ns} ns: expected one message of each stamp, found two. "
                        "Two senders publish there: record them on topics of their own."
                    )
                told[boxes.stamp_ns] = boxes
        if not told:
            raise BadBag(f"topic {self.topic}: expected boxes, found no readable message. Choose another topic.")
        self._stamps_ns = sorted(told)
        self._told = [told[stamp] for stamp in self._stamps_ns]

    def __len__(self) -> int:
        """How many messages there are."""
        return len(self._told)

    def of(self, cloud: PointCloud) -> Boxes3d | None:
        """The boxes of a cloud in its frame; None where no message has its stamp.

        Raises BadTransform, with topic and stamp, where the recording does not say how the message's frame lies in it.
        """
        told = self._told[self._nearest(cloud.stamp_ns)]
        if abs(told.stamp_ns - cloud.stamp_ns) > _SAME_MOMENT_NS:
            return None
        try:
            return told.in_frame(self._T_cloud_message(told, cloud), cloud.frame_id)
        except BadTransform as error:
            place = f"topic {self.topic}, stamp {told.stamp_ns} ns, from {told.frame_id!r} to {cloud.frame_id!r}"
            raise BadTransform(f"{place}: {error}") from error

    def seconds_from(self, cloud: PointCloud) -> float:
        """How far the nearest message is from a cloud in time."""
        return abs(self._stamps_ns[self._nearest(cloud.stamp_ns)] - cloud.stamp_ns) / 1e9

    def _nearest(self, at_ns: int) -> int:
        after = bisect_left(self._stamps_ns, at_ns)
        around = range(max(after - 1, 0), min(after + 1, len(self._stamps_ns)))
        return min(around, key=lambda row: abs(self._stamps_ns[row] - at_ns))

    def _T_cloud_message(self, told: ToldBoxes, cloud: PointCloud) -> RigidTransform:
        if told.frame_id.removeprefix("/") == cloud.frame_id.removeprefix("/"):
            return RigidTransform.identity()  # one frame at one moment
        return self._transforms.tree.lookup(cloud.frame_id, told.frame_id, cloud.stamp_ns)

    def _read(self, message: BagMessage) -> ToldBoxes:
        try:
            content = message.message
        except BadBag as error:
            raise BadBag(f"recorded at {message.stamp_ns} ns: {error}") from error
        place = f"topic {self.topic}, stamp {stamp_ns(content.header.stamp)} ns"
        try:
            return boxes_in_message(content, self._names)
        except BadBoxes as error:
            raise BadBoxes(f"{place}: {error}") from error
        except BadLabels as error:
            raise BadLabels(f"{place}: {error}") from error

    def _add_transforms(self, message: BagMessage) -> None:
        try:
            self._transforms.add(message.message, static=message.topic.endswith("tf_static"))
        except BadBag:
            return  # what it would have told is missing where it is asked for
