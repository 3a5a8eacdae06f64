"""PandaSet's cuboids: one box a thing, in the frame of the sweep, with the velocity that its track tells."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.boxes.iou import bev_iou
from lidar_vl_core.boxes.points_in_boxes import box_of_points
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.boxes.pandaset import PandaSetBoxes
from offline_training.datasets.check_boxes import box_findings
from offline_training.datasets.data_sources import data_source
from offline_training.datasets.lidar.pandaset import PANDAR64, PANDAR_GT, PandaSet
from tests.recordings import recording
from tests.written.box_data_sets import cuboid, write_pandaset_boxes

NUSCENES_10 = class_table("nuscenes10")


def test_a_cuboid_stands_in_the_sweep_with_its_length_along_the_heading(tmp_path):
    # In the world 5 m ahead (+y) of the ego, 2 m to its right (+x); at yaw 0 PandaSet's length lies along y.
    folder = write_pandaset_boxes(tmp_path / "seq", {"00": [cuboid("a", (12.0, 25.0, 1.0))]})
    sample = PandaSetBoxes(folder)[0]
    assert_allclose(sample.boxes.boxes, [[5.0, -2.0, 1.0, 5.0, 2.0, 1.5, 0.0]], atol=1e-9)
    assert sample.boxes.class_id.tolist() == [NUSCENES_10.id_of("car")]
    assert sample.point_count.tolist() == [3]


def test_names_that_are_none_of_the_ten_stay_as_boxes_of_no_class(tmp_path):
    labels = ("Pedestrian with Object", "Pylons", "Towed Object")
    cuboids = [cuboid(label, (12.0, 25.0, 1.0), label) for label in labels]
    class_id = PandaSetBoxes(write_pandaset_boxes(tmp_path / "seq", {"00": cuboids})).boxes(0).class_id
    assert class_id.tolist() == [NUSCENES_10.id_of("pedestrian"), 255, NUSCENES_10.id_of("trailer")]


def test_of_siblings_the_box_of_the_lidar_that_is_read_is_kept(tmp_path):
    cuboids = [
        cuboid("both", (12.0, 25.0, 1.0)),
        cuboid("spinning", (20.0, 25.0, 1.0), cuboids_sensor_id=0, cuboids_sibling_id="forward"),
        cuboid("forward", (20.1, 25.0, 1.0), cuboids_sensor_id=1, cuboids_sibling_id="spinning"),
        cuboid("spinning 2", (25.0, 25.0, 1.0), cuboids_sensor_id=0, cuboids_sibling_id="forward 2"),
        cuboid(
            "forward 2", (25.1, 25.0, 1.0), cuboids_sensor_id=1, cuboids_sibling_id="spinni"
        ),  # cut short, as some are
        cuboid("forward alone", (30.0, 25.0, 1.0), cuboids_sensor_id=1),
        cuboid("left by its sibling", (40.0, 25.0, 1.0), cuboids_sensor_id=1, cuboids_sibling_id="gone"),
    ]
    folder = write_pandaset_boxes(tmp_path / "seq", {"00": cuboids})

    def to_the_right(sensor: int | None) -> list[float]:
        return (-PandaSetBoxes(folder, sensor=sensor).boxes(0).boxes[:, 1]).round(3).tolist()

    assert to_the_right(PANDAR64) == [2.0, 10.0, 15.0]
    assert to_the_right(PANDAR_GT) == [2.0, 10.1, 15.1, 20.0, 30.0]
    assert to_the_right(None) == [2.0, 10.0, 15.0, 20.0, 30.0]


def test_velocities_come_from_the_frames_about_and_are_turned_with_them(tmp_path):
    places = {"00": 25.0, "01": 26.0, "02": 27.0, "03": 29.0}  # along +y of the world, which is ahead; 0.1 s apart
    frames = {frame: [cuboid("a", (12.0, y, 1.0))] for frame, y in places.items()}
    frames["02"].append(cuboid("seen once", (20.0, 25.0, 1.0)))
    data = PandaSetBoxes(write_pandaset_boxes(tmp_path / "seq", frames))
    expected = [[[10.0, 0.0]], [[10.0, 0.0]], [[15.0, 0.0], [np.nan, np.nan]], [[20.0, 0.0]]]
    for index, velocity in enumerate(expected):
        assert_allclose(data.boxes(index).velocity_mps, velocity, rtol=1e-5, atol=1e-5)
    alone = PandaSetBoxes(tmp_path / "seq", frames=["02"])  # chosen frames have their neighbours all the same
    assert_allclose(alone.boxes(0).velocity_mps[0], [15.0, 0.0], rtol=1e-5, atol=1e-5)


def test_columns_of_the_table_as_it_is_written_are_read_too(tmp_path):
    folder = write_pandaset_boxes(tmp_path / "seq", {"00": [cuboid("a", (12.0, 25.0, 1.0))]})
    path = folder / "annotations" / "00.cuboids.json"
    for old in ("position_", "dimensions_", "cuboids_"):
        path.write_text(path.read_text().replace(old, old.replace("_", ".")))
    assert len(PandaSetBoxes(folder).boxes(0)) == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[{", "JSON list"),
        ('{"uuid": 1}', "JSON list of cuboids, found dict"),
        ('[{"uuid": "a"}]', "row 0: .* called position_x"),
        (json.dumps([cuboid("a", (1, 2, 3)), cuboid("b", (1, float("nan"), 3))]), "row 1: .*position_y, found nan"),
        (json.dumps([cuboid("a", (1, 2, 3), yaw=None)]), "row 0: .*yaw, found None"),
        (json.dumps([cuboid("a", (1, 2, 3), "Unicorn")]), "row 0: .*Unicorn"),
        (json.dumps([cuboid("a", (1, 2, 3), dimensions_x=-1.0)]), "sizes >= 0"),
    ],
)
def test_a_wrong_file_of_cuboids_is_named_with_its_row(content, told, tmp_path):
    folder = write_pandaset_boxes(tmp_path / "seq", {"00": [cuboid("a", (12.0, 25.0, 1.0))]})
    (folder / "annotations" / "00.cuboids.json").write_text(content)
    with pytest.raises(BadDataset, match=rf"00\.cuboids\.json: .*{told}") as found:
        PandaSetBoxes(folder)[0]
    assert "\n" not in str(found.value)


def test_frames_without_points_and_sequences_without_cuboids_are_told(tmp_path):
    folder = write_pandaset_boxes(tmp_path / "seq", {"00": [cuboid("a", (12.0, 25.0, 1.0))]})
    with np.load(folder / "lidar" / "00.npz") as stored:
        none = {key: stored[key][:0] for key in stored.files}
    np.savez(folder / "lidar" / "00.npz", **none)
    with pytest.raises(BadDataset, match="seq/00: expected points"):
        PandaSetBoxes(folder)[0]
    (folder / "annotations" / "00.cuboids.json").unlink()
    (folder / "annotations").rmdir()
    with pytest.raises(BadDataset, match="annotations: expected the boxes"):
        PandaSetBoxes(folder)


def test_points_called_car_lie_in_boxes_called_car(test_data):
    """Of another frame of the real sequence 99.2 % of the cars' points, and 97.8 % of the boxes' points, were found to."""
    folder = recording(test_data, "pandaset_*")
    sweep, sample = PandaSet(folder, ["06"], PANDAR64)[0], PandaSetBoxes(folder, ["06"], PANDAR64)[0]
    called = sweep.class_id == sweep.classes.id_of("car")
    cars = sample.boxes.taken(sample.boxes.class_id == NUSCENES_10.id_of("car"))
    boxed = box_of_points(sweep.cloud.xyz_m, cars.boxes) >= 0
    assert (called & boxed).sum() > 0.985 * called.sum()
    assert (called & boxed).sum() > 0.92 * boxed.sum()  # boxes of the shipped one reach into the road below


def test_each_thing_has_one_box_whichever_lidars_are_read(test_data):
    folder = recording(test_data, "pandaset_*")
    for sensor in (None, PANDAR64, PANDAR_GT):
        boxes = PandaSetBoxes(folder, sensor=sensor).boxes(0).boxes
        overlap = bev_iou(boxes, boxes)
        np.fill_diagonal(overlap, 0.0)
        assert overlap.max() < 0.3
        assert len(boxes) > 40


def test_boxes_are_counted_by_class_and_damaged_files_named(tmp_path):
    cuboids = [cuboid(label, (12.0, 25.0, 1.0), label) for label in ("Car", "Bus", "Signs")]
    wrong = [cuboid("a", (12.0, 25.0, 1.0), yaw=None)]
    folder = write_pandaset_boxes(tmp_path / "seq", {"00": cuboids, "01": cuboids, "02": wrong})
    lines = list(box_findings(data_source({"kind": "pandaset", "folder": str(folder)}, "here")))
    # Frame 01 needs 02 for its velocities.
    assert any("boxes of nuscenes10 in 3 samples: car 1, truck 0" in line and "of no class 1" in line for line in lines)
    assert any(line.startswith("wrong: ") and "02.cuboids.json: row 0" in line for line in lines)
