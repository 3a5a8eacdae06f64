"""Class tables as files: one more file is one more data set, and a wrong file is refused by its name."""

from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.classes import known_tables
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table, label_map, submitted_ids
from lidar_vl_core.classes.table_file import read_table_file
from lidar_vl_core.foundation.errors import LidarVlError

TOY = """
tables:
  toy3:
    car: [255, 158, 0]
    road: [0, 207, 191]
    tree: [0, 175, 0]

labels:
  toy_raw:
    class_bits: 8
    to:
      toy3: {0: ~, 7: car, 9: road, 12: tree, 13: tree}
    submitted:
      toy3: {tree: 13, car: 7, road: 9}

  toy3:
    to:
      two_kinds2: {tree: stands, car: ~, road: lies}
"""
TWO_KINDS = "tables: {two_kinds2: {lies: [1, 2, 3], stands: [4, 5, 6]}}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(known_tables, "FOLDER", tmp_path)
    (tmp_path / "toy.yaml").write_text(TOY)
    (tmp_path / "two_kinds.yaml").write_text(TWO_KINDS)
    return tmp_path


def test_one_more_file_is_one_more_data_set(folder):
    table = class_table("toy3")
    assert table.names == ("car", "road", "tree")
    assert table.colors_rgb.tolist() == [[255, 158, 0], [0, 207, 191], [0, 175, 0]]
    raw = np.array([0, 7, 9 + 3 * 256, 12, 13], np.uint32)
    assert label_map("toy_raw", table).apply(raw).tolist() == [IGNORE_ID, 0, 1, 2, 2]
    assert submitted_ids("toy_raw", table).tolist() == [7, 9, 13]


def test_a_table_maps_into_that_of_another_file_class_by_class_and_keeps_255(folder):
    to_kinds = label_map("toy3", class_table("two_kinds2"))
    assert to_kinds.apply(np.array([0, 1, 2, IGNORE_ID])).tolist() == [IGNORE_ID, 0, 1, IGNORE_ID]


def test_a_file_is_read_when_it_is_asked_for_and_only_then(folder):
    (folder / "broken.yaml").write_text("tables: [")
    assert class_table("toy3") is class_table("toy3")
    with pytest.raises(LidarVlError, match=r"broken\.yaml"):
        class_table("broken1")


def test_the_file_with_the_longest_fitting_name_defines_a_table(folder):
    (folder / "toy_car.yaml").write_text("tables: {toy_car1: {car: [1, 2, 3]}}")
    assert class_table("toy_car1").names == ("car",)
    (folder / "toy_r.yaml").write_text("{}")  # takes toy_raw away from toy.yaml, which then says so
    with pytest.raises(LidarVlError, match=r"toy\.yaml: .*name of another file, found toy_raw"):
        class_table("toy3")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("[255, 158, 0]", "[256, 158, 0]", r"tables\.toy3\.car\.0: .*at most 255, found 256"),
        ("[255, 158, 0]", "[-1, 158, 0]", r"tables\.toy3\.car\.0: .*at least 0, found -1"),
        ("[255, 158, 0]", "[255, 158]", r"tables\.toy3\.car"),
        ("[255, 158, 0]", '"#ff9e00"', r"tables\.toy3\.car"),
        (
            "    road: [0, 207, 191]",
            "    car: [0, 207, 191]",
            "line 5.*'car' is given twice|'car' is given twice.*line 5",
        ),
        ("7: car, 9: road", "7: car, 7: road", "7 is given twice"),
        ("7: car, 9: road", "7: car, '7': road", "'7' is given twice"),
        ("7: car, 9: road", "7: car, 07: road", r"labels\.toy_raw\.to\.toy3: expected raw ids 0 to 65535, found '07'"),
        ("9: road", "-9: road", "found '-9'"),
        ("9: road", "70000: road", "found '70000'"),
        ("9: road", "road: 9", r"labels\.toy_raw\.to\.toy3\.road"),
        ("class_bits: 8", "class_bits: 40", r"class_bits: .*at most 16"),
        ("class_bits: 8", "mask: 255", r"labels\.toy_raw\.mask: expected no such key"),
        ("tables:\n", "colours:\n", "colours: expected no such key"),
        ("tree: stands, car: ~, road: lies", "tree: stands, car: ~", r"found \['road'\] missing"),
        ("tree: stands, car: ~", "trees: stands, car: ~", r"found \['tree'\] missing and \['trees'\] unknown"),
        ("  toy3:\n    to:", "  toy3:\n    class_bits: 8\n    to:", r"labels\.toy3\.class_bits: expected none"),
        ("toy_raw", "joy_raw", "names that begin with toy.* found joy_raw"),
        ("{0: ~, 7: car, 9: road, 12: tree, 13: tree}", "{}", r"labels\.toy_raw\.to\.toy3: .*at least 1"),
        ("{0: ~, 7: car, 9: road, 12: tree, 13: tree}", "", r"labels\.toy_raw\.to\.toy3: .*found None"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_place(tmp_path, right, wrong, complaint):
    assert right in TOY
    (tmp_path / "toy.yaml").write_text(TOY.replace(right, wrong))
    with pytest.raises(LidarVlError, match=rf"(?s)toy\.yaml: .*({complaint})"):
        read_table_file(tmp_path / "toy.yaml")


@pytest.mark.parametrize("text", ["", "tables: {}", "tables: {toy3: {}}", "- toy3"])
def test_a_file_without_classes_is_refused(tmp_path, text):
    (tmp_path / "toy.yaml").write_text(text)
    with pytest.raises(LidarVlError, match=r"toy\.yaml"):
        read_table_file(tmp_path / "toy.yaml")


def test_a_map_to_a_class_the_table_does_not_have_names_file_and_class(folder):
    (folder / "other.yaml").write_text("labels: {other_raw: {to: {toy3: {0: ~, 1: car, 2: tram}}}}")
    with pytest.raises(LidarVlError, match=r"other\.yaml: labels\.other_raw\.to\.toy3: .*found tram"):
        label_map("other_raw", class_table("toy3"))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("tree: 13, car: 7", r"submitted\.toy3: .*found \['road'\] missing"),
        ("tree: 13, car: 9, road: 7", r"submitted\.toy3: .*found \[9, 7\]"),
        ("tree: 14, car: 7, road: 9", r"found \[14\]"),
        ("tree: -1, car: 7, road: 9", r"toy\.yaml: labels\.toy_raw\.submitted\.toy3\.tree"),
    ],
)
def test_ids_of_a_submission_that_would_not_read_back_are_refused(folder, wrong, complaint):
    (folder / "toy.yaml").write_text(TOY.replace("tree: 13, car: 7, road: 9", wrong))
    with pytest.raises(LidarVlError, match=complaint):
        submitted_ids("toy_raw", class_table("toy3"))


def test_a_data_set_without_a_server_has_no_ids_for_one(folder):
    with pytest.raises(LidarVlError, match=r"toy\.yaml: expected labels\.toy_raw\.submitted\.two_kinds2"):
        submitted_ids("toy_raw", class_table("two_kinds2"))


@pytest.mark.parametrize("path", sorted(known_tables.FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_file_is_right(path):
    file = read_table_file(path)
    for source, labels in file.labels.items():
        for target in labels.class_name_of_raw:
            label_map(source, class_table(target))
        for target in labels.submitted:
            submitted_ids(source, class_table(target))
