"""Cameras of a recording: which camera_info belongs to which image topic."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lidar_vl_core.bags.messages import Topic

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"

_NO_PHOTOGRAPHS = ("depth", "disparity", "mask", "label", "semantic", "segmentation", "overlay", "theora")


@dataclass(frozen=True)
class CameraTopics:
    """One camera of a recording."""

    name: str
    image_topic: str
    info_topic: str


def camera_topics(topics: Iterable[Topic], frame_ids: Mapping[str, str]) -> tuple[list[CameraTopics], list[str]]:
    """Find the cameras among the topics of a recording.

    An image belongs to the camera_info in the longest namespace around it, else to the one of the same frame.
    frame_ids: topic -> frame_id of its first message. Returns cameras by name, and image topics without a camera_info.
    """
    topics = list(topics)
    infos = [topic.name for topic in topics if topic.type == INFO_TYPE]
    images = [topic for topic in topics if topic.type in IMAGE_TYPES and not _is_no_photograph(topic.name)]
    of_info: dict[str, list[Topic]] = {}
    alone = []
    for image in images:
        info = _info_around(image.name, infos) or _info_of_frame(image.name, infos, frame_ids)
        if info is None:
            alone.append(image.name)
        else:
            of_info.setdefault(info, []).append(image)
    names = _short_names(list(of_info))
    cameras = [
        CameraTopics(names[info], min(candidates, key=_preference).name, info) for info, candidates in of_info.items()
    ]
    return sorted(cameras, key=lambda camera: camera.name), alone


def _info_around(image: str, infos: list[str]) -> str | None:
    around = [info for info in infos if image.startswith(info.rpartition("/")[0] + "/") and info.count("/") > 1]
    return max(around, key=len, default=None)


def _info_of_frame(image: str, infos: list[str], frame_ids: Mapping[str, str]) -> str | None:
    frame_id = frame_ids.get(image)
    same = [info for info in infos if frame_id and frame_ids.get(info) == frame_id]
    return same[0] if len(same) == 1 else None


def _preference(image: Topic) -> tuple[bool, bool, str]:
    # K and D describe the unrectified picture; the compressed one costs less to read.
    return "rect" in image.name, image.type != "sensor_msgs/msg/CompressedImage", image.name


def _is_no_photograph(topic: str) -> bool:
    return any(word in topic.lower() for word in _NO_PHOTOGRAPHS)


def _short_names(infos: list[str]) -> dict[str, str]:
    """Last part of each namespace; where two would be equal, the whole namespace."""
    last = {info: info.split("/")[-2] or info.strip("/") for info in infos}
    taken = list(last.values())
    return {info: name if taken.count(name) == 1 else info.rpartition("/")[0].strip("/") for info, name in last.items()}
