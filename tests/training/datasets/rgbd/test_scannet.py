"""ScanNet: .sens recordings of every kind, meshes with labels and segments, splits, damaged files."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.ply import ply_bytes
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.rgbd.files.sens_file import open_sens
from offline_training.datasets.rgbd.files.sens_views import sens_views
from offline_training.datasets.rgbd.scannet import ScanNet, ScanNetSource
from tests.recordings import recording
from tests.written.rgbd_scenes import LOST, ROOM_M, K, frames, room_images, sens_bytes, turned_pose, write_exported

SCANNET_20 = class_table("scannet20")

POINTS = 40
RAW = np.resize(np.array([0, 1, 2, 14, 39, 40, 13, 36], np.uint16), POINTS)
CLASSES = np.resize(np.array([255, 0, 1, 12, 19, 255, 255, 18], np.uint8), POINTS)


def write_sens(path: Path, count: int = 4, **kinds: object) -> list:
    shots = frames(count)
    path.parent.mkdir(parents=True, exist_ok=True)
    poses, colors, depths = zip(*shots, strict=True)
    path.write_bytes(sens_bytes([pose.matrix() for pose in poses], colors, depths, **kinds))
    return shots


def write_scene(scene: Path, labels: bool = True, points: int = POINTS) -> Path:
    """The mesh of a scene, with points on the walls of the room."""
    scene.mkdir(parents=True)
    rng = np.random.default_rng(0)
    xyz_m = (rng.uniform(0, 1, (points, 3)) * ROOM_M).astype(np.float32)
    axis = rng.integers(0, 3, points)
    xyz_m[np.arange(points), axis] = rng.integers(0, 2, points) * ROOM_M[axis]
    columns = {name: xyz_m[:, k] for k, name in enumerate("xyz")}
    columns |= {name: np.full(points, 50 * k, np.uint8) for k, name in enumerate(("red", "green", "blue", "alpha"))}
    (scene / f"{scene.name}_vh_clean_2.ply").write_bytes(ply_bytes(columns))
    if labels:
        (scene / f"{scene.name}_vh_clean_2.labels.ply").write_bytes(
            ply_bytes({**columns, "label": np.resize(RAW, points)})
        )
    return scene


@pytest.mark.parametrize("depth_kind", [0, 1])
@pytest.mark.parametrize("color_kind", ["raw", "png", "jpeg"])
def test_a_recording_gives_back_what_was_written_into_it(color_kind, depth_kind, tmp_path):
    shots = write_sens(tmp_path / "a.sens", color_kind=color_kind, depth_kind=depth_kind)
    sens = open_sens(tmp_path / "a.sens")
    assert (len(sens.frames), sens.color_size, sens.depth_size) == (4, (64, 48), (64, 48))
    assert np.allclose(sens.K_color, K)
    for number, (pose, rgb, depth) in enumerate(shots):
        assert np.allclose(sens.frames[number].world_from_camera, pose.matrix(), atol=1e-6)
        assert sens.frames[number].stamp_ns == 1_000_000 * number
        assert np.allclose(sens.depth_m(number), depth / 1000.0, atol=1e-6)
        off = np.abs(sens.rgb(number).astype(int) - rgb)
        assert np.quantile(off, 0.8) <= (12 if color_kind == "jpeg" else 0)


def test_views_are_every_20th_frame_resized_with_scannets_intrinsics(tmp_path):
    K1280 = np.array([[1155.74121, 0, 639.5], [0, 1155.74121, 479.5], [0, 0, 1.0]])
    rgb, depth = np.zeros((960, 1280, 3), np.uint8), np.full((480, 640), 1500, np.uint16)
    rgb[:, 640:] = 200
    count = 41
    poses = [turned_pose(0.1 * number).matrix() for number in range(count)]
    (tmp_path / "a.sens").write_bytes(sens_bytes(poses, [rgb] * count, [depth] * count, intrinsics=K1280))
    views, skipped = sens_views(tmp_path / "a.sens")
    assert ([view.name for view in views], skipped) == (["000000", "000020", "000040"], 0)
    assert np.allclose(views[1].T_cam_lidar.inverse().matrix(), poses[20], atol=1e-6)
    # 577.87 at 640 pixels, 288.94 at 320; the middle stays the middle
    assert np.allclose(views[0].camera.K, [[288.9353025, 0, 159.5], [0, 288.9353025, 119.5], [0, 0, 1]], atol=1e-4)
    picture, depth_m = views[0].load_rgb(), views[0].load_depth_m()
    assert picture.shape == (240, 320, 3)
    assert depth_m.shape == (240, 320)
    assert (depth_m == np.float32(1.5)).all()
    assert np.abs(picture[120, [10, 300], 0].astype(int) - [0, 200]).max() < 5
    assert views[1].stamp_ns == 20_000_000


def test_points_project_onto_the_depth_of_their_recording(tmp_path):
    camera = CameraModel(640, 480, np.array([[577.870605, 0, 319.5], [0, 577.870605, 239.5], [0, 0, 1.0]]))
    pose = turned_pose(0.3)
    rgb, depth_m = room_images(pose, camera)
    content = sens_bytes([pose.matrix()], [rgb], [np.rint(1000 * depth_m).astype(np.uint16)], intrinsics=camera.K)
    (tmp_path / "a.sens").write_bytes(content)
    ((view,), _) = sens_views(tmp_path / "a.sens")
    v, u = np.mgrid[40:200, 40:280]
    known_m = view.load_depth_m()[v, u].ravel()
    points_m = view.T_cam_lidar.inverse().apply(view.camera.unproject(np.stack((u.ravel(), v.ravel()), 1), known_m))
    to_wall_m = np.minimum(np.abs(points_m), np.abs(points_m - ROOM_M)).min(axis=1)
    assert np.quantile(to_wall_m, 0.95) < 0.006  # nearest resizing moves a pixel by half of one


def test_frames_without_tracking_are_left_out_and_counted(tmp_path):
    shots = frames(3)
    poses = [shots[0][0].matrix(), LOST, np.full((4, 4), np.nan)]
    _, colors, depths = zip(*shots, strict=True)
    (tmp_path / "a.sens").write_bytes(sens_bytes(poses, colors, depths))
    views, skipped = sens_views(tmp_path / "a.sens", step=1)
    assert ([view.name for view in views], skipped) == (["000000"], 2)


def _with(at: int, form: str, value: float) -> object:
    return lambda content: content[:at] + struct.pack(form, value) + content[at + struct.calcsize(form) :]


_HEAD = 4 + 8 + 6 + 256  # version, name, matrices
_FIRST = _HEAD + 4 * 6 + 4 + 8  # kinds, sizes, units, number of frames
DAMAGE = {
    "empty": (lambda c: b"", "expected 4 bytes of its header, found 0"),
    "version 3": (_with(0, "<I", 3), "expected a .sens file of version 4, found version 3"),
    "no .sens": (lambda c: b"RIFF" + c[4:], "expected a .sens file of version 4"),
    "a name without end": (_with(4, "<Q", 1 << 60), "a sensor's name of up to 4096 bytes"),
    "cut in the header": (lambda c: c[:100], "bytes of its header"),
    "colour of an unknown kind": (_with(_HEAD, "<i", 9), r"jpeg \(2\), found kind 9"),
    "depth by occi": (_with(_HEAD + 4, "<i", 2), r"by zlib \(1\), found kind 2"),
    "no width": (_with(_HEAD + 8, "<I", 0), "expected images up to"),
    "no depth unit": (_with(_HEAD + 24, "<f", 0.0), "depth units per metre above 0"),
    "no frames": (lambda c: _with(_HEAD + 28, "<Q", 0)(c), "at least one frame"),
    "more frames than there are": (_with(_HEAD + 28, "<Q", 1 << 40), "frame 4 of"),
    "cut in a frame's head": (lambda c: c[: _FIRST + 50], "expected 96 bytes of frame 0 of 4, found 50"),
    "an image beyond the file": (_with(_FIRST + 80, "<Q", 1 << 50), "after the head of frame 0 of 4"),
    "cut in the last image": (lambda c: c[:-200], "after the head of frame 3 of 4"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_recording_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = DAMAGE[name]
    write_sens(tmp_path / "a.sens")
    content = (tmp_path / "a.sens").read_bytes()
    (tmp_path / "a.sens").write_bytes(damage(content))
    with pytest.raises(BadDataset, match=told):
        open_sens(tmp_path / "a.sens")


@pytest.mark.parametrize(
    ("at", "told"),
    [("color_at", "frame 1: expected a colour image of 64x48 pixels"), ("depth", "frame 1: expected a depth image")],
)
def test_a_damaged_image_names_its_frame(at, told, tmp_path):
    path = tmp_path / "a.sens"
    write_sens(path)
    frame = open_sens(path).frames[1]
    start = frame.color_at if at == "color_at" else frame.color_at + frame.color_bytes
    content = bytearray(path.read_bytes())
    content[start : start + 20] = b"\xaa" * 20
    path.write_bytes(content)
    sens = open_sens(path)
    with pytest.raises(BadDataset, match=told):
        sens.rgb(1) if at == "color_at" else sens.depth_m(1)


def test_of_a_recording_only_the_frames_that_are_asked_for_are_kept(tmp_path):
    write_sens(tmp_path / "a.sens", 5)
    every, some = open_sens(tmp_path / "a.sens"), open_sens(tmp_path / "a.sens", 2)
    assert [frame.number for frame in some.frames] == [0, 2, 4]
    assert (some.rgb(1) == every.rgb(2)).all()
    assert (some.depth_m(2) == every.depth_m(4)).all()


def test_an_image_of_another_size_than_the_header_says_is_refused(tmp_path):
    pose, rgb, depth = frames(1)[0]
    content = sens_bytes([pose.matrix()], [rgb], [depth])
    (tmp_path / "a.sens").write_bytes(_with(_HEAD + 16, "<I", 63)(content))  # width of the depth images
    with pytest.raises(BadDataset, match=r"depth image of 63x48 pixels, found: 60\d\d bytes"):
        open_sens(tmp_path / "a.sens").depth_m(0)


def test_a_scene_is_its_mesh_with_20_classes_and_the_frames_of_its_recording(tmp_path):
    scene = write_scene(tmp_path / "scans" / "scene0000_00")
    write_sens(scene / "scene0000_00.sens", 41)
    segments = np.arange(POINTS) // 7 + 1000
    (scene / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments.tolist()}))
    sample = ScanNet(tmp_path)[0]
    assert sample.name == "scene0000_00"
    assert sample.class_id.tolist() == CLASSES.tolist()
    assert sample.cloud.extra["rgb"][0].tolist() == [0, 50, 100]
    assert sample.cloud.extra["superpoint"].tolist() == segments.tolist()
    assert len(sample.views) == 3
    assert len(open_source(ScanNetSource(folder=str(tmp_path), view_step=10), SCANNET_20)[0].views) == 5


def test_labels_come_from_groups_of_segments_where_no_labelled_mesh_is(tmp_path):
    scene = write_scene(tmp_path / "scans" / "scene0000_00", labels=False)
    segments = np.arange(POINTS) // 10
    (scene / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments.tolist()}))
    groups = [{"segments": [0, 2], "label": "office chair"}, {"segments": [1], "label": "soap dish"}]
    (scene / "scene0000_00.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    assert ScanNet(tmp_path)[0].class_id is None  # without the table of names
    table = "id\traw_category\tnyu40id\n5\toffice chair\t5\n6\tsoap dish\t40\n"
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(table)
    chair = SCANNET_20.id_of("chair")
    assert ScanNet(tmp_path)[0].class_id.tolist() == [chair] * 10 + [255] * 10 + [chair] * 10 + [255] * 10


def test_the_200_classes_are_those_of_the_names_of_groups_which_labels_of_nyu40_do_not_have(tmp_path):
    scene, fine = write_scene(tmp_path / "scans" / "scene0000_00"), class_table("scannet200")
    with pytest.raises(BadDataset, match=r"aggregation\.json, its .* finer than the NYU40 ids"):
        ScanNet(tmp_path, classes=fine)[0]
    segments = np.arange(POINTS) // 10
    (scene / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments.tolist()}))
    names = ("office chair", "soap dish", "broken thing")
    groups = [{"segments": [k], "label": name} for k, name in enumerate(names)]
    (scene / "scene0000_00.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    table = "id\traw_category\tnyu40id\n10\toffice chair\t5\n157\tsoap dish\t40\n1300\tbroken thing\t40\n"
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(table)
    office_chair, soap_dish = fine.id_of("office chair"), fine.id_of("soap dish")
    dataset = open_source(ScanNetSource(folder=str(tmp_path)), fine)
    assert dataset[0].class_id.tolist() == [office_chair] * 10 + [soap_dish] * 10 + [255] * 20
    assert ScanNet(tmp_path)[0].class_id.tolist() == CLASSES.tolist()  # the 20 as before
    test = write_scene(tmp_path / "scans_test" / "scene0707_00", labels=False)
    assert ScanNet(tmp_path, [test.name], classes=fine)[0].class_id is None


def test_scenes_of_the_test_split_have_no_labels_and_lists_choose_scenes(tmp_path):
    for name in ("scene0000_00", "scene0001_00"):
        write_scene(tmp_path / "scans" / name)
    write_scene(tmp_path / "scans_test" / "scene0707_00", labels=False)
    for split, name in (("train", "scene0001_00"), ("test", "scene0707_00"), ("val", "scene0009_00")):
        (tmp_path / f"scannetv2_{split}.txt").write_text(f"{name}\n")

    def chosen(**values: object) -> list[str]:
        dataset = open_source(ScanNetSource(folder=str(tmp_path), **values), SCANNET_20)
        return [dataset[index].name for index in range(len(dataset))]

    assert chosen() == ["scene0000_00", "scene0001_00", "scene0707_00"]
    assert chosen(split="train") == ["scene0001_00"]
    assert chosen(sequences=("scene0000_00",)) == ["scene0000_00"]
    assert ScanNet(tmp_path, ["scannetv2_test.txt"])[0].class_id is None
    with pytest.raises(BadDataset, match="none for scene0009_00"):
        chosen(split="val")
    (tmp_path / "scannetv2_val.txt").unlink()
    with pytest.raises(BadDataset, match=r"expected the list scannetv2_val.txt"):
        chosen(split="val")


def test_views_of_the_25k_frames_and_of_exported_folders_are_found(tmp_path):
    write_scene(tmp_path / "scans" / "scene0000_00")
    assert ScanNet(tmp_path)[0].views == ()
    subset = write_exported(tmp_path / "scannet_frames_25k" / "scene0000_00", 3)
    for name in ("color", "depth"):  # the subset's own names
        (subset / "intrinsic" / f"intrinsic_{name}.txt").rename(subset / f"intrinsics_{name}.txt")
    (view, *others) = ScanNet(tmp_path)[0].views
    assert len(others) == 2
    assert view.file == "scene0000_00/color/0.png"
    assert np.allclose(view.camera.K, K)
    assert ScanNet(tmp_path, frames=["2"]).views(0)[0].name == "2"


BROKEN = {
    "mesh cut": (lambda s: _cut(s / f"{s.name}_vh_clean_2.ply"), "The file is truncated"),
    "mesh without colours": (
        lambda s: (s / f"{s.name}_vh_clean_2.ply").write_bytes(ply_bytes({n: np.zeros(POINTS) for n in "xyz"})),
        "expected red, green and blue",
    ),
    "labels of another scene": (
        lambda s: (s / f"{s.name}_vh_clean_2.labels.ply").write_bytes(ply_bytes({"label": np.zeros(3, np.uint16)})),
        "expected 40 labels, one per vertex of the scene's mesh, found 3",
    ),
    "labels without labels": (
        lambda s: (s / f"{s.name}_vh_clean_2.labels.ply").write_bytes(ply_bytes({"x": np.zeros(40)})),
        "expected a property `label`",
    ),
    "segments of another scene": (
        lambda s: (s / f"{s.name}_vh_clean_2.0.01.segs.json").write_text('{"segIndices": [1]}'),
        "expected 40 segment numbers",
    ),
    "segments of words": (
        lambda s: (s / f"{s.name}_vh_clean_2.0.01.segs.json").write_text('{"segIndices": ["a"]}'),
        "expected a list `segIndices`",
    ),
    "segments cut": (lambda s: (s / f"{s.name}_vh_clean_2.0.01.segs.json").write_text('{"segInd'), "expected JSON"),
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_scene_is_refused_by_what_is_wrong(name, tmp_path):
    damage, told = BROKEN[name]
    damage(write_scene(tmp_path / "scans" / "scene0000_00"))
    with pytest.raises(BadDataset, match=told):
        ScanNet(tmp_path)[0]


def test_check_data_tells_scenes_and_splits(tmp_path, capsys):
    scene = write_scene(tmp_path / "scans" / "scene0000_00", points=30000)
    write_sens(scene / "scene0000_00.sens")
    (tmp_path / "scannetv2_val.txt").write_text("scene0000_00\n")
    assert main(["check-data", "scannet", str(tmp_path), "view_step=1"]) == 0
    out = capsys.readouterr().out
    assert "scenes: 1" in out
    assert "split val: 1 scenes" in out
    assert "split train: found none. Copy it from their repository" in out
    assert "scene0000_00: 4 views, 0 left out" in out


def test_the_masks_of_a_converted_scene_map_to_the_20_classes(test_data):
    raw = np.fromfile(recording(test_data, "tiny_fixtures/scannet/semantic_mask/scene0000_00.bin"), np.int64)
    class_id = label_map("scannet", SCANNET_20).apply(raw)
    assert (
        (class_id == 255) == ~np.isin(raw, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39])
    ).all()
    with pytest.raises(BadLabels):
        label_map("scannet", SCANNET_20).apply(np.array([41]))
