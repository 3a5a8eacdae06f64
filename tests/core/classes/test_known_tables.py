"""Class tables and label maps: every raw id has an answer, and a wrong table does not pass unseen."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import FOLDER, class_table, label_map
from lidar_vl_core.classes.table_file import read_table_file
from lidar_vl_core.foundation.errors import BadLabels
from tests.recordings import recording

NUSCENES_16 = class_table("nuscenes16")
SEMANTIC_KITTI_19 = class_table("semantic_kitti19")

_LABELS = {
    source: labels for path in sorted(FOLDER.glob("*.yaml")) for source, labels in read_table_file(path).labels.items()
}
EVERY_MAP = [(source, target) for source, labels in _LABELS.items() for target in labels.class_name_of_raw]

# nuScenes-lidarseg's challenge: raw id -> class id 1..16 of its evaluator, 0 = ignored.
NUSCENES_CHALLENGE = {
    9: 1, 14: 2, 15: 3, 16: 3, 17: 4, 18: 5, 21: 6, 2: 7, 3: 7, 4: 7, 6: 7, 12: 8, 22: 9, 23: 10,
    24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 30: 16,
}  # fmt: skip
# SemanticKITTI's learning map: raw id -> train id 1..19, 0 = ignored.
KITTI_LEARNING_MAP = {
    0: 0, 1: 0, 10: 1, 11: 2, 13: 5, 15: 3, 16: 5, 18: 4, 20: 5, 30: 6, 31: 7, 32: 8, 40: 9, 44: 10, 48: 11, 49: 12,
    50: 13, 51: 14, 52: 0, 60: 9, 70: 15, 71: 16, 72: 17, 80: 18, 81: 19, 99: 0, 252: 1, 253: 7, 254: 6, 255: 8, 256: 5,
    257: 5, 258: 4, 259: 5,
}  # fmt: skip


def _class_of(train_id: int) -> int:
    return train_id - 1 if train_id else IGNORE_ID


def test_the_tables_have_their_benchmarks_classes_in_order():
    assert (len(NUSCENES_16), NUSCENES_16.names[0], NUSCENES_16.names[15]) == (16, "barrier", "vegetation")
    assert (len(SEMANTIC_KITTI_19), SEMANTIC_KITTI_19.names[0], SEMANTIC_KITTI_19.names[18]) == (
        19,
        "car",
        "traffic-sign",
    )


def test_every_raw_nuscenes_id_maps_as_in_its_challenge():
    raw = np.arange(32, dtype=np.uint8)
    expected = [_class_of(NUSCENES_CHALLENGE.get(int(raw_id), 0)) for raw_id in raw]
    assert label_map("nuscenes_lidarseg", NUSCENES_16).apply(raw).tolist() == expected


def test_every_raw_semantic_kitti_id_maps_as_its_authors_say():
    raw = np.array(list(KITTI_LEARNING_MAP), np.uint32)
    expected = [_class_of(train_id) for train_id in KITTI_LEARNING_MAP.values()]
    assert label_map("semantic_kitti", SEMANTIC_KITTI_19).apply(raw).tolist() == expected


def test_instance_ids_of_semantic_kitti_do_not_change_the_class():
    raw = np.array([10 | 77 << 16, 254 | 65535 << 16], np.uint32)
    assert label_map("semantic_kitti", SEMANTIC_KITTI_19).apply(raw).tolist() == [0, 5]


def test_every_pandaset_class_has_an_answer(test_data):
    names = json.loads(recording(test_data, "pandaset_*/semseg_classes.json").read_text())
    raw = np.array(sorted(map(int, names)), np.uint8)
    class_id = label_map("pandaset", NUSCENES_16).apply(raw)
    meaning = {
        names[str(raw_id)]: None if k == IGNORE_ID else NUSCENES_16.names[k]
        for raw_id, k in zip(raw, class_id, strict=True)
    }
    assert len(meaning) == 42
    assert meaning["Pickup Truck"] == "truck"
    assert meaning["Lane Line Marking"] == "driveable_surface"
    assert meaning["Cones"] == "traffic_cone"
    assert meaning["Other Static Object"] == "manmade"
    assert meaning["Reflection"] is None


def test_nuscenes_gets_the_buses_that_semantic_kitti_tells_apart():
    raw = np.array([13, 257, 20, 44, 31, 49, 52], np.uint16)
    names = [
        None if k == IGNORE_ID else NUSCENES_16.names[k] for k in label_map("semantic_kitti", NUSCENES_16).apply(raw)
    ]
    assert names == ["bus", "bus", None, "driveable_surface", "bicycle", "other_flat", "manmade"]


def test_the_19_classes_map_to_nuscenes_as_their_raw_ids_do_where_they_know_as_much():
    raw = np.array([raw_id for raw_id in KITTI_LEARNING_MAP if raw_id not in (13, 257, 52)], np.uint32)
    through_19 = label_map("semantic_kitti19", NUSCENES_16).apply(
        label_map("semantic_kitti", SEMANTIC_KITTI_19).apply(raw)
    )
    assert through_19.tolist() == label_map("semantic_kitti", NUSCENES_16).apply(raw).tolist()


@pytest.mark.parametrize("table", [NUSCENES_16, SEMANTIC_KITTI_19], ids=lambda table: table.name)
def test_a_table_maps_to_itself_unchanged_and_keeps_255(table):
    ids = np.array([*range(len(table)), IGNORE_ID], np.uint8)
    assert label_map(table.name, table).apply(ids).tolist() == ids.tolist()


@pytest.mark.parametrize(("source", "target"), EVERY_MAP)
def test_every_listed_raw_id_becomes_a_class_or_255(source, target):
    raw = np.array(list(_LABELS[source].class_name_of_raw[target]), np.int64)
    class_id = label_map(source, class_table(target)).apply(raw)
    assert class_id.dtype == np.uint8
    assert ((class_id < len(class_table(target))) | (class_id == IGNORE_ID)).all()


@pytest.mark.parametrize(("source", "target"), EVERY_MAP)
def test_ids_the_source_does_not_have_are_refused_by_number(source, target):
    for unknown in ({"semantic_kitti": 2, "scannet200_ids": 12}.get(source, 100), 60_000, -1):
        with pytest.raises(BadLabels, match=source):
            label_map(source, class_table(target)).apply(np.array([unknown], np.int64))


@given(st.lists(st.sampled_from(sorted(KITTI_LEARNING_MAP)), max_size=50), st.randoms())
def test_labels_permute_with_the_points(raw_ids, random):
    order = list(range(len(raw_ids)))
    random.shuffle(order)
    raw, to_kitti = np.array(raw_ids, np.uint32), label_map("semantic_kitti", SEMANTIC_KITTI_19)
    assert to_kitti.apply(raw[order]).tolist() == to_kitti.apply(raw)[order].tolist()


def test_whole_floats_are_labels_and_other_floats_are_not():
    to_nuscenes = label_map("nuscenes_lidarseg", NUSCENES_16)
    assert to_nuscenes.apply(np.array([17.0, 24.0], np.float32)).tolist() == [3, 10]
    for wrong in (17.5, np.nan, np.inf, 1e30, -1e30):
        with pytest.raises(BadLabels, match="whole numbers"):
            to_nuscenes.apply(np.array([wrong], np.float32))


def test_no_points_have_no_labels():
    assert label_map("pandaset", NUSCENES_16).apply(np.empty(0, np.uint8)).shape == (0,)


def test_unknown_tables_and_maps_are_refused_with_the_choices():
    with pytest.raises(BadLabels, match=r"expected one of .*nuscenes16, .*semantic_kitti19.*, found .cityscapes"):
        class_table("cityscapes")
    with pytest.raises(BadLabels, match=r"There are .*pandaset -> nuscenes16"):
        label_map("cityscapes", SEMANTIC_KITTI_19)
    with pytest.raises(
        BadLabels, match=r"'pandaset' to the classes of 'semantic_kitti19'\. Read them in .* nuscenes16\."
    ):
        label_map("pandaset", SEMANTIC_KITTI_19)


def test_colours_are_different_and_255_is_black():
    for table in (NUSCENES_16, SEMANTIC_KITTI_19):
        assert len(np.unique(table.colors_rgb, axis=0)) == len(table)
        assert table.colorize(np.array([[0, IGNORE_ID]], np.uint8)).tolist() == [
            [table.colors_rgb[0].tolist(), [0, 0, 0]]
        ]


def test_a_class_table_refuses_repeated_names_and_missing_colours():
    with pytest.raises(BadLabels, match="different"):
        ClassTable("twice", ("car", "car"), np.zeros((2, 3), np.uint8))
    with pytest.raises(BadLabels, match="colours"):
        ClassTable("pale", ("car", "bus"), np.zeros((1, 3), np.uint8))
    with pytest.raises(BadLabels, match="no class 'tram'"):
        NUSCENES_16.id_of("tram")
