"""nuScenes for detection: sweeps where the vehicle has driven since, boxes and velocities in the key frame."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.joining import TIME_LAG
from offline_training.datasets.base.sample import T_FLU_RFU
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.boxes.nuscenes import NuScenesBoxes
from offline_training.datasets.check_boxes import box_findings
from offline_training.datasets.data_sources import data_source
from offline_training.datasets.lidar.files.track_velocities import track_velocities
from offline_training.datasets.lidar.nuscenes import NuScenes
from tests.recordings import recording
from tests.written.box_data_sets import nuscenes_annotation, write_nuscenes_boxes

NUSCENES_10 = class_table("nuscenes10")
CAR = {"car": "vehicle.car"}


def _car_of(sample: str, x: float, **values) -> dict:
    return nuscenes_annotation(f"car-{sample}", sample, "car", (x, 3.0, 0.75), **values)


@pytest.fixture
def drive(tmp_path):
    """A car ahead in the global +x at 4, then 8 m/s; a barrier met by the radar alone; a debris; a cone nobody met."""
    annotations = [
        _car_of("key-0", 120.0), _car_of("key-1", 122.0), _car_of("key-2", 126.0),
        nuscenes_annotation("b", "key-1", "barrier", (120.0, -3.0, 0.5), np.pi / 2, num_lidar_pts=0, num_radar_pts=2),
        nuscenes_annotation("d", "key-1", "debris", (125.0, 0.0, 0.5)),
        nuscenes_annotation("c", "key-1", "cone", (125.0, 1.0, 0.5), num_lidar_pts=0),
    ]  # fmt: skip
    instances = CAR | {
        "barrier": "movable_object.barrier",
        "debris": "movable_object.debris",
        "cone": "movable_object.trafficcone",
    }
    return write_nuscenes_boxes(tmp_path, instances, annotations)


def test_boxes_come_in_the_key_frames_cloud_with_x_forward(drive):
    sample = NuScenesBoxes(drive, "v1.0-mini", sweeps=1)[1]  # the ego is at x = 105, the LiDAR 2 m up
    assert_allclose(
        sample.boxes.boxes,
        [[17, 3, -1.25, 4, 2, 1.5, 0], [15, -3, -1.5, 4, 2, 1.5, np.pi / 2], [20, 0, -1.5, 4, 2, 1.5, 0]],
        atol=1e-9,
    )
    assert sample.boxes.class_id.tolist() == [NUSCENES_10.id_of("car"), NUSCENES_10.id_of("barrier"), 255]
    assert sample.point_count.tolist() == [5, 0, 5]


def test_velocities_are_from_the_boxes_before_and_after(drive):
    data = NuScenesBoxes(drive, "v1.0-mini", sweeps=1)
    for index, velocity in enumerate((4.0, 6.0, 8.0)):
        assert_allclose(data.boxes(index).velocity_mps[0], [velocity, 0.0], atol=1e-6)
    assert np.isnan(data.boxes(1).velocity_mps[1:]).all()


def test_what_stands_still_stands_at_one_place_in_all_sweeps(drive):
    data = NuScenesBoxes(drive, "v1.0-mini", sweeps=10)
    cloud = data[2].cloud  # the ego at x = 110: the post is 20 m ahead, 5 m to the left, 1 m below the LiDAR
    post = np.abs(cloud.xyz_m[:, 0]) > 5
    assert_allclose(cloud.xyz_m[post], np.tile([20.0, 5.0, -1.0], (200, 1)), atol=1e-4)
    assert_allclose(np.unique(cloud.extra[TIME_LAG]), 0.05 * np.arange(10), atol=1e-6)
    assert_array_equal(cloud.extra[TIME_LAG][:21], 0.0)  # the key frame's own points come first
    assert (~post).sum() == 1  # of the own car only the key frame's
    assert set(cloud.extra["ring"]) == {7}


def test_a_scene_begins_with_fewer_sweeps_and_one_sweep_is_the_key_frame_alone(drive):
    ten = NuScenesBoxes(drive, "v1.0-mini", sweeps=10)
    assert len(ten[0].cloud) == 21
    alone = NuScenesBoxes(drive, "v1.0-mini", sweeps=1)[1].cloud
    assert TIME_LAG not in alone.extra
    assert_array_equal(alone.xyz_m, NuScenes(drive, "v1.0-mini", cameras=())[1].cloud.xyz_m)


def test_a_configuration_opens_it_by_split_and_sweeps(drive):
    source = data_source(
        {"kind": "nuscenes", "folder": str(drive), "version": "v1.0-mini", "sequences": ["scene-0061"]}, "x"
    )
    data = open_boxes(source, NUSCENES_10, sweeps=3)
    assert [len(data), len(data[1].cloud)] == [3, 21 + 2 * 20]
    with pytest.raises(BadConfig, match="expected 1 to 20 sweeps"):
        open_boxes(source, NUSCENES_10, sweeps=0)


def test_a_sweep_that_was_not_unpacked_is_named(drive):
    (drive / "sweeps" / "LIDAR_TOP" / "09.pcd.bin").unlink()
    with pytest.raises(BadDataset, match=r"scene-0061/key-1: .*sweeps/LIDAR_TOP/09\.pcd\.bin"):
        NuScenesBoxes(drive, "v1.0-mini")[1]
    (drive / "samples" / "LIDAR_TOP" / "10.pcd.bin").write_bytes(b"")
    with pytest.raises(BadDataset, match=r"samples/LIDAR_TOP/10\.pcd\.bin, found an empty file"):
        NuScenesBoxes(drive, "v1.0-mini", sweeps=1)[1]


@pytest.mark.parametrize(
    ("table", "change", "told"),
    [
        ("sample_annotation", {"size": [2.0, 4.0]}, r"car-key-0: expected 3 \+ 3 \+ 4 finite numbers"),
        ("sample_annotation", {"translation": [1.0, float("nan"), 0.0]}, r"car-key-0: expected .*nan"),
        ("sample_annotation", {"num_lidar_pts": None}, "car-key-0: expected"),
        ("sample_annotation", {"instance_token": "nobody"}, r"car-key-0: .*instance.json, found nobody"),
        ("instance", {"category_token": "gone"}, r"instance\.json: car: expected a name of nuscenes_boxes .*None"),
        ("category", {"name": "vehicle.unicorn"}, "vehicle.unicorn"),
    ],
)
def test_damaged_tables_of_boxes_are_named_with_the_record(table, change, told, tmp_path):
    folder = write_nuscenes_boxes(tmp_path, CAR, [_car_of("key-0", 120.0)])
    path = folder / "v1.0-mini" / f"{table}.json"
    records = json.loads(path.read_text())
    path.write_text(json.dumps([records[0] | change, *records[1:]]))
    with pytest.raises(BadDataset, match=told) as found:
        NuScenesBoxes(folder, "v1.0-mini")
    assert "\n" not in str(found.value)


def test_a_box_of_negative_size_is_named_with_its_key_frame(tmp_path):
    folder = write_nuscenes_boxes(tmp_path, CAR, [_car_of("key-1", 120.0, size=[2.0, -4.0, 1.5])])
    with pytest.raises(BadDataset, match=r"scene-0061/key-1: .*sample_annotation\.json: .*sizes >= 0"):
        NuScenesBoxes(folder, "v1.0-mini")[1]


def test_boxes_are_counted_by_class(drive):
    lines = list(box_findings(data_source({"kind": "nuscenes", "folder": str(drive), "version": "v1.0-mini"}, "x")))
    assert "boxes of nuscenes10 in 3 samples: car 3, truck 0" in lines[0]
    assert lines[0].endswith("of no class 1")
    assert "in m, for anchors: car 4.00 x 2.00 x 1.50, bottom -2.00; barrier 4.00" in lines[1]
    (drive / "v1.0-mini" / "sample_annotation.json").unlink()
    lines = list(box_findings(data_source({"kind": "nuscenes", "folder": str(drive), "version": "v1.0-mini"}, "x")))
    assert lines == ["note: no boxes found"]


@st.composite
def tracks(draw):
    count = draw(st.integers(1, 12))
    instance = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    stamps = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count, unique=True))
    center = draw(st.lists(st.tuples(*[st.integers(-50, 50)] * 3), min_size=count, max_size=count))
    return np.array(instance), np.array(stamps) * 0.25, np.array(center, float)


@given(tracks())
def test_velocities_equal_those_of_linked_boxes(track):
    """nuScenes' devkit goes from box to box by prev and next."""
    instance, stamp_s, center_m = track
    found = track_velocities(instance, stamp_s, center_m)
    for row in range(len(instance)):
        of_thing = sorted(np.flatnonzero(instance == instance[row]), key=lambda each: stamp_s[each])
        place = of_thing.index(row)
        first, last = of_thing[max(place - 1, 0)], of_thing[min(place + 1, len(of_thing) - 1)]
        gap_s = stamp_s[last] - stamp_s[first]
        most_s = 3.0 if first != row and last != row else 1.5
        expected = (center_m[last] - center_m[first]) / gap_s if 0 < gap_s <= most_s else np.full(3, np.nan)
        assert_allclose(found[row], expected)


