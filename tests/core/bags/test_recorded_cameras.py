"""Which lens a recorded picture was seen through, which are decoded, and which cameras are left out with the reason."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.commands.recordings.inspection import inspection
from lidar_vl_core.foundation.errors import BadImage
from tests.core.bags.drives import (
    CLOUD,
    COMPRESSED,
    IMAGE,
    INFO,
    OPTICAL_XYZW,
    START_NS,
    TF,
    at,
    cloud,
    drive,
    info,
    picture,
    read,
    write,
)
from tests.written.ros_messages import TYPES, header, tf, transform


def test_a_changed_calibration_holds_from_its_own_time_on(tmp_path) -> None:
    messages = [m for m in drive() if m[0] != "/camera/front/camera_info"]
    messages += [
        ("/camera/front/camera_info", INFO, at(k), info(at(k), focal)) for k, focal in ((-0.5, 32.0), (1.5, 40.0))
    ]
    frames, _ = read(write(tmp_path / "drive.mcap", messages))
    assert [frame.views[0].camera.K[0, 0] for frame in frames] == [32.0, 32.0, 40.0, 40.0]


def test_a_camera_with_an_impossible_calibration_is_left_out_and_named(tmp_path) -> None:
    messages = [m for m in drive() if m[0] != "/camera/front/camera_info"]
    messages.append(("/camera/front/camera_info", INFO, at(-0.5), info(at(-0.5), focal_px=0.0)))
    frames, warnings = read(write(tmp_path / "drive.mcap", messages))
    assert [frame.views for frame in frames] == [()] * 4
    assert any("camera_info" in warning and "camera front" in warning for warning in warnings)


def rectified_info(stamp_ns: int, **rectification):
    """A lens with distortion (K, D), and another focal length and centre for its rectified image (P)."""
    message = info(stamp_ns)
    message.d, message.p = np.array([-0.3, 0.1, 0, 0, 0]), np.array([25.0, 0, 30, 0, 0, 25, 20, 0, 0, 0, 1, 0])
    for name, value in rectification.items():
        setattr(message, name, np.asarray(value, float))
    return message


def with_camera(image_topic: str, info_topic: str, calibration, image=picture) -> list[tuple[str, str, int, object]]:
    """A standing car with one cloud, and one camera of these topics at the LiDAR's place."""
    kind = COMPRESSED if image is picture else IMAGE
    return [
        ("/tf_static", TF, START_NS, tf(transform("lidar", "front_optical", xyzw=OPTICAL_XYZW))),
        ("/lidar/points", CLOUD, START_NS, cloud(START_NS)),
        (image_topic, kind, START_NS, image(START_NS)),
        (info_topic, INFO, START_NS, calibration),
    ]


RECTIFIED = ("image_rect/compressed", "image_rect_color", "image_rect_raw", "rect/image", "color/rect/image/compressed")


@pytest.mark.parametrize("name", [*RECTIFIED, "imageRect", "image_rect_compressed"])
def test_a_rectified_picture_is_seen_by_p_without_distortion(tmp_path, name: str) -> None:
    messages = with_camera(f"/cam/{name}", "/cam/camera_info", rectified_info(START_NS))
    frames, warnings = read(write(tmp_path / "rectified.mcap", messages))
    ((view,),) = [frame.views for frame in frames]
    assert_allclose(view.camera.project(np.array([[1.0, 0.5, 5.0]]))[0], [[25 * 0.2 + 30, 25 * 0.1 + 20]])
    assert warnings == []


@pytest.mark.parametrize(
    "name", ["image_raw", "image_color/compressed", "image", "unrectified/image", "rect_off/image_raw"]
)
def test_a_raw_picture_is_seen_by_k_and_d(tmp_path, name: str) -> None:
    messages = with_camera(f"/cam/{name}", "/cam/camera_info", rectified_info(START_NS))
    frames, _ = read(write(tmp_path / "raw.mcap", messages))
    ((view,),) = [frame.views for frame in frames]
    assert (view.camera.model, view.camera.K[0, 0], view.camera.D) == ("plumb_bob", 32.0, (-0.3, 0.1, 0, 0, 0))


@pytest.mark.parametrize(
    "rectification",
    [{"r": [0, -1, 0, 1, 0, 0, 0, 0, 1]}, {"p": [25, 0, 30, -9, 0, 25, 20, 0, 0, 0, 1, 0]}, {"p": [0.0] * 12}],
    ids=["turned", "second of a stereo pair", "not told"],
)
def test_a_rectified_camera_whose_place_is_not_told_is_left_out_with_the_reason(tmp_path, rectification) -> None:
    calibration = rectified_info(START_NS, **rectification)
    messages = with_camera("/cam/image_rect", "/cam/camera_info", calibration)
    frames, warnings = read(write(tmp_path / "stereo.mcap", messages))
    assert [frame.views for frame in frames] == [()]
    assert any("rectified image: expected" in warning for warning in warnings)
    assert any(warning.startswith("camera cam (/cam/image_rect) is left out") for warning in warnings)


