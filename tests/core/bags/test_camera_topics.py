"""Which image topic of a camera is read, and with which camera_info, from the names and frames of a recording's topics."""

from types import SimpleNamespace

import pytest

from lidar_vl_core.bags.camera_topics import CameraTopics, camera_topics, unread_videos
from lidar_vl_core.bags.messages import Topic
from lidar_vl_core.bags.surroundings import read_surroundings

IMAGE, COMPRESSED, INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))


def _topics(*entries: tuple[str, str]) -> list[Topic]:
    return [Topic(name, kind, 1) for name, kind in entries]


def test_an_image_belongs_to_the_camera_info_in_its_namespace() -> None:
    cameras, alone = camera_topics(
        _topics(
            ("/camera/left/image_raw", IMAGE),
            ("/camera/left/camera_info", INFO),
            ("/camera/right/image/compressed", COMPRESSED),
            ("/camera/right/camera_info", INFO),
            ("/webcam", IMAGE),
        ),
        {},
    )
    assert cameras == [
        CameraTopics("left", "/camera/left/image_raw", "/camera/left/camera_info"),
        CameraTopics("right", "/camera/right/image/compressed", "/camera/right/camera_info"),
    ]
    assert alone == ["/webcam"]


def test_an_image_elsewhere_belongs_to_the_camera_info_of_its_frame() -> None:
    topics = _topics(
        ("/pictures/one", IMAGE), ("/calibration/one/camera_info", INFO), ("/calibration/two/camera_info", INFO)
    )
    frame_ids = {"/pictures/one": "a", "/calibration/one/camera_info": "a", "/calibration/two/camera_info": "b"}
    cameras, alone = camera_topics(topics, frame_ids)
    assert [(camera.image_topic, camera.info_topic) for camera in cameras] == [
        ("/pictures/one", "/calibration/one/camera_info")
    ]
    assert alone == []


def test_of_several_pictures_of_a_camera_the_unrectified_compressed_colour_one_is_taken() -> None:
    names = ("image_raw", "image_rect", "image_raw/compressed", "image_rect/compressed", "depth/image_rect_raw")
    topics = _topics(
        *[(f"/cam/{name}", COMPRESSED if "compressed" in name else IMAGE) for name in names], ("/cam/camera_info", INFO)
    )
    (camera,), _ = camera_topics(topics, {})
    assert camera.image_topic == "/cam/image_raw/compressed"
    assert camera.not_read == ("/cam/image_raw", "/cam/image_rect/compressed", "/cam/image_rect")


@pytest.mark.parametrize(
    ("image", "infos", "expected"),
    [
        ("/image_raw", ["/camera_info"], "/camera_info"),
        ("/camera/color/image_raw", ["/camera/camera_info"], "/camera/camera_info"),
        ("/camera/color/image_raw", ["/camera/camera_info", "/camera/color/camera_info"], "/camera/color/camera_info"),
        ("/cam/image/compressed", ["/cam/image/camera_info"], "/cam/image/camera_info"),
        ("/c/left_image", ["/c/left_camera_info", "/c/right_camera_info"], "/c/left_camera_info"),
        ("/c/right/image_raw", ["/c/left_info", "/c/right_info"], "/c/right_info"),
        ("/c/image2", ["/c/info1", "/c/info2", "/c/info12"], "/c/info2"),
        ("/c/image_rect", ["/c/camera_info", "/c/camera_info_rect"], "/c/camera_info_rect"),
        ("/c/image_raw", ["/c/camera_info", "/c/camera_info_rect"], "/c/camera_info"),
        ("/c/image_raw", ["/c/left_info", "/c/right_info"], None),
        ("/a/image", ["/b/camera_info"], None),
    ],
)
def test_an_image_takes_the_camera_info_that_is_named_like_it(
    image: str, infos: list[str], expected: str | None
) -> None:
    cameras, alone = camera_topics(_topics((image, IMAGE), *[(info, INFO) for info in infos]), {})
    assert [camera.info_topic for camera in cameras] == ([] if expected is None else [expected])
    assert alone == ([] if expected else [image])


def test_a_camera_info_further_out_of_another_frame_is_another_cameras() -> None:
    topics = _topics(("/robot/rear/image", IMAGE), ("/robot/camera_info", INFO))
    frame_ids = {"/robot/rear/image": "rear", "/robot/camera_info": "front"}
    assert camera_topics(topics, frame_ids) == ([], ["/robot/rear/image"])


def test_cameras_in_one_namespace_have_names_of_their_own() -> None:
    sides = ("left", "right")
    topics = _topics(
        *[(f"/c/{side}_{what}", kind) for side in sides for what, kind in (("image", IMAGE), ("info", INFO))]
    )
    cameras, _ = camera_topics(topics, {})
    assert [(camera.name, camera.image_topic) for camera in cameras] == [
        ("c/left_info", "/c/left_image"),
        ("c/right_info", "/c/right_image"),
    ]


def test_a_depth_camera_may_send_photographs() -> None:
    names = ("depth_camera/image_raw", "depth_camera/depth/image_raw", "depth_camera/depth_image")
    topics = _topics(*[(f"/{name}", IMAGE) for name in names], ("/depth_camera/camera_info", INFO))
    (camera,), _ = camera_topics(topics, {})
    assert (camera.image_topic, camera.not_read) == ("/depth_camera/image_raw", ())


def test_a_video_is_named_where_its_camera_has_no_other_topic() -> None:
    names = ("/a/image/ffmpeg", "/b/image/ffmpeg")
    topics = [
        *_topics(*[(name, "ffmpeg_image_transport_msgs/msg/FFMPEGPacket") for name in names]),
        *_topics(("/b/image/compressed", COMPRESSED), ("/c/image/zstd", COMPRESSED)),
        *_topics(("/d/depth/image/compressedDepth", COMPRESSED)),
    ]
    assert [topic.name for topic in unread_videos(topics)] == ["/a/image/ffmpeg", "/c/image/zstd"]
    problems = read_surroundings(SimpleNamespace(topics=topics[:1], messages=lambda _: iter(()))).problems
    assert [problem.partition(":")[0] for problem in problems] == ["/a/image/ffmpeg"]


def test_a_transport_that_is_not_read_does_not_hide_the_picture_beside_it() -> None:
    topics = _topics(("/c/image", IMAGE), ("/c/image/zstd", COMPRESSED), ("/c/camera_info", INFO))
    assert [camera.image_topic for camera in camera_topics(topics, {})[0]] == ["/c/image"]


def test_cameras_of_two_robots_with_the_same_name_keep_their_whole_namespace() -> None:
    topics = _topics(
        *[
            (f"/{robot}/front/{kind}", t)
            for robot in ("a", "b")
            for kind, t in (("image", IMAGE), ("camera_info", INFO))
        ]
    )
    cameras, _ = camera_topics(topics, {})
    assert [camera.name for camera in cameras] == ["a/front", "b/front"]
