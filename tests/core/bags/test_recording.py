"""A bag as frames: which cloud comes with which pictures, and from where each camera saw it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.bags.recording import RecordedFrame, open_recording
from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.clouds.point_cloud2 import encode
from lidar_vl_core.commands.recordings.inspection import inspection
from lidar_vl_core.foundation.errors import BadImage, BadRequest
from lidar_vl_core.foundation.message_types import message_types
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.transform_tree import TransformTree
from tests.recordings import recordings

TYPES = message_types().types
CLOUD, IMAGE, COMPRESSED, INFO, TF = (
    "sensor_msgs/msg/PointCloud2",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/CameraInfo",
    "tf2_msgs/msg/TFMessage",
)
START_NS = 1_700_000_000_000_000_000
# p_optical = R @ p_lidar for x forward -> z, y left -> -x, z up -> -y, as a quaternion of T_lidar_optical.
OPTICAL_XYZW = (-0.5, 0.5, -0.5, 0.5)


def header(stamp_ns: int, frame_id: str):
    time = TYPES["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def cloud(stamp_ns: int, points: int = 5, frame_id: str = "lidar"):
    xyz = np.arange(3 * points, dtype=np.float32).reshape(-1, 3)
    columns = {"x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2], "label": np.arange(points, dtype=np.uint8)}
    columns |= {"intensity": np.ones(points, np.float32)}
    layout = encode(columns)
    fields = [
        TYPES["sensor_msgs/msg/PointField"](name=f.name, offset=f.offset, datatype=f.datatype, count=f.count)
        for f in layout.fields
    ]
    return TYPES[CLOUD](
        header=header(stamp_ns, frame_id),
        height=1,
        width=points,
        fields=fields,
        is_bigendian=False,
        point_step=layout.point_step,
        row_step=layout.row_step,
        data=layout.data,
        is_dense=True,
    )


def picture(stamp_ns: int, grey: int = 100, frame_id: str = "front_optical"):
    jpeg = encode_jpeg(np.full((48, 64, 3), grey, np.uint8))
    return TYPES[COMPRESSED](header=header(stamp_ns, frame_id), format="jpeg", data=np.frombuffer(jpeg, np.uint8))


def info(stamp_ns: int, focal_px: float = 32.0, frame_id: str = "front_optical"):
    K = np.array([focal_px, 0, 32, 0, focal_px, 24, 0, 0, 1], np.float64)
    region = TYPES["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return TYPES[INFO](
        header=header(stamp_ns, frame_id),
        height=48,
        width=64,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=K,
        r=np.eye(3).ravel(),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def transform(parent: str, child: str, x_m: float = 0.0, xyzw=(0.0, 0.0, 0.0, 1.0), stamp_ns: int = START_NS):
    geometry = "geometry_msgs/msg/"
    stamped = TYPES[geometry + "TransformStamped"](
        header=header(stamp_ns, parent),
        child_frame_id=child,
        transform=TYPES[geometry + "Transform"](
            translation=TYPES[geometry + "Vector3"](x=x_m, y=0.0, z=0.0),
            rotation=TYPES[geometry + "Quaternion"](**dict(zip("xyzw", xyzw, strict=True))),
        ),
    )
    return TYPES[TF](transforms=[stamped])


def write(path: Path, messages: list[tuple[str, str, int, object]]) -> Path:
    with BagWriter(path) as bag:
        for topic, type_name, stamp_ns, message in sorted(messages, key=lambda entry: entry[2]):
            bag.write(topic, type_name, stamp_ns, message)
    return path


def at(tenths: float) -> int:
    return START_NS + round(tenths * 1e8)


def drive(frames: int = 4, with_tf: bool = True) -> list[tuple[str, str, int, object]]:
    """A car with 10 m/s along x: LiDAR at base_link, one camera half a metre ahead whose stamps are 40 ms early."""
    messages: list[tuple[str, str, int, object]] = []
    if with_tf:
        messages += [
            ("/tf_static", TF, START_NS, transform("base_link", "lidar")),
            ("/tf_static", TF, START_NS + 1, transform("base_link", "front_optical", 0.5, OPTICAL_XYZW)),
            *[
                ("/tf", TF, at(k), transform("odom", "base_link", 1.0 * k, stamp_ns=at(k)))
                for k in range(-1, frames + 1)
            ],
        ]
    for k in range(frames):
        early = at(k) - 40_000_000
        messages += [
            ("/lidar/points", CLOUD, at(k), cloud(at(k))),
            ("/camera/front/image/compressed", COMPRESSED, early, picture(early, grey=10 * (k % 20))),
            ("/camera/front/camera_info", INFO, early, info(early)),
        ]
    return messages


def read(path: Path, **options) -> tuple[list[RecordedFrame], list[str]]:
    with open_recording(path) as recording:
        return list(recording.frames(**options)), recording.warnings


def test_every_cloud_comes_with_the_nearest_picture(tmp_path) -> None:
    frames, warnings = read(write(tmp_path / "drive.mcap", drive()))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.cloud.stamp_ns for frame in frames] == [at(k) for k in range(4)]
    assert [frame.views[0].stamp_ns for frame in frames] == [at(k) - 40_000_000 for k in range(4)]
    assert [round(frame.views[0].load_rgb().mean()) for frame in frames] == [0, 10, 20, 30]
    assert warnings == []


def test_the_camera_pose_is_that_of_its_own_moment(tmp_path) -> None:
    (frame, *_), _ = read(write(tmp_path / "drive.mcap", drive()))
    # 40 ms before the sweep, at 10 m/s, the camera was 0.4 m further back: 0.1 m before the LiDAR instead of 0.5 m.
    ahead_m = np.array([[10.0, 0.0, 0.0]])
    assert_allclose(frame.views[0].T_cam_lidar.apply(ahead_m), [[0.0, 0.0, 9.9]], atol=1e-6)


def test_without_a_moving_frame_the_static_transform_serves(tmp_path) -> None:
    messages = [message for message in drive() if message[0] != "/tf"]
    frames, _ = read(write(tmp_path / "drive.mcap", messages))
    assert_allclose(frames[0].views[0].T_cam_lidar.apply(np.array([[10.0, 0.0, 0.0]])), [[0.0, 0.0, 9.5]], atol=1e-6)


def test_a_camera_without_a_transform_is_left_out_and_named_never_put_at_the_origin(tmp_path) -> None:
    frames, warnings = read(write(tmp_path / "drive.mcap", drive(with_tf=False)))
    assert [frame.views for frame in frames] == [()] * 4
    assert len(warnings) == 1
    assert warnings[0].startswith("camera front: the recording does not say where front_optical is in lidar")
    assert warnings[0].endswith("(4 times)")


def test_a_picture_taken_before_the_first_pose_is_left_out(tmp_path) -> None:
    messages = [m for m in drive() if not (m[0] == "/tf" and m[2] < at(1))]
    frames, warnings = read(write(tmp_path / "drive.mcap", messages))
    assert [len(frame.views) for frame in frames] == [0, 0, 1, 1]
    assert "(2 times)" in warnings[0]


def test_a_recording_of_clouds_alone_has_frames_without_views(tmp_path) -> None:
    messages = [message for message in drive() if message[0] == "/lidar/points"]
    frames, warnings = read(write(tmp_path / "clouds.mcap", messages))
    assert [(len(frame.cloud), frame.views) for frame in frames] == [(5, ())] * 4
    assert warnings == []


def test_views_can_be_left_out(tmp_path) -> None:
    frames, _ = read(write(tmp_path / "drive.mcap", drive()), with_views=False)
    assert [frame.views for frame in frames] == [()] * 4


def test_asked_fields_come_with_the_cloud(tmp_path) -> None:
    frames, _ = read(write(tmp_path / "drive.mcap", drive(1)), extra_fields=("label",))
    assert frames[0].cloud.extra["label"].tolist() == [0, 1, 2, 3, 4]


def test_a_camera_that_falls_silent_costs_its_pictures_and_no_cloud(tmp_path) -> None:
    messages = [m for m in drive(30) if m[0] != "/camera/front/image/compressed" or m[2] < at(5)]
    frames, warnings = read(write(tmp_path / "drive.mcap", messages))
    assert [frame.index for frame in frames] == list(range(30))
    assert [len(frame.views) for frame in frames[:5]] == [1] * 5
    assert not any(frame.views for frame in frames[7:])
    assert any(warning.startswith("camera front: no image within 0.1 s of the cloud") for warning in warnings)


@pytest.mark.parametrize(
    "stamps_tenths",
    [[0, 1, 1, 2], [0, 2, 1, 3], [5, 6, 0, 1, 2], [0, 0, 0, 0], [*range(40), *range(40)]],
    ids=["twice the same", "out of order", "the clock goes back", "all the same", "a loop"],
)
def test_whatever_the_stamps_do_no_cloud_is_lost_or_given_twice(tmp_path, stamps_tenths: list[int]) -> None:
    messages = [m for m in drive(0)]
    for arrival, tenths in enumerate(stamps_tenths):
        messages += [
            ("/lidar/points", CLOUD, at(arrival), cloud(at(tenths))),
            ("/camera/front/image/compressed", COMPRESSED, at(arrival) + 1, picture(at(tenths))),
            ("/camera/front/camera_info", INFO, at(arrival) + 1, info(at(tenths))),
        ]
    frames, _ = read(write(tmp_path / "odd.mcap", messages))
    assert sorted(frame.index for frame in frames) == list(range(len(stamps_tenths)))


def test_clouds_without_any_stamp_are_given_and_not_gathered_in_memory(tmp_path) -> None:
    messages = drive(3) + [("/lidar/points", CLOUD, at(3 + k), cloud(0)) for k in range(60)]
    with open_recording(write(tmp_path / "unstamped.mcap", messages)) as recording:
        seen = [frame.index for frame in recording.frames()]
    assert seen == list(range(63))


def test_a_bad_cloud_is_skipped_and_named_and_keeps_its_place_in_the_count(tmp_path) -> None:
    messages = drive(3)
    bad = cloud(at(1))
    bad.point_step = 3
    messages = [
        ("/lidar/points", CLOUD, at(1), bad) if m[0] == "/lidar/points" and m[2] == at(1) else m for m in messages
    ]
    with open_recording(write(tmp_path / "bad.mcap", messages)) as recording:
        frames = list(recording.frames())
    assert [frame.index for frame in frames] == [0, 2]
    (skipped,) = recording.skipped
    assert (skipped.index, skipped.stamp_ns) == (1, at(1))
    assert "point_step" in skipped.reason


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
        ("/tf_static", TF, START_NS, transform("lidar", "front_optical", 0.0, OPTICAL_XYZW)),
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


def test_two_cloud_topics_ask_which_and_the_answer_is_obeyed(tmp_path) -> None:
    messages = [*drive(2), ("/lidar/rear", CLOUD, at(0), cloud(at(0), points=7))]
    path = write(tmp_path / "two.mcap", messages)
    with pytest.raises(BadRequest, match=r"/lidar/points.*/lidar/rear"), open_recording(path):
        pass
    with open_recording(path, "/lidar/rear") as recording:
        assert recording.cloud_count == 1
        assert [len(frame.cloud) for frame in recording.frames()] == [7]


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


@pytest.mark.parametrize(
    ("moving", "expected"),
    [
        ([], None),
        ([("map", "odom"), ("odom", "base_link")], "odom"),
        ([("map", "base_link")], "map"),
        ([("somewhere", "base_link")], "somewhere"),
    ],
)
def test_the_fixed_frame_is_the_one_that_never_jumps(moving: list[tuple[str, str]], expected: str | None) -> None:
    transforms = FrameTransforms(TransformTree(history_s=None))
    transforms.add(transform("base_link", "lidar"), static=True)
    for parent, child in moving:
        transforms.add(transform(parent, child), static=False)
    assert transforms.fixed_frame("lidar") == expected


@pytest.mark.parametrize("bag", recordings("bags/*_mcap", "bags/*_db3_raw"))
def test_bags_of_a_street_give_clouds_with_their_camera(bag: Path) -> None:
    with open_recording(bag) as recording:
        frames = list(recording.frames())
        assert len(frames) == recording.cloud_count
        for frame in frames:
            (view,) = frame.views
            assert view.load_rgb().shape == (view.camera.height, view.camera.width, 3)
            assert view.stamp_ns == frame.cloud.stamp_ns
        assert recording.warnings == []
        assert recording.skipped == []
