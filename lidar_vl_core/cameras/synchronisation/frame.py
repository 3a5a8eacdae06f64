"""What pairing gives: a cloud with its images, and counts of what happened."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired


class Frame(NamedTuple):
    """A cloud with the images that belong to it."""

    stamp_ns: int
    cloud: Any
    images: dict[str, Paired]  # by camera name
    missing: tuple[str, ...]  # cameras without an image


@dataclass
class PairingCounters:
    """What happened so far."""

    emitted: int = 0  # clouds given out
    incomplete: int = 0  # of those, clouds that lack at least one image
    refused: int = 0  # clouds that were not taken: without a stamp, late or double
    dropped: int = 0  # messages without a stamp, images pushed out of a full queue
    late: int = 0  # messages for a time that has been given out
    duplicate: int = 0  # messages with a stamp their stream has had
    jumps: int = 0  # times the clouds' clock went back, or ahead of the steady clock
    camera_jumps: int = 0  # times a camera's clock went back
