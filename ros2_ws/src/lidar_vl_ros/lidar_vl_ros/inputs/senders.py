"""Which sender a message is from, if several share a topic: by LiDAR, and by each publisher's sequence numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from lidar_vl_core.cameras.synchronisation.clouds_of_senders import MOST_SENDERS
from lidar_vl_core.foundation.stamps import JUMP_NS
from lidar_vl_ros.messages.sequence_gaps import UNNUMBERED

_LARGEST_GAP = 50  # messages in a row that a sender may lose and still be known again
_FORGOTTEN_AFTER_NS = 10_000_000_000
_PERIOD_NS = 100_000_000  # a message that is missing is as likely as a drift of so much


@dataclass
class _Sender:
    key: int
    frame_id: str
    number: int
    stamp_ns: int  # the last one, 0: none
    stamped_ns: int  # when that stamp came, on the steady clock
    heard_ns: int


class Senders:
    """rclpy does not say who published a message; but numbers go up, and stamps keep pace with arrival, for each sender."""

    def __init__(self, publishers: Callable[[], int]) -> None:
        """publishers: how many the topic has; asked when a message fits the clock of no known sender."""
        self._publishers = publishers
        self._known: list[_Sender] = []
        self._keys = 0

    @property
    def count(self) -> int:
        """Number of senders heard lately."""
        return len(self._known)

    def heard(self, frame_id: str, number: int, stamp_ns: int, now_ns: int) -> tuple[int, bool]:
        """A key for the sender of a message, and whether its stamps jumped back; a message without a stamp shows no jump.

        now_ns: arrival on the steady clock.
        """
        sender = self._sender(frame_id, number, stamp_ns, now_ns)
        jumped = 0 < stamp_ns < sender.stamp_ns - JUMP_NS
        if stamp_ns > 0:
            sender.stamp_ns, sender.stamped_ns = stamp_ns, now_ns
        sender.number, sender.heard_ns = number, now_ns
        return sender.key, jumped

    def clock_jumped(self) -> None:
        """Note that the node's clock was set back: stamps that go back with it are not a jump of their own."""
        for sender in self._known:
            sender.stamp_ns = 0

    def _sender(self, frame_id: str, number: int, stamp_ns: int, now_ns: int) -> _Sender:
        last_ns = max((sender.heard_ns for sender in self._known), default=now_ns)
        self._known = [each for each in self._known if last_ns - each.heard_ns <= _FORGOTTEN_AFTER_NS]
        followed = [each for each in self._known if each.frame_id == frame_id and _follows(number, each.number)]
        if followed:
            likeliest = min(followed, key=lambda each: _strangeness(each, number, stamp_ns, now_ns))
            if _drift_ns(likeliest, stamp_ns, now_ns) <= JUMP_NS or self._publishers() == 1:
                return likeliest
        self._keys += 1
        self._known.sort(key=lambda each: each.heard_ns)
        self._known = self._known[-(MOST_SENDERS - 1) :]
        self._known.append(_Sender(self._keys, frame_id, number, 0, now_ns, now_ns))
        return self._known[-1]


def _follows(number: int, last: int) -> bool:
    return number == UNNUMBERED or 0 < number - last <= _LARGEST_GAP


def _strangeness(sender: _Sender, number: int, stamp_ns: int, now_ns: int) -> tuple[bool, float]:
    """How unlike a sender's next message this one is: whether its clock differs; missing messages plus deviation from its pace."""
    drift_ns = _drift_ns(sender, stamp_ns, now_ns)
    return drift_ns > JUMP_NS, number - sender.number + drift_ns / _PERIOD_NS


def _drift_ns(sender: _Sender, stamp_ns: int, now_ns: int) -> int:
    """How far a stamp is from the sender's last stamp plus the time since; 0 if either stamp is unset."""
    if stamp_ns <= 0 or sender.stamp_ns <= 0:
        return 0
    return abs(stamp_ns - sender.stamp_ns - (now_ns - sender.stamped_ns))
