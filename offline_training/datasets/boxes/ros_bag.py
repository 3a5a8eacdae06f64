"""Any recording with boxes that somebody has drawn in some of its clouds: a folder of text files beside it."""

from collections.abc import Mapping
from pathlib import Path

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.base.box_sample import BoxSample, points_of_boxes
from offline_training.datasets.base.box_source import BoxSpec
from offline_training.datasets.base.source_config import Names
from offline_training.datasets.lidar.files.box_lines import read_box_lines
from offline_training.datasets.lidar.ros_bag import RosBag, RosBagSource, open_bag


class RosBagBoxes:
    """The clouds of a bag that have a file of boxes, NNNNNN.txt by their place among the clouds, in the cloud's own frame.

    Clouds without a file are not looked at: nobody said what is in them.
    """

    def __init__(self, bag: RosBag, files: Mapping[int, Path], classes: ClassTable) -> None:
        """files: by the place of their cloud. Raises BadDataset for one whose cloud is not there."""
        self.classes, self._bag, self._files = classes, bag, [files[place] for place in bag.places]
        if lost := sorted(set(files) - set(bag.places)):
            raise BadDataset(
                f"{files[lost[0]]}: expected boxes of a readable cloud of {bag.path}, found no cloud {lost[0]}. "
                "Places begin at 0; remove the file if the cloud is damaged."
            )

    def __len__(self) -> int:
        return len(self._bag)

    def __getitem__(self, index: int) -> BoxSample:
        """The cloud with its boxes; raises BadDataset naming a damaged file and its line."""
        sample = self._bag[index]
        boxes = read_box_lines(self._files[index], self.classes, sample.cloud.frame_id)
        return BoxSample(sample.name, sample.cloud, boxes, self.classes, points_of_boxes(sample.cloud, boxes))

    def boxes(self, index: int) -> Boxes3d:
        """The boxes alone; raises BadDataset as above."""
        return read_box_lines(self._files[index], self.classes, self._bag[index].cloud.frame_id)


def _open(source: RosBagSource, names: Names, classes: ClassTable, sweeps: int) -> RosBagBoxes:
    files = _files(source)
    drawn = source.model_copy(update={"frames": tuple(str(place) for place in files)})
    return RosBagBoxes(open_bag(drawn, names, class_table("nuscenes16")), files, classes)


def _files(source: RosBagSource) -> dict[int, Path]:
    """The files of boxes of the chosen clouds, by place."""
    if source.box_folder is None:
        raise BadConfig(
            f"box_folder of {source.folder}: expected the folder of the boxes drawn in its clouds, found none. Name it."
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
    are_there=lambda source, _: source.box_folder is not None and Path(source.box_folder).is_dir(),
)
