"""A bag as frames: which cloud comes with which pictures, and from where each camera saw it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.geometry.frame_transforms import FrameTransforms
from lidar_vl_core.geometry.transform_tree import TransformTree
from tests.core.bags.drives import CLOUD, COMPRESSED, INFO, at, cloud, drive, info, picture, read, write
from tests.recordings import recordings
from tests.written.ros_messages import tf, transform


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


def test_two_cloud_topics_ask_which_and_the_answer_is_obeyed(tmp_path) -> None:
    messages = [*drive(2), ("/lidar/rear", CLOUD, at(0), cloud(at(0), points=7))]
    path = write(tmp_path / "two.mcap", messages)
    with pytest.raises(BadRequest, match=r"/lidar/points.*/lidar/rear"), open_recording(path):
        pass
    with open_recording(path, "/lidar/rear") as recording:
        assert recording.cloud_count == 1
        assert [len(frame.cloud) for frame in recording.frames()] == [7]


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
    transforms.add(tf(transform("base_link", "lidar")), static=True)
    for parent, child in moving:
        transforms.add(tf(transform(parent, child)), static=False)
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