def raw_picture(encoding: str, channels: int, **changes):
    def message(stamp_ns: int):
        data = np.full(48 * 64 * channels, 100, np.uint8)
        fields = {"height": 48, "width": 64, "encoding": encoding, "step": 64 * channels, "data": data} | changes
        return TYPES[IMAGE](header=header(stamp_ns, "front_optical"), is_bigendian=0, **fields)

    return message


@pytest.mark.parametrize(("encoding", "channels"), [("yuv422_yuy2", 2), ("uyvy", 2), ("bayer_gbrg8", 1), ("mono16", 2)])
def test_pictures_as_drivers_send_them_are_decoded(tmp_path, encoding: str, channels: int) -> None:
    messages = with_camera("/cam/image_raw", "/cam/camera_info", info(START_NS), raw_picture(encoding, channels))
    frames, warnings = read(write(tmp_path / "driver.mcap", messages))
    assert frames[0].views[0].load_rgb().shape == (48, 64, 3)
    assert warnings == []


@pytest.mark.parametrize(
    ("encoding", "channels", "changes", "reason"),
    [
        ("32FC1", 4, {}, "measurements, not a photograph"),
        ("h264", 1, {}, "encoding: expected one of"),
        ("rgb8", 3, {"height": 47, "data": np.zeros(47 * 64 * 3, np.uint8)}, "expected images of 64 x 48 pixels"),
        ("rgb8", 3, {"data": np.zeros(100, np.uint8)}, "data: expected step"),
    ],
)
def test_a_camera_whose_pictures_cannot_be_used_is_left_out_with_the_reason(
    tmp_path, encoding: str, channels: int, changes: dict, reason: str
) -> None:
    image = raw_picture(encoding, channels, **changes)
    path = write(tmp_path / "odd.mcap", with_camera("/cam/image_raw", "/cam/camera_info", info(START_NS), image))
    frames, (warning,) = read(path)
    assert [frame.views for frame in frames] == [()]
    assert warning.startswith("camera cam (/cam/image_raw) is left out: ")
    assert reason in warning
    found = inspection(path)
    assert (found["cameras"], found["warnings"]) == ([], [warning])
    assert found["replay"].endswith("without camera images")


def test_one_damaged_picture_costs_no_camera_and_one_of_another_size_is_refused_when_it_is_loaded(tmp_path) -> None:
    messages = drive(3)
    pictures = [m for m in messages if m[0] == "/camera/front/image/compressed"]
    pictures[0][3].data = pictures[0][3].data[:40]
    pictures[2][3].data = np.frombuffer(encode_jpeg(np.zeros((24, 32, 3), np.uint8)), np.uint8)
    frames, warnings = read(write(tmp_path / "drive.mcap", messages))
    assert [len(frame.views) for frame in frames] == [1, 1, 1]
    assert warnings == []
    assert frames[1].views[0].load_rgb().shape == (48, 64, 3)
    for number, reason in ((0, "complete JPEG"), (2, "expected images of 64 x 48 pixels")):
        with pytest.raises(BadImage, match=reason):
            frames[number].views[0].load_rgb()


@pytest.mark.parametrize(("frame_id", "expected"), [("left", ["left"]), ("right", ["left", "right"])])
def test_the_second_of_a_stereo_pair_needs_a_frame_of_its_own(tmp_path, frame_id: str, expected: list[str]) -> None:
    messages: list[tuple[str, str, int, object]] = [("/lidar/points", CLOUD, START_NS, cloud(START_NS))]
    for side, frame, shift in (("left", "left", 0.0), ("right", frame_id, -9.0)):
        calibration = info(START_NS, frame_id=frame)
        calibration.p = np.array([32.0, 0, 32, shift, 0, 32, 24, 0, 0, 0, 1, 0])
        messages.append((f"/{side}/image_raw/compressed", COMPRESSED, START_NS, picture(START_NS, frame_id=frame)))
        messages.append((f"/{side}/camera_info", INFO, START_NS, calibration))
    with open_recording(write(tmp_path / "stereo.mcap", messages)) as recording:
        assert [camera.name for camera in recording.cameras] == expected
        told = [warning for warning in recording.warnings if "expected a frame of its own, found left" in warning]
    assert len(told) == 2 - len(expected)
