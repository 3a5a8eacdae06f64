"""Boxes that people draw in the clouds of their own bags: text files beside the recording."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.detection_messages import detections_message
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.foundation.stamps import nanoseconds
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from offline_training.cli.main import main
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.data_sources import data_source
from offline_training.datasets.lidar.files.box_lines import read_box_lines
from tests.recordings import SHIPPED

BAG = SHIPPED / "bags" / "street_mcap"
CAR = "5 1 -1 4.2 1.8 1.5 0.3 car"
NUSCENES_10 = class_table("nuscenes10")


def opened(folder, **values):
    source = data_source({"kind": "ros_bag", "folder": str(BAG), "box_folder": str(folder)} | values, "here")
    return open_boxes(source, NUSCENES_10)


def test_clouds_with_a_file_are_samples_in_their_own_frame(tmp_path):
    (tmp_path / "000002.txt").write_text(f"{CAR}\n\n8 2 0 0.8 0.7 1.8 -1 pedestrian 1.5 -0.5\n")
    (tmp_path / "0.txt").write_text("")
    data = opened(tmp_path)
    none, sample = data[0], data[1]
    assert (len(data), len(none.boxes), sample.name) == (2, 0, "street_mcap/2")
    assert_allclose(sample.boxes.boxes, [[5, 1, -1, 4.2, 1.8, 1.5, 0.3], [8, 2, 0, 0.8, 0.7, 1.8, -1]])
    assert sample.boxes.class_id.tolist() == [NUSCENES_10.id_of("car"), NUSCENES_10.id_of("pedestrian")]
    assert_allclose(sample.boxes.velocity_mps, [[np.nan, np.nan], [1.5, -0.5]])
    assert sample.boxes.frame_id == sample.cloud.frame_id
    assert len(opened(tmp_path, frames=("2",))) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("5 1 -1 4.2 1.8 1.5 car", "line 2: expected x y z .* found 7 words"),
        (f"{CAR} 1.5", "line 2: expected .* found 9 words"),
        (CAR.replace("4.2", "long"), "line 2: .*long"),
        (CAR.replace("4.2", "nan"), "line 2: .*finite"),
        (CAR.replace("4.2", "-4.2"), "line 2: .*sizes >= 0"),
        (CAR.replace("car", "cat"), "line 2: .*no class 'cat'"),
    ],
)
def test_a_wrong_line_is_named(line, told, tmp_path):
    path = tmp_path / "000000.txt"
    path.write_text(f"{CAR}\n{line}\n")
    with pytest.raises(BadDataset, match=rf"000000\.txt, {told}") as found:
        read_box_lines(path, NUSCENES_10, "lidar")
    assert "\n" not in str(found.value)


def test_files_that_belong_to_no_cloud_are_refused(tmp_path):
    with pytest.raises(BadDataset, match=r"expected files of boxes .* found 0"):
        opened(tmp_path)
    (tmp_path / "000099.txt").write_text(CAR)
    (tmp_path / "000000.txt").write_text(CAR)
    with pytest.raises(BadDataset, match=r"000099\.txt: .* found no cloud 99"):
        opened(tmp_path)
    (tmp_path / "first.txt").write_text(CAR)
    with pytest.raises(BadDataset, match=r"such as 000012\.txt, found first\.txt"):
        opened(tmp_path)


def test_without_a_folder_of_boxes_a_bag_has_none(tmp_path, capsys):
    with pytest.raises(BadConfig, match=r"box_folder of .*street_mcap: expected the folder"):
        open_boxes(data_source({"kind": "ros_bag", "folder": str(BAG)}, "here"), NUSCENES_10)
    assert main(["check-data", "ros_bag", str(BAG)]) == 0
    assert "note: no boxes found" in capsys.readouterr().out


def recorded(path, boxes, frame_id=None, at_s=0.0):
    """The bag's clouds with the boxes of some of them on a topic, by place; at_s: how late these are."""
    with open_recording(BAG) as recording, BagWriter(path) as bag:
        clouds = {frame.index: frame.cloud for frame in recording.frames()}
        for message in recording.bag.messages([recording.cloud_topic]):
            bag.write(message.topic, message.type, message.stamp_ns, message.cdr)
        for place, rows in boxes.items():
            made = Boxes3d.of(rows, np.zeros(len(rows)), frame_id=frame_id or clouds[place].frame_id)
            stamp_ns = clouds[place].stamp_ns + nanoseconds(at_s)
            bag.write("/boxes", DETECTIONS_TYPE, stamp_ns, detections_message(made, NUSCENES_10, stamp_ns))
    return path


def of_topic(path, **values):
    source = data_source({"kind": "ros_bag", "folder": str(path), "box_topic": "/boxes"} | values, "here")
    return open_boxes(source, NUSCENES_10)


def test_clouds_with_a_message_of_their_stamp_are_samples_too(tmp_path, capsys):
    path = recorded(tmp_path / "a.mcap", {0: [], 2: [[5, 1, -1, 9, 9, 9, 0.3]]})
    data = of_topic(path)
    assert [data[k].name for k in range(len(data))] == ["a/0", "a/2"]
    assert (len(data[0].boxes), data[1].boxes.frame_id) == (0, data[1].cloud.frame_id)
    assert_allclose(data.boxes(1).boxes, [[5, 1, -1, 9, 9, 9, 0.3]])
    assert len(of_topic(path, frames=("2",))) == 1
    assert main(["check-data", "ros_bag", str(path), "box_topic=/boxes"]) == 0
    assert "boxes of nuscenes10 in 2 samples: car 1, truck 0" in capsys.readouterr().out


def test_a_topic_that_does_not_fit_is_refused_with_the_bag(tmp_path):
    rows = {0: [[5, 1, -1, 4.2, 1.8, 1.5, 0.3]]}
    with pytest.raises(
        BadDataset, match=r"a\.mcap: topic /boxes, stamp \d+ ns, from 'radar' to 'velo_link': no transform"
    ):
        of_topic(recorded(tmp_path / "a.mcap", rows, frame_id="radar"))
    with pytest.raises(BadDataset, match=r"b\.mcap: expected boxes on /boxes .* found the nearest 0\.020 s away"):
        of_topic(recorded(tmp_path / "b.mcap", rows, at_s=0.02), frames=("0",))
    with pytest.raises(BadDataset, match=r"b\.mcap: topic /none: expected vision_msgs"):
        of_topic(tmp_path / "b.mcap", box_topic="/none")
    with pytest.raises(BadConfig, match="expected boxes in a box_folder or on a box_topic, found both"):
        of_topic(tmp_path / "b.mcap", box_folder=str(tmp_path))


def test_check_data_counts_them(tmp_path, capsys):
    (tmp_path / "000001.txt").write_text(f"5 1 -1 9 9 9 0 car\n{CAR}\n")
    assert main(["check-data", "ros_bag", str(BAG), f"box_folder={tmp_path}"]) == 0
    assert "boxes of nuscenes10 in 1 samples: car 2, truck 0" in capsys.readouterr().out
