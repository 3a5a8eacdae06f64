"""predictions.mcap: coloured labelled clouds, their class names, and what a viewer needs around them. Writes files."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lidar_vl_core.bags.recording import RecordedFrame, Recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.label_info import label_info
from lidar_vl_core.clouds.labelled_message import labelled_message
from lidar_vl_core.clouds.point_cloud import PointLabelled
from lidar_vl_core.commands.viewers.box_markers import MARKERS_TYPE, box_markers
from lidar_vl_core.commands.viewers.viewer_files import foxglove_layout, rviz_view
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.foundation.message_types import CLOUD_TYPE, message_types

PREDICTION_FILES = ("predictions.mcap", "predictions.foxglove.json", "predictions.rviz")

_TEXT_TYPE = "std_msgs/msg/String"


@contextmanager
def predictions(
    folder: Path, recording: Recording, classes: ClassTable, with_images: bool
) -> Iterator[Callable[[RecordedFrame, PointLabelled, Boxes3d | None], None]]:
    """Give what writes one labelled cloud into predictions.mcap; add the rest when the `with` block ends without an error.

    Each message stands at the time its original was recorded, so that all topics share one clock. Around the clouds:
    class names, boxes where there are any, transforms and, with_images, the cameras' images. The layouts for Foxglove and RViz name the
    recording's own topics and frame. Raises BadRequest where images are asked for and there is no camera.
    """
    if with_images and not recording.cameras:
        raise BadRequest("images: expected cameras in the recording, found none. Record them, or leave --images out.")
    with BagWriter(folder / PREDICTION_FILES[0]) as bag:
        clouds = _Clouds(bag, f"{recording.cloud_topic}/segmentation", classes)
        yield clouds.write
        for copied in recording.around_the_clouds(with_images):
            bag.write(copied.topic, copied.type, copied.stamp_ns, copied.cdr)
    cameras = recording.cameras if with_images else []
    layout = foxglove_layout(clouds.topic, clouds.info_topic, clouds.frame_id, cameras, clouds.marker_topic)
    write_text(folder / PREDICTION_FILES[1], json.dumps(layout, indent=1) + "\n")
    write_text(folder / PREDICTION_FILES[2], rviz_view(clouds.topic, clouds.frame_id, clouds.marker_topic))


class _Clouds:
    def __init__(self, bag: BagWriter, topic: str, classes: ClassTable) -> None:
        self.topic, self.info_topic = topic, f"{topic}/label_info"
        self.frame_id = ""  # of the first cloud
        self.marker_topic = ""  # none before the first boxes
        self._bag, self._classes = bag, classes
        self._told = False

    def write(self, frame: RecordedFrame, labels: PointLabelled, boxes: Boxes3d | None = None) -> None:
        """One cloud, with its boxes; the class names go before the first."""
        if not self._told:
            names = message_types().types[_TEXT_TYPE](data=label_info(self._classes, 0))
            self._bag.write(self.info_topic, _TEXT_TYPE, frame.recorded_ns, names)
            self.frame_id, self._told = frame.cloud.frame_id, True
        message = labelled_message(frame.cloud, labels, self._classes.colorize(labels.class_id))
        self._bag.write(self.topic, CLOUD_TYPE, frame.recorded_ns, message)
        if boxes is not None:
            self.marker_topic = f"{self.topic}/boxes"
            markers = box_markers(boxes, self._classes, frame.cloud.stamp_ns)
            self._bag.write(self.marker_topic, MARKERS_TYPE, frame.recorded_ns, markers)
