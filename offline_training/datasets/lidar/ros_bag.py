"""A recording (rosbag2, MCAP or sqlite3) as samples: its clouds, the images paired with them, and labels if it has any."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from lidar_vl_core.bags.recording import RecordedFrame, Recording, open_recording
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.datasets.base.sample import Sample


class RosBag:
    """The clouds of one topic as samples, in their own frame, which ROS says is x forward, y left, z up (REP 103).

    A bag can only be read from its start, so the chosen frames are read once and stay in memory: about 0.6 MB for 35,000
    points, and the images as compressed as they were recorded. Choose `frames` of a long recording.
    """

    def __init__(
        self,
        path: Path,
        frames: Collection[int] | None = None,
        cloud_topic: str | None = None,
        label_field: str | None = None,
        label_table: str | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """frames: places among the clouds (None = all); label_field, label_table: where and in which ids the truth stands.

        Raises BadDataset when no chosen cloud can be read or the label field is not there, BadRequest when the cloud topic
        must be named, BadBag when the bag is damaged at its head.
        """
        classes = classes or class_table("nuscenes16")
        self.path, self.classes = Path(path), classes
        if (label_field is None) != (label_table is None):
            raise BadDataset(
                f"{path}: expected label_field and label_table together, found {label_field!r} and {label_table!r}. "
                "Name the field of the cloud and the table of its ids."
            )
        self._label_field = label_field
        self._label_map = None if label_table is None else label_map(label_table, classes)
        with open_recording(self.path, cloud_topic) as recording:
            self._frames = self._read_frames(recording, frames)
            self.warnings = [
                *recording.warnings,
                *(f"cloud {cloud.index}: {cloud.reason}" for cloud in recording.skipped),
            ]
        if not self._frames:
            raise BadDataset(
                f"{path}: expected readable clouds on {recording.cloud_topic}, found none of the chosen frames. "
                f"{' '.join(self.warnings[:1])}"
            )

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        """The cloud, its classes and its images; raises BadDataset naming the frame when labels are not of the table."""
        frame = self._frames[index]
        name = f"{self.path.stem}/{frame.index}"
        return Sample(name, frame.cloud, self._classes_of(frame.cloud, name), self.classes, frame.views)

    def _read_frames(self, recording: Recording, frames: Collection[int] | None) -> list[RecordedFrame]:
        extra_fields = () if self._label_field is None else (self._label_field,)
        fields = recording.cloud_fields()
        if self._label_field is not None and self._label_field not in fields:
            raise BadDataset(
                f"{self.path}: expected the label field {self._label_field!r} on {recording.cloud_topic}, found "
                f"{', '.join(fields)}. Name one of these."
            )
        chosen = None if frames is None else frozenset(frames)
        return [frame for frame in recording.frames(extra_fields) if chosen is None or frame.index in chosen]

    def _classes_of(self, cloud: PointCloud, name: str) -> np.ndarray | None:
        if self._label_map is None or self._label_field is None:
            return None
        try:
            return self._label_map.apply(cloud.extra[self._label_field])
        except BadLabels as error:
            raise BadDataset(f"{name}: {error}") from error
