"""S3DIS: rooms as published and as converted, and the images of 2D-3D-S with their world-to-camera poses."""

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.s3dis import S3dis, S3disSource
from tests.recordings import recording
from tests.training.datasets.rgbd.s3dis_rooms import walls, write_images, write_room
from tests.written.rgbd_scenes import frames

S3DIS_13 = class_table("s3dis13")

_T_AREA5_AREA5B = np.array([[0, 1, 0, -4.09703582], [-1, 0, 0, 6.22617759], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def test_the_objects_of_a_room_become_its_points_with_their_classes(tmp_path):
    objects = {
        "board_1": np.array([[0.125, 1, 2, 10, 20, 30]]),
        "chair_12": np.array([[1, 1, 1, 0, 0, 0], [2, 2, 2, 255, 255, 255]]),
        "stairs_1": np.array([[3, 3, 3, 9, 9, 9]]),
    }
    write_room(tmp_path / "Area_1", "office_2", objects)
    sample = S3dis(tmp_path)[0]
    assert sample.name == "Area_1/office_2"
    assert [S3DIS_13.names[k] for k in sample.class_id] == ["board", "chair", "chair", "clutter"]
    assert sample.cloud.xyz_m[0].tolist() == [0.125, 1, 2]
    assert sample.cloud.extra["rgb"][:, 0].tolist() == [10, 0, 255, 9]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"22.5 -3.1 2.7 103.0\x100000 20 30", [22.5, -3.1, 2.7, 103, 20, 30]),  # 0x10 is 0
        (b"1.0 2.0 3.0 1\x162 20 30", [1, 2, 3, 162, 20, 30]),  # 0x16 is 6
        (b"1.0 2.0\x003.0 185\x00187 182", [1, 2, 3, 185, 187, 182]),  # 0x00 is a blank
        (b"1\x0e5 \r2.0 3.0\t185 187 182\r", [1.5, -2, 3, 185, 187, 182]),  # 0x0e is a point, 0x0d a sign or a line end
        (b"1.0 2.0 3.0 185\x10187 182", [1, 2, 3, 185, 187, 182]),  # a 0 would leave five numbers
        (b"1.0 2.0 3.0 185\x03 187 182", [1, 2, 3, 185, 187, 182]),  # a # would end the line
    ],
)
def test_control_characters_in_numbers_get_their_lost_bit_and_are_told_once(line, expected, tmp_path, capsys):
    annotations = write_room(tmp_path / "Area_5", "hallway_6")
    (annotations / "ceiling_1.txt").write_bytes(b"4.0 5.0 6.0 1 2 3\n" + line + b"\n4.0 5.0 6.0 1 2 3\n")
    (annotations / "._ceiling_1.txt").write_bytes(b"\0\5\x16")
    cloud = S3dis(tmp_path)[0].cloud
    assert [*cloud.xyz_m[1].tolist(), *cloud.extra["rgb"][1].tolist()] == pytest.approx(expected)
    assert len(cloud) == 3
    assert main(["check-data", "s3dis", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("note: ") == out.count("ceiling_1.txt: line 2: control characters in numbers, read as") == 1


def test_a_line_that_no_repair_makes_numbers_is_refused(tmp_path):
    annotations = write_room(tmp_path / "Area_5", "hallway_6")
    (annotations / "ceiling_1.txt").write_bytes(b"1.0 2.0 3.0 1\x16x2 20 30\n")
    with pytest.raises(BadDataset, match=r"ceiling_1\.txt: expected lines x y z"):
        S3dis(tmp_path)[0]


def test_area_5_is_validated_on_and_the_others_are_trained_on(tmp_path):
    release = tmp_path / "Stanford3dDataset_v1.2"  # areas also lie below one folder
    for area in range(1, 7):
        for room in ("office_1", "hallway_1"):
            write_room(release / f"Area_{area}", room)

    def chosen(**values: object) -> list[str]:
        dataset = open_source(S3disSource(folder=str(tmp_path), **values), S3DIS_13)
        return [dataset[index].name for index in range(len(dataset))]

    assert chosen(split="val") == ["Area_5/hallway_1", "Area_5/office_1"]
    assert {name[:6] for name in chosen(split="train")} == {"Area_1", "Area_2", "Area_3", "Area_4", "Area_6"}
    assert chosen(sequences=("Area_2", "Area_3/office_1")) == ["Area_2/hallway_1", "Area_2/office_1", "Area_3/office_1"]


@pytest.mark.parametrize("form", ["bin", "npy"])
def test_converted_rooms_are_read(form, tmp_path):
    rows, raw = walls(50).astype(np.float32), np.arange(50) % 13
    if form == "bin":
        for name, values in (("points", rows), ("semantic_mask", raw.astype(np.int64))):
            (tmp_path / name).mkdir()
            values.tofile(tmp_path / name / "Area_5_conferenceRoom_1.bin")
    else:
        np.save(tmp_path / "Area_5_conferenceRoom_1_point.npy", rows)
        np.save(tmp_path / "Area_5_conferenceRoom_1_sem_label.npy", raw)
    sample = S3dis(tmp_path, ["Area_5"])[0]
    assert sample.name == "Area_5/conferenceRoom_1"
    assert np.array_equal(sample.cloud.xyz_m, rows[:, :3])
    assert sample.class_id.tolist() == raw.tolist()
    assert sample.views == ()


def test_the_images_of_a_room_show_its_walls(tmp_path):
    write_room(tmp_path / "Area_1", "office_2", {"wall_1": walls()})
    write_images(tmp_path / "area_1", "office_2")
    write_images(tmp_path / "area_1", "office_21", count=1)
    sample = S3dis(tmp_path)[0]
    assert len(sample.views) == 4
    for view in sample.views:
        depth_m = view.load_depth_m()
        uv_px, z_m, visible = view.camera.project(view.T_cam_lidar.apply(sample.cloud.xyz_m))
        u, v = np.rint(uv_px[visible]).astype(int).T
        assert np.median(np.abs(depth_m[v, u] - z_m[visible])) < 0.01
    assert len(S3dis(tmp_path, view_step=3)[0].views) == 2
    assert "_frame_2" in S3dis(tmp_path, frames=[sample.views[2].name])[0].views[0].name


def test_area_5b_is_turned_into_the_frame_of_area_5(tmp_path):
    write_room(tmp_path / "rooms" / "Area_5", "office_2", {"wall_1": walls(50)})
    write_images(tmp_path / "area_5a", "office_1")
    write_images(tmp_path / "area_5b", "office_2", np.linalg.inv(_T_AREA5_AREA5B))
    views = S3dis(tmp_path / "rooms")[0].views
    assert len(views) == 4
    for view, (pose, _, _) in zip(views, frames(4), strict=True):
        assert np.allclose(view.T_cam_lidar.inverse().matrix(), pose.matrix(), atol=1e-6)


def test_rooms_turned_by_the_aligned_release_have_no_images(tmp_path):
    for room in ("office_1", "office_2"):
        write_room(tmp_path / "Area_1", room)
        write_images(tmp_path / "area_1", room, count=1)
    (tmp_path / "Area_1" / "Area_1_alignmentAngle.txt").write_text("## room angle\noffice_1 0\noffice_2 90\n")
    assert [len(sample.views) for sample in (S3dis(tmp_path)[0], S3dis(tmp_path)[1])] == [1, 0]


def test_check_data_looks_at_rooms_and_images(tmp_path, capsys):
    write_room(tmp_path / "Area_5", "office_2", {"wall_1": walls()})
    write_images(tmp_path / "area_5a", "office_2")
    assert main(["check-data", "s3dis", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "split val: 1 scenes" in out
    assert "split train: found 1, none for Area_1, Area_2" in out
    assert "Area_5/office_2: 4 views, 0 left out" in out


def test_a_converted_room_is_read(test_data):
    folder = recording(test_data, "tiny_fixtures/s3dis")
    sample = S3dis(folder)[0]
    assert len(sample.cloud) == len(sample.class_id) > 0
    names = folder / "meta_data" / "class_names.txt"
    if names.exists():
        assert tuple(names.read_text().split()) == S3DIS_13.names
