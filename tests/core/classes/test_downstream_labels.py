"""Learning maps of the downstream data sets, held against the numbers their authors publish."""

import numpy as np
import pytest

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table, label_map, submitted_ids

DAPS3D_4 = class_table("daps3d4")
SEMANTIC_KITTI_19 = class_table("semantic_kitti19")

# Raw id -> train id, 0 = ignored. rellis.yaml of RELLIS-3D's benchmark, and the one of OLIVINE's loader.
RELLIS_14 = {
    0: 0, 1: 0, 3: 1, 4: 2, 5: 3, 6: 4, 7: 0, 8: 5, 9: 0, 10: 0, 12: 0, 15: 6, 17: 7, 18: 8, 19: 9, 23: 10, 27: 11,
    31: 12, 33: 13, 34: 14,
}  # fmt: skip
RELLIS_19 = {
    0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6, 8: 7, 9: 8, 10: 9, 12: 10, 15: 11, 17: 12, 18: 13, 19: 14, 23: 15, 27: 16,
    31: 17, 33: 18, 34: 19,
}  # fmt: skip
SEMANTIC_POSS = {
    0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1, 6: 2, 7: 3, 8: 4, 9: 5, 10: 6, 11: 6, 12: 6, 13: 7, 14: 8, 15: 9, 16: 10, 17: 11,
    18: 0, 19: 0, 20: 0, 21: 12, 22: 13,
}  # fmt: skip
SEMANTIC_STF = {**{raw: raw for raw in range(20)}, 20: 0}
SYNLIDAR = {raw: raw for raw in range(33)}
# synlidar.yaml of its authors' later work, whose classes count from 0 and whose 255 is ignored.
SYNLIDAR_TO_KITTI = {
    0: 0, 1: 1, 2: 4, 3: 4, 4: 5, 5: 2, 6: 3, 7: 5, 8: 9, 9: 11, 10: 10, 11: 12, 12: 6, 13: 6, 14: 6, 15: 6, 16: 7, 17: 8,
    18: 13, 19: 0, 20: 15, 21: 16, 22: 17, 23: 19, 24: 18, 25: 0, 26: 14, 27: 0, 28: 0, 29: 0, 30: 0, 31: 0, 32: 0,
}  # fmt: skip
DAPS3D = {
    0: 0, 1: 0, 10: 1, 11: 1, 13: 1, 15: 1, 16: 1, 18: 1, 20: 1, 30: 2, 31: 2, 32: 2, 40: 3, 44: 3, 48: 3, 49: 3, 50: 4,
    51: 4, 52: 0, 60: 3, 70: 4, 71: 4, 72: 3, 80: 4, 81: 4, 99: 0, 252: 1, 253: 2, 254: 2, 255: 2, 256: 1, 257: 1, 258: 1,
    259: 1,
}  # fmt: skip
PUBLISHED = [
    ("rellis3d", "rellis3d14", RELLIS_14),
    ("rellis3d", "rellis3d19", RELLIS_19),
    ("semantic_poss", "semantic_poss13", SEMANTIC_POSS),
    ("semantic_stf", "semantic_kitti19", SEMANTIC_STF),
    ("synlidar", "synlidar32", SYNLIDAR),
    ("synlidar", "semantic_kitti19", SYNLIDAR_TO_KITTI),
    ("daps3d", "daps3d4", DAPS3D),
]


@pytest.mark.parametrize(("source", "target", "published"), PUBLISHED, ids=[f"{a}-{b}" for a, b, _ in PUBLISHED])
def test_every_raw_id_maps_as_published_whatever_its_instance(source, target, published):
    table = class_table(target)
    raw = np.array(list(published), np.uint32) | np.uint32(3 << 16)
    expected = [train_id - 1 if train_id else IGNORE_ID for train_id in published.values()]
    assert label_map(source, table).apply(raw).tolist() == expected
    assert len(table) == max(published.values())


def test_daps3d_joins_what_stands_and_what_is_driven_on():
    raw = np.array([10, 30, 72, 70], np.uint32)
    names = [DAPS3D_4.names[k] for k in label_map("daps3d", DAPS3D_4).apply(raw)]
    assert names == ["vehicle", "human", "surface", "obstacle"]


def test_the_raw_ids_of_a_kitti_submission_read_back_as_the_classes_they_stand_for():
    raw = submitted_ids("semantic_kitti", SEMANTIC_KITTI_19)
    assert label_map("semantic_kitti", SEMANTIC_KITTI_19).apply(raw).tolist() == list(range(19))
    assert raw.tolist() == [10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81]


@pytest.mark.parametrize("name", ["rellis3d19", "rellis3d14", "semantic_poss13", "synlidar32", "daps3d4"])
def test_every_class_has_a_colour_of_its_own(name):
    table = class_table(name)
    assert len(np.unique(table.colors_rgb, axis=0)) == len(table)
