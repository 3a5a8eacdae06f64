"""Any recording with boxes of its clouds: text files that somebody has drawn beside it, or a topic of its own."""

from collections.abc import Mapping
from pathlib import Path

from lidar_vl_core.bags.reader import open_bag as open_recorded
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.box_names import box_names
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.recorded_boxes import RecordedBoxes
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, LidarVlError
from offline_training.datasets.base.box_sample import BoxSample, points_of_boxes
from offline_training.datasets.base.box_source import BoxSpec
from offline_training.datasets.base.source_config import Names
from offline_training.datasets.lidar.files.box_lines import read_box_lines
from offline_training.datasets.lidar.ros_bag import RosBag, RosBagSource, open_bag


class RosBagBoxes:
    """The clouds of a bag that have a file of boxes, NNNNNN.txt by their place among the clouds, or a message with their stamp.

    Other clouds are not looked at: nobody said what is in them.
    """

    def __init__(self, bag: RosBag, drawn: Mapping[int, Path | Boxes3d], classes: ClassTable) -> None:
        """drawn: files, or boxes in the frame of their cloud, by its place. Raises BadDataset for one whose cloud is not there."""
        self.classes, self._bag = classes, bag
        self._rows = [row for row, place in enumerate(bag.places) if place in drawn]
        self._drawn = [drawn[bag.places[row]] for row in self._rows]
        if lost := sorted(set(drawn) - set(bag.places)):
            raise BadDataset(
                f"{drawn[lost[0]]}: expected boxes of a readable cloud of {bag.path}, found no cloud {lost[0]}. "
                "Places begin at 0; remove the file if the cloud is damaged."
            )

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> BoxSample:
        """The cloud with its boxes; raises BadDataset naming a damaged file and its line."""
        sample, boxes = self._bag[self._rows[index]], self.boxes(index)
        return BoxSample(sample.name, sample.cloud, boxes, self.classes, points_of_boxes(sample.cloud, boxes))

    def boxes(self, index: int) -> Boxes3d:
        """The boxes alone; raises BadDataset as above."""
        drawn = self._drawn[index]
        if isinstance(drawn, Boxes3d):
            return drawn
        return read_box_lines(drawn, self.classes, self._bag[self._rows[index]].cloud.frame_id)


def _open(source: RosBagSource, names: Names, classes: ClassTable, sweeps: int) -> RosBagBoxes:
    points = class_table("nuscenes16")
    if source.box_topic is not None:
        bag = open_bag(source, names, points)
        return RosBagBoxes(bag, _recorded(source, bag, classes), classes)
    files = _files(source)
    drawn = source.model_copy(update={"frames": tuple(str(place) for place in files)})
    return RosBagBoxes(open_bag(drawn, names, points), files, classes)


def _recorded(source: RosBagSource, bag: RosBag, classes: ClassTable) -> dict[int, Boxes3d]:
    """The boxes on the topic of those chosen clouds that it has some of, in their frames, by place."""
    try:
        with open_recorded(source.folder) as recording:
            recorded = RecordedBoxes(recording, source.box_topic, box_names(None, classes))
        found = {place: recorded.of(bag[row].cloud) for row, place in enumerate(bag.places)}
    except LidarVlError as error:
        raise BadDataset(f"{source.folder}: {error}") from error
    boxes = {place: of_cloud for place, of_cloud in found.items() if of_cloud is not None}
    if not boxes:
        nearest_s = min(recorded.seconds_from(bag[row].cloud) for row in range(len(bag)))
        raise BadDataset(
            f"{source.folder}: expected boxes on {source.box_topic} with the stamps of the chosen clouds, found the nearest "
            f"{nearest_s:.3f} s away. Choose other `frames` or another `box_topic`, or make the node that publishes it copy the clouds' stamps."
        )
    return boxes


def _files(source: RosBagSource) -> dict[int, Path]:
    """The files of boxes of the chosen clouds, by place."""
    if source.box_folder is None:
        raise BadConfig(
            f"box_folder of {source.folder}: expected the folder of the boxes drawn in its clouds, or the box_topic that has "
            "them, found none. Name one."
        )
    folder = Path(source.box_folder)
    drawn = sorted(folder.glob("*.txt"))
    if wrong := [path.name for path in drawn if not path.stem.isdecimal()]:
        raise BadDataset(
            f"{folder}: expected files named by the place of their cloud, such as 000012.txt, found {wrong[0]}. Rename it."
        )
    chosen = None if source.frames is None else {int(frame) for frame in source.frames if frame.isdecimal()}
    files = {int(path.stem): path for path in drawn if chosen is None or int(path.stem) in chosen}
    if not files:
        raise BadDataset(
            f"{folder}: expected files of boxes such as 000012.txt, found {len(drawn)} and none of them for the chosen clouds. "
            "Choose other `frames`, or another `box_folder`."
        )
    return files


BOXES = BoxSpec(
    source=RosBagSource,
    classes=("nuscenes10", "kitti3"),
    open=_open,
    are_there=lambda source, _: (
        source.box_topic is not None or (source.box_folder is not None and Path(source.box_folder).is_dir())
    ),
)
