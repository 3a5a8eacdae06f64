"""nuScenes' table of boxes (sample_annotation), held as arrays: 1.2 million rows as Python objects would take gigabytes."""

from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.nuscenes import NuscenesBoxes
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import name_map
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.datasets.lidar.files.nuscenes_records import table_records, values_of
from offline_training.datasets.lidar.files.track_velocities import track_velocities

_RACK = "static_object.bicycle_rack"  # a category: what stands in one is not judged
_NUMBERS = 12  # centre, size, rotation, points of the LiDAR and of the radars


class NuScenesAnnotations:
    """The boxes of some samples in the global frame, with velocities, as far as any sensor met the thing."""

    def __init__(self, folder: Path, sample_stamp_us: Mapping[str, int], classes: ClassTable) -> None:
        """folder: of the tables; sample_stamp_us: the samples whose boxes are kept, and their times.

        Raises BadDataset when a table is missing, cut, or holds something else than boxes.
        """
        self.path = folder / "sample_annotation.json"
        self._row_of_sample = {token: row for row, token in enumerate(sample_stamp_us)}
        class_of_instance, racks = _instances(folder, classes)
        self._attribute_of = _attributes(folder)
        self._instance, self._class_id, self._sample, numbers, attribute = self._read(class_of_instance)
        is_rack = np.isin(self._instance, [row for row, token in enumerate(class_of_instance) if token in racks])
        self._rack_sample, self._rack_numbers = self._sample[is_rack], numbers[is_rack]  # with points or without
        stamp_s = np.array(list(sample_stamp_us.values()), np.float64)[self._sample] * 1e-6
        velocity_mps = track_velocities(self._instance, stamp_s, numbers[:, :3])
        kept = np.flatnonzero(numbers[:, 10] + numbers[:, 11] > 0)  # others are neither asked for nor background
        kept = kept[np.argsort(self._sample[kept], kind="stable")]
        self._class_id, self._sample = self._class_id[kept], self._sample[kept]
        self._numbers, self._velocity_mps, self._attribute = numbers[kept], velocity_mps[kept], attribute[kept]
        self._start = np.searchsorted(self._sample, np.arange(len(self._row_of_sample) + 1))

    def class_id(self, sample: str) -> np.ndarray:
        """(B,) uint8 classes of a sample's boxes, 255 = none of the table's."""
        return self._class_id[self._rows(sample)]

    def boxes(self, sample: str) -> NuscenesBoxes:
        """Centres, sizes and rotations of a sample's boxes."""
        return _boxes_of(self._numbers[self._rows(sample)])

    def velocity_mps(self, sample: str) -> np.ndarray:
        """(B, 3) float64 in the global frame, NaN where the thing is seen too seldom to tell."""
        return self._velocity_mps[self._rows(sample)]

    def lidar_points(self, sample: str) -> np.ndarray:
        """(B,) int64 points of the key frame's sweep in each box, as the tables count them."""
        return self._numbers[self._rows(sample), 10].astype(np.int64)

    def attributes(self, sample: str) -> tuple[str, ...]:
        """(B,) the attribute of each of a sample's boxes, such as vehicle.parked; "" = none."""
        names = ("", *self._attribute_of.values())
        return tuple(names[number] for number in self._attribute[self._rows(sample)])

    def bike_racks(self, sample: str) -> NuscenesBoxes:
        """The bicycle racks of a sample, those without points among them."""
        numbers = self._rack_numbers[self._rack_sample == self._row_of_sample[sample]]
        return _boxes_of(numbers)

    def _rows(self, sample: str) -> slice:
        row = self._row_of_sample[sample]
        return slice(int(self._start[row]), int(self._start[row + 1]))

    def _read(self, class_of_instance: Mapping[str, int]) -> tuple[np.ndarray, ...]:
        """Instance (A,), class (A,), row of the sample (A,), numbers (A, 12), and attribute (A,), 0 = none."""
        number_of_attribute = {token: number for number, token in enumerate(self._attribute_of, 1)}
        instance_row = {token: row for row, token in enumerate(class_of_instance)}
        instance, class_id, sample, numbers, attribute = array("q"), array("B"), array("q"), array("d"), array("B")
        with values_of(self.path):
            for record in table_records(self.path):
                row = self._row_of_sample.get(record["sample_token"])
                if row is None:
                    continue
                token = record["instance_token"]
                if token not in class_of_instance:
                    raise BadDataset(
                        f"{self.path}: {record['token']}: expected an instance of instance.json, found {token}. "
                        "The tables are of different versions: unpack them again."
                    )
                instance.append(instance_row[token])
                class_id.append(class_of_instance[token])
                sample.append(row)
                numbers.extend(self._numbers_of(record))
                told = record.get("attribute_tokens") or [None]  # the benchmark knows one at most
                attribute.append(number_of_attribute.get(told[0], 0))
        return (
            np.array(instance, np.int64),
            np.array(class_id, np.uint8),
            np.array(sample, np.int64),
            np.array(numbers, np.float64).reshape(-1, _NUMBERS),
            np.array(attribute, np.uint8),
        )

    def _numbers_of(self, record: Mapping[str, object]) -> np.ndarray:
        try:
            values = np.array(
                [
                    *record["translation"], *record["size"], *record["rotation"],  # type: ignore[misc]
                    record["num_lidar_pts"], record["num_radar_pts"],
                ],
                np.float64,
            )  # fmt: skip
        except (TypeError, ValueError, OverflowError):
            values = np.full(0, np.nan)
        if values.shape != (_NUMBERS,) or not np.isfinite(values).all():
            raise BadDataset(
                f"{self.path}: {record['token']}: expected 3 + 3 + 4 finite numbers of a box and its points, found "
                f"{record['translation']}, {record['size']}, {record['rotation']}. Unpack the tables again."
            )
        return values


def _boxes_of(numbers: np.ndarray) -> NuscenesBoxes:
    return NuscenesBoxes(numbers[:, :3], numbers[:, 3:6], numbers[:, 6:10])


def _attributes(folder: Path) -> dict[str, str]:
    """Attribute token -> name; none where the table is not there, as tables of other makers have no attributes."""
    path = folder / "attribute.json"
    with values_of(path):
        return {record["token"]: str(record["name"]) for record in table_records(path)} if path.is_file() else {}


def _instances(folder: Path, classes: ClassTable) -> tuple[dict[str, int], set[str]]:
    """Instance token -> class, 255 = none of the table's, and the tokens of bicycle racks.

    Raises BadDataset for a category that has no boxes in nuScenes.
    """
    names = name_map("nuscenes_boxes", classes)
    # With nuScenes-lidarseg the table has categories of points alone, such as flat.sidewalk: those no instance may have.
    with values_of(folder / "category.json"):
        category = {record["token"]: record["name"] for record in table_records(folder / "category.json")}
    found, racks = {}, set()
    with values_of(folder / "instance.json"):
        for record in table_records(folder / "instance.json"):
            name = str(category.get(record["category_token"]))
            if name == _RACK:
                racks.add(record["token"])
            try:
                found[record["token"]] = names.class_id(name)
            except BadLabels as error:
                raise BadDataset(f"{folder / 'instance.json'}: {record['token']}: {error}") from error
    return found, racks
