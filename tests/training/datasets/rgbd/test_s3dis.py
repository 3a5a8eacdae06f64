"""S3DIS: rooms as published and as converted, and the images of 2D-3D-S with their world-to-camera poses."""

import json
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset, BadLabels, LidarVlError
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.s3dis import S3dis, S3disSource
from tests.recordings import recording
from tests.written.rgbd_scenes import ROOM_M, K, frames, save

S3DIS_13 = class_table("s3dis13")

_T_AREA5_AREA5B = np.array([[0, 1, 0, -4.09703582], [-1, 0, 0, 6.22617759], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def write_room(area: Path, room: str, objects: dict[str, np.ndarray] | None = None) -> Path:
    """A room as Stanford publishes it."""
    annotations = area / room / "Annotations"
    annotations.mkdir(parents=True)
    for name, rows in (objects or {"ceiling_1": np.array([[0.5, 1.0, 2.5, 1, 2, 3]])}).items():
        np.savetxt(annotations / f"{name}.txt", rows, fmt="%.3f %.3f %.3f %d %d %d")
    return annotations


def walls(count: int = 20000) -> np.ndarray:
    """(N, 6) points on the walls of the test room."""
    rng = np.random.default_rng(1)
    rows = np.zeros((count, 6))
    rows[:, :3] = rng.uniform(0, 1, (count, 3)) * ROOM_M
    axis = rng.integers(0, 3, count)
    rows[np.arange(count), axis] = rng.integers(0, 2, count) * ROOM_M[axis]
    return rows


def write_images(area: Path, room: str, T_world: np.ndarray | None = None, count: int = 4) -> None:
    """Images of 2D-3D-S: depth in 1/512 m, poses from the world into the camera, the world moved by T_world."""
    for number, (pose, rgb, depth) in enumerate(frames(count)):
        stem = f"camera_{number:032x}_{room}_frame_{number}_domain"
        save(area / "data" / "rgb" / f"{stem}_rgb.png", rgb)
        save(area / "data" / "depth" / f"{stem}_depth.png", np.rint(depth * 0.512).astype(np.uint16))
        T_world_cam = (np.eye(4) if T_world is None else T_world) @ pose.matrix()
        stored = {
            "camera_k_matrix": K.tolist(),
            "camera_rt_matrix": np.linalg.inv(T_world_cam)[:3].tolist(),
            "camera_location": T_world_cam[:3, 3].tolist(),
        }
        (area / "data" / "pose").mkdir(exist_ok=True)
        (area / "data" / "pose" / f"{stem}_pose.json").write_text(json.dumps(stored))


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


def _rewrite(pose: Path, **values: object) -> None:
    pose.write_text(json.dumps({**json.loads(pose.read_text()), **values}))


def _camera_to_world(pose: Path) -> None:
    matrix = RigidTransform.from_matrix(np.array(json.loads(pose.read_text())["camera_rt_matrix"])).inverse().matrix()
    _rewrite(pose, camera_rt_matrix=matrix[:3].tolist())


POSES = {
    "camera to world": (_camera_to_world, "from the world into the camera"),
    "no intrinsics": (lambda p: p.write_text('{"camera_rt_matrix": []}'), "expected camera_k_matrix"),
    "cut": (lambda p: p.write_text('{"camera'), "expected camera_k_matrix"),
    "intrinsics of zeros": (lambda p: _rewrite(p, camera_k_matrix=np.zeros((3, 3)).tolist()), "camera_k_matrix: K"),
}


@pytest.mark.parametrize("name", POSES)
def test_a_wrong_pose_file_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = POSES[name]
    write_room(tmp_path / "Area_1", "office_2")
    write_images(tmp_path / "area_1", "office_2")
    damage(min((tmp_path / "area_1" / "data" / "pose").iterdir()))
    with pytest.raises(BadDataset, match=told):
        S3dis(tmp_path)[0]


def test_a_pose_that_is_not_rigid_is_left_out_and_counted(tmp_path):
    write_room(tmp_path / "Area_1", "office_2")
    write_images(tmp_path / "area_1", "office_2")
    _rewrite(min((tmp_path / "area_1" / "data" / "pose").iterdir()), camera_rt_matrix=np.full((3, 4), np.nan).tolist())
    dataset = S3dis(tmp_path)
    assert (len(dataset[0].views), dataset.skipped_views(0)) == (3, 1)


ROOMS = {
    "words": (lambda a: (a / "ceiling_1.txt").write_text("a b c d e f\n"), "expected lines x y z red green blue"),
    "five numbers": (lambda a: (a / "ceiling_1.txt").write_text("1 2 3 4 5\n"), "expected 6 numbers a line, found 5"),
    "a line cut": (lambda a: (a / "ceiling_1.txt").write_text("1 2 3 4 5 6\n1 2\n"), "expected lines x y z"),
    "no objects": (lambda a: (a / "ceiling_1.txt").unlink(), "expected text files of objects"),
    "colours beyond 255": (lambda a: (a / "ceiling_1.txt").write_text("1 2 3 4 5 999\n"), "expected colours 0 to 255"),
}


@pytest.mark.parametrize("name", ROOMS)
def test_a_damaged_room_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = ROOMS[name]
    damage(write_room(tmp_path / "Area_1", "office_2"))
    with pytest.raises(BadDataset, match=told):
        S3dis(tmp_path)[0]


CONVERTED = {
    "labels cut": (lambda f: np.arange(40).tofile(f / "semantic_mask" / "Area_1_office_2.bin"), "expected points"),
    "labels absent": (lambda f: (f / "semantic_mask" / "Area_1_office_2.bin").unlink(), "expected a readable file"),
    "points cut": (lambda f: (f / "points" / "Area_1_office_2.bin").write_bytes(b"\0" * 28), "expected rows of 6"),
    "a class too many": (
        lambda f: np.full(50, 13).tofile(f / "semantic_mask" / "Area_1_office_2.bin"),
        r"found \[13\]",
    ),
    "a name without area": (lambda f: (f / "points" / "Area_1_office_2.bin").rename(f / "points" / "x.bin"), "Rename"),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_a_damaged_converted_room_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = CONVERTED[name]
    for folder, values in (("points", walls(50).astype(np.float32)), ("semantic_mask", np.zeros(50, np.int64))):
        (tmp_path / folder).mkdir()
        values.tofile(tmp_path / folder / "Area_1_office_2.bin")
    damage(tmp_path)
    with pytest.raises(LidarVlError, match=told) as refusal:
        S3dis(tmp_path)[0]
    assert isinstance(refusal.value, BadDataset | BadLabels)


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
