"""Recordings of ScanNet, .sens files of every kind: what is written comes back, what is damaged is named."""

import struct

import numpy as np
import pytest

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.rgbd.files.sens_file import open_sens
from offline_training.datasets.rgbd.files.sens_views import sens_views
from tests.training.datasets.rgbd.scannet_scenes import write_sens
from tests.written.rgbd_scenes import LOST, ROOM_M, K, frames, room_images, sens_bytes, turned_pose


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
