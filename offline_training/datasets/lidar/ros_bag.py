"""A recording (rosbag2, MCAP, sqlite3 or ROS 1) as samples: its clouds, the images paired with them, and labels if it has any."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from lidar_vl_core.bags.recording import RecordedFrame, Recording, open_recording
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.ego_region import EgoBox, EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.recordings.inspection import inspection
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadLabels
from lidar_vl_core.foundation.message_types import CLOUD_TYPE
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.source_config import LabelFieldSource, Names


class RosBagSource(LabelFieldSource):
    """Clouds of one topic of a bag."""

    kind: Literal["ros_bag"] = "ros_bag"
    folder: str = Field(description="the bag, or its folder")
    frames: Names = Field(default=None, description="places among the clouds, from 0; default: all")
    cloud_topic: str | None = Field(default=None, description="topic of the clouds (default: the only one)")
    intensity_max: float | None = Field(
        default=None,
        gt=0,
        description="full scale of the driver's intensity (default: estimated once from the first clouds)",
    )
    box_folder: str | None = Field(
        default=None,
        description="for detection: boxes drawn in its clouds, NNNNNN.txt by their place, a line `x y z length width height yaw class`",
    )
    box_topic: str | None = Field(
        default=None,
        description="or the bag's topic of vision_msgs/Detection3DArray with their boxes, in names of the run's own classes",
    )
    ego_radius_m: float = Field(
        default=0.0, ge=0, description="points this close to the sensor are the own vehicle's, metres; 0 = none"
    )
    ego_box_m: EgoBox = Field(
        default=(),
        description="points in this box are the own vehicle's as well: x, y, z of the lower, then of the upper corner, metres",
    )

    @model_validator(mode="after")
    def _refuse_boxes_of_two_places(self) -> "RosBagSource":
        if self.box_folder is not None and self.box_topic is not None:
            raise PydanticCustomError("two_places", "expected boxes in a box_folder or on a box_topic, found both")
        return self


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
        intensity_max: float | None = None,
        ego: EgoRegion | None = None,
    ) -> None:
        """frames: places among the clouds (None = all); label_field, label_table: where and in which ids the truth stands.

        intensity_max: as open_recording(). ego: points on the own vehicle are treated as if their beams had met nothing.

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
        self._ego = EgoRegion() if ego is None else ego
        with open_recording(self.path, cloud_topic, intensity_max) as recording:
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

    @property
    def places(self) -> tuple[int, ...]:
        """The place of each sample among the clouds of the topic."""
        return tuple(frame.index for frame in self._frames)

    def __getitem__(self, index: int) -> Sample:
        """The cloud, its classes and its images; raises BadDataset naming the frame when labels are not of the table."""
        frame = self._frames[index]
        name = f"{self.path.stem}/{frame.index}"
        cloud = replace(frame.cloud, xyz_m=self._ego.cut_out_of(frame.cloud.xyz_m))
        return Sample(name, cloud, self._classes_of(cloud, name), self.classes, frame.views)

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


def open_bag(source: RosBagSource, _: Names, classes: ClassTable) -> RosBag:
    """The clouds of a source; raises BadConfig for frames that are no places, and what RosBag raises."""
    frames = source.frames
    if frames is not None and not all(frame.isdecimal() for frame in frames):
        raise BadConfig(
            f"frames of {source.folder}: expected places among the clouds, such as 0, found {', '.join(frames)}. "
            "Give numbers."
        )
    places = None if frames is None else [int(frame) for frame in frames]
    ego = EgoRegion(source.ego_radius_m, source.ego_box_m)
    labels = (source.label_field, source.label_table, classes)
    return RosBag(Path(source.folder), places, source.cloud_topic, *labels, source.intensity_max, ego)


def _first_look(source: RosBagSource) -> tuple[Iterable[str], RosBagSource]:
    """A bag is read once for what it holds and once for three of its clouds, so that the rest need not stay in memory."""
    found = inspection(Path(source.folder)) if Path(source.folder).exists() else None
    lines, clouds = [], {}
    if found is not None:
        clouds = {topic["name"]: topic["count"] for topic in found["topics"] if topic["type"] == CLOUD_TYPE}
        lines += [f"{name}: {count:,} clouds" for name, count in clouds.items()]
        lines += [f"{camera['image_topic']}: camera {camera['name']}" for camera in found["cameras"]]
        lines += [f"note: {warning}" for warning in found["warnings"]]
        layouts = {name: found["clouds"][name] for name in clouds if source.cloud_topic in (None, name)}
        lines += [f"note: {name}: {note}" for name, layout in layouts.items() for note in layout.get("notes", ())]
    count = clouds.get(source.cloud_topic or next(iter(clouds), ""), 1)
    places = tuple(str(place) for place in sorted({0, count // 2, max(count - 1, 0)}))
    return lines, source.model_copy(update={"frames": places})


SPEC = DataSetSpec(
    source=RosBagSource,
    what="any recording: rosbag2 in MCAP or sqlite3, ROS 1 bags",
    layout=Layout((("*.mcap, *.db3 or *.bag", "the bag, or the folder with its metadata.yaml"),)),
    classes=("nuscenes16",),
    open=open_bag,
    counts=lambda *_: iter(()),  # the first look has told it
    first_look=_first_look,
    quick_look=lambda _: None,  # to index a long bag takes its time
)