def test_boxes_of_a_recorded_key_frame_come_out_as_published(test_data, tmp_path):
    """A frame's boxes, given in LIDAR_TOP, are written as tables have them, global and as width, length, height, and read."""
    frame = json.loads(recording(test_data, "nuscenes_*/frame.json").read_text())
    folder = write_nuscenes_boxes(tmp_path, CAR, [])
    T_global_lidar = NuScenesBoxes(folder, "v1.0-mini", sweeps=1).T_world_lidar(0) @ T_FLU_RFU
    annotations = []
    for number, box in enumerate(frame["boxes"]):
        c, s = np.cos(box["yaw"]), np.sin(box["yaw"])
        T_global_box = T_global_lidar @ RigidTransform(
            np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array(box["center"])
        )
        length, width, height = box["lwh"]
        x, y, z, w = T_global_box.quaternion()
        annotations.append(nuscenes_annotation(
            str(number), "key-0", "car", T_global_box.translation_m.tolist(), size=[width, length, height],
            rotation=[w, x, y, z], num_lidar_pts=max(1, box["num_lidar_pts"]),
        ))  # fmt: skip
    (folder / "v1.0-mini" / "sample_annotation.json").write_text(json.dumps(annotations))
    boxes = NuScenesBoxes(folder, "v1.0-mini", sweeps=1).boxes(0)
    given_m = T_FLU_RFU.apply(np.array([box["center"] for box in frame["boxes"]]))
    assert_allclose(boxes.boxes[:, :3], given_m, atol=1e-6)
    assert_allclose(boxes.boxes[:, 3:6], [box["lwh"] for box in frame["boxes"]], atol=1e-6)
    turn = boxes.boxes[:, 6] - (
        np.array([box["yaw"] for box in frame["boxes"]]) - np.pi / 2
    )  # x forward: a quarter less
    assert_allclose(np.cos(turn), 1.0, atol=1e-9)
