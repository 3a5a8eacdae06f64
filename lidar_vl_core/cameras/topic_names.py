"""Which names a topic can have, and what the name of an image topic says, as image_transport and image_proc name them."""

import re
from typing import Annotated

from pydantic import AfterValidator

# As rcl takes them, {node} and {ns} for those of the node included. rclpy's own check lets // and ~name pass.
_NAME = re.compile(r"(~?/)?(?!\d)[\w{}]+(/(?!\d)[\w{}]+)*", re.ASCII)
UNREAD_TRANSPORTS = ("compressedDepth", "theora", "ffmpeg", "zstd")
_TRANSPORTS = ("compressed", *UNREAD_TRANSPORTS)
_RECTIFIED = {"rect", "rectified", "undistorted", "undistort"}


def _checked(name: str) -> str:
    if name and _NAME.fullmatch(name) is None:  # none at all is refused by a key's least length
        raise ValueError("expected the name of a topic, such as /front/image: letters, digits and _ between single /")
    return name


TopicName = Annotated[str, AfterValidator(_checked)]  # of a configuration, refused where ROS would not subscribe to it


def words_of(name: str) -> list[str]:
    """The words of a topic or of a part of it, in small letters: /CAM1/imageRect_color -> cam 1 image rect color."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]


def image_base(topic: str) -> str:
    """The topic that a transport belongs to: /front/image_raw/compressed -> /front/image_raw."""
    base, _, last = topic.rpartition("/")
    return base if base and last in _TRANSPORTS else topic


def transport_of(topic: str) -> str:
    """How the images of a topic are sent, by its last part: compressed, ffmpeg, ...; empty for raw ones."""
    last = topic.rpartition("/")[2]
    if last in _TRANSPORTS:
        return last
    return "compressed" if "compressed" in words_of(last) else ""


def is_rectified(topic: str) -> bool:
    """Whether an image topic holds rectified images: image_rect, image_rect_color, image_rect_raw, color/rect/image, ...

    The last part of the name that says anything decides, so that an image_raw is raw in whatever namespace.
    """
    for part in reversed(image_base(topic).split("/")):
        words = set(words_of(part))
        if words & _RECTIFIED:
            return True
        if "raw" in words:
            return False
    return False
