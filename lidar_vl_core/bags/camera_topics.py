"""Cameras of a recording: which image topic is read, and which camera_info belongs to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lidar_vl_core.bags.messages import Topic
from lidar_vl_core.cameras.topic_names import UNREAD_TRANSPORTS, image_base, is_rectified, transport_of, words_of

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
_VIDEO_TYPES = frozenset(
    {
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        "foxglove_msgs/msg/CompressedImage",
        "foxglove_msgs/msg/CompressedVideo",
        "foxglove_msgs/msg/RawImage",
        "h264_msgs/msg/Packet",
        "theora_image_transport/msg/Packet",
    }
)

_NO_PHOTOGRAPHS = ("depth", "disparity", "mask", "label", "semantic", "segmentation", "overlay")
_DEVICES = {"cam", "camera", "sensor"}  # a depth_camera may send photographs, too
_OF_ANY_TOPIC = {"image", "camera", "info", "compressed"}


@dataclass(frozen=True)
class CameraTopics:
    """One camera of a recording."""

    name: str
    image_topic: str
    info_topic: str
    rectified: bool = False  # the images are: P of the camera_info is their camera, else K and D
    not_read: tuple[str, ...] = ()  # other image topics of this camera


def camera_topics(topics: Iterable[Topic], frame_ids: Mapping[str, str]) -> tuple[list[CameraTopics], list[str]]:
    """Find the cameras among the topics of a recording.

    An image belongs to the camera_info beside it, else to the one in the longest namespace around it, else to the one of
    the same frame; of several, to the one whose name has most in common. Of several images of a camera the raw ones are
    taken before rectified ones, then compressed ones, which cost less to read.
    frame_ids: topic -> frame_id of its first message. Returns cameras by name, and image topics without a camera_info.
    """
    topics = list(topics)
    infos = info_topics(topics)
    of_info: dict[str, list[Topic]] = {}
    alone = []
    for image in photographs(topics):
        info = _info_of(image.name, infos, frame_ids)
        if info is None:
            alone.append(image.name)
        else:
            of_info.setdefault(info, []).append(image)
    names = _short_names(list(of_info))
    cameras = []
    for info, images in of_info.items():
        first, *others = sorted(images, key=lambda image, info=info: _preference(image, info))  # type: ignore[misc]
        not_read = tuple(image.name for image in others)
        cameras.append(CameraTopics(names[info], first.name, info, is_rectified(first.name), not_read))
    return sorted(cameras, key=lambda camera: camera.name), alone


def info_topics(topics: Iterable[Topic]) -> list[str]:
    """Names of the camera_info topics that hold messages."""
    return [topic.name for topic in topics if topic.type == INFO_TYPE and topic.count]


def photographs(topics: Iterable[Topic]) -> list[Topic]:
    """Readable image topics with messages that, judging by their names, are not depth images, masks or the like."""
    return [
        topic
        for topic in topics
        if topic.type in IMAGE_TYPES
        and topic.count
        and transport_of(topic.name) not in UNREAD_TRANSPORTS
        and not _is_no_photograph(topic.name)
    ]


def unread_videos(topics: Iterable[Topic]) -> list[Topic]:
    """Topics with unreadable images for which no readable alternative exists."""
    topics = list(topics)
    read = {image_base(topic.name) for topic in photographs(topics)}
    sent = [
        topic
        for topic in topics
        if topic.type in _VIDEO_TYPES or (topic.type in IMAGE_TYPES and transport_of(topic.name) in UNREAD_TRANSPORTS)
    ]
    return [t for t in sent if t.count and image_base(t.name) not in read and not _is_no_photograph(image_base(t.name))]


def has_info_beside(image: str, infos: Iterable[str]) -> bool:
    """Whether a camera_info lies in the namespace of an image topic itself, so that its frame need not be checked."""
    return any(_folder(info) == _folder(image_base(image)) for info in infos)


def _info_of(image: str, infos: list[str], frame_ids: Mapping[str, str]) -> str | None:
    base = image_base(image)
    beside = [info for info in infos if _folder(info) == _folder(base)]
    if beside:
        return _alike(image, beside, frame_ids)
    frame_id = frame_ids.get(image)
    # A camera_info further out may belong to another camera: its frame must not say so.
    around = [
        info
        for info in infos
        if _folder(info) and (base + "/").startswith(_folder(info) + "/") and _same(frame_id, frame_ids.get(info))
    ]
    if around:
        longest = max(len(_folder(info)) for info in around)
        return _alike(image, [info for info in around if len(_folder(info)) == longest], frame_ids)
    same = [info for info in infos if frame_id and frame_ids.get(info) == frame_id]
    return same[0] if len(same) == 1 else None


def _alike(image: str, infos: list[str], frame_ids: Mapping[str, str]) -> str | None:
    """The one that fits best by its name, then by its frame; None where two fit alike."""
    best = min(_distance(image, info) for info in infos)
    left = [info for info in infos if _distance(image, info) == best]
    if len(left) > 1:
        left = [info for info in left if frame_ids.get(image) and frame_ids.get(image) == frame_ids.get(info)]
    return left[0] if len(left) == 1 else None


def _distance(image: str, info: str) -> tuple[int, int]:
    """Smaller where both names say the same: left/image and left_camera_info, image_rect and camera_info_rect."""
    beyond = image_base(image).removeprefix(_folder(info))
    of_image, of_info = (set(words_of(name)) - _OF_ANY_TOPIC for name in (beyond, info.rpartition("/")[2]))
    return -len(of_image & of_info), len(of_info - of_image)


def _same(frame_id: str | None, other: str | None) -> bool:
    return not frame_id or not other or frame_id == other


def _folder(topic: str) -> str:
    return topic.rpartition("/")[0]


def _preference(image: Topic, info: str) -> tuple[tuple[int, int], bool, bool, str]:
    return _distance(image.name, info), is_rectified(image.name), image.type != IMAGE_TYPES[1], image.name


def _is_no_photograph(topic: str) -> bool:
    parts = [part for part in topic.split("/") if not set(words_of(part)) & _DEVICES]
    return any(word in part.lower() for part in parts for word in _NO_PHOTOGRAPHS)


def _short_names(infos: list[str]) -> dict[str, str]:
    """Last part of each namespace; where two would be equal, the whole namespace, and then the whole topic."""
    last = {info: info.split("/")[-2] or info.strip("/") for info in infos}
    namespace = {info: _folder(info).strip("/") for info in infos}
    whole = {info: info.strip("/") for info in infos}
    return {
        info: next(names[info] for names in (last, namespace, whole) if list(names.values()).count(names[info]) == 1)
        for info in infos
    }
