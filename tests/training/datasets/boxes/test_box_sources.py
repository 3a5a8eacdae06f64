"""The data sets that have boxes: found by their modules, opened by their kind, refused where there are none."""

import subprocess
import sys

import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.box_sources import BOX_SPECS, box_spec, open_boxes
from offline_training.datasets.data_sources import SPECS, data_source
from tests.written.box_data_sets import KITTI_CAR, write_kitti_object

each_data_set = pytest.mark.parametrize("spec", BOX_SPECS, ids=lambda spec: spec.kind)


@each_data_set
def test_boxes_are_of_a_data_set_that_exists_in_tables_that_exist(spec):
    assert spec.kind in {each.kind for each in SPECS}
    assert spec.classes
    assert all(class_table(name).name == name for name in spec.classes)
    assert box_spec(spec.kind) is spec


@each_data_set
def test_an_absent_folder_is_told_with_the_layout(spec, tmp_path):
    source = data_source({"kind": spec.kind, "folder": str(tmp_path / "nothing")}, "here")
    if spec.kind == "synthetic":  # it makes itself
        return
    with pytest.raises(BadDataset, match="found no such folder"):
        open_boxes(source, class_table(spec.classes[0]))


def test_a_data_set_without_boxes_is_refused_with_those_that_have_some(tmp_path):
    source = data_source({"kind": "semantic_kitti", "folder": str(tmp_path)}, "here")
    with pytest.raises(BadConfig, match=r"expected one with boxes .*kitti_object.*nuscenes"):
        open_boxes(source, class_table("kitti3"))


def test_a_share_of_the_frames_can_be_taken(tmp_path):
    folder = write_kitti_object(tmp_path, {f"{number:06d}": [KITTI_CAR] for number in range(5)})
    source = data_source({"kind": "kitti_object", "folder": str(folder), "label_skip": 2}, "here")
    data = open_boxes(source, class_table("kitti3"))
    assert [data[index].name for index in range(len(data))] == [f"training/00000{number}" for number in (0, 2, 4)]


def test_boxes_are_opened_without_torch():
    code = (
        "import offline_training.datasets.box_sources, sys; sys.exit(str({'torch', 'numba'} & set(sys.modules) or ''))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.stderr.strip() == ""
