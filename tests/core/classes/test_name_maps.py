"""Names in files of boxes: every one has an answer, and a wrong one does not pass unseen."""

import pytest

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import FOLDER, class_table, label_map, name_map
from lidar_vl_core.classes.table_file import read_table_file
from lidar_vl_core.foundation.errors import BadLabels

EVERY_MAP = [
    (source, target)
    for path in sorted(FOLDER.glob("*.yaml"))
    for source, tables in read_table_file(path).box_names.items()
    for target in tables
]


def _classes(source: str, target: str) -> dict[str, str | None]:
    names = name_map(source, class_table(target))
    return {
        name: None if k == IGNORE_ID else names.target.names[k]
        for name in names.class_of_name
        if (k := names.class_id(name)) is not None
    }


@pytest.mark.parametrize(("source", "target"), EVERY_MAP)
def test_every_class_of_the_table_has_a_name_in_the_files(source, target):
    assert set(_classes(source, target).values()) - {None} == set(class_table(target).names)


@pytest.mark.parametrize(("source", "target"), EVERY_MAP)
def test_a_name_the_source_does_not_have_is_refused_with_the_nearest(source, target):
    known = next(iter(_classes(source, target)))
    with pytest.raises(BadLabels, match=f"expected a name of {source} .*Did you mean {known}"):
        name_map(source, class_table(target)).class_id(known.upper() + "s")


def test_nuscenes_reads_its_23_categories_as_its_detection_challenge_does():
    classes = _classes("nuscenes_boxes", "nuscenes10")
    assert len(classes) == 23
    assert sum(name is None for name in classes.values()) == 9
    assert classes["human.pedestrian.police_officer"] == "pedestrian"
    assert classes["vehicle.bus.bendy"] == "bus"
    assert classes["vehicle.emergency.police"] is None


def test_kitti_keeps_vans_and_sitting_people_apart_from_cars_and_pedestrians():
    assert [name for name, k in _classes("kitti_object", "kitti3").items() if k] == ["Car", "Pedestrian", "Cyclist"]


def test_cuboids_of_pandaset_become_what_its_points_become():
    """Where the points of a class are one of the ten in nuScenes' 16 classes, so are its boxes."""
    raw_of = {"Car": 13, "Pickup Truck": 14, "Towed Object": 17, "Motorized Scooter": 25, "Emergency Vehicle": 22,
              "Pylons": 34, "Road Barriers": 35, "Cones": 37, "Temporary Construction Barriers": 39, "Pedestrian with Object": 31}  # fmt: skip
    boxes, nuscenes16 = _classes("pandaset_cuboids", "nuscenes10"), class_table("nuscenes16")
    points = label_map("pandaset", nuscenes16).class_of_raw
    assert {name: boxes[name] for name in raw_of} == {
        name: None if points[raw] == IGNORE_ID else nuscenes16.names[points[raw]] for name, raw in raw_of.items()
    }


def test_a_map_that_does_not_exist_is_refused_with_those_there_are():
    with pytest.raises(BadLabels, match=r"There are .*kitti_object -> kitti3"):
        name_map("kitti_object", class_table("nuscenes10"))
