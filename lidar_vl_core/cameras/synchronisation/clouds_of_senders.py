"""CloudsOfSenders: clouds of several LiDARs on one topic, those of each paired for themselves with the same images."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from lidar_vl_core.cameras.synchronisation.camera_rhythm import CameraState
from lidar_vl_core.cameras.synchronisation.clouds_with_images import CloudsWithImages
from lidar_vl_core.cameras.synchronisation.frame import Frame

MOST_SENDERS = 8


class CloudsOfSenders:
    """A CloudsWithImages for each sender, so that the clock of one sender cannot make another's clouds late or drop their images."""

    def __init__(self, open_pairing: Callable[[], CloudsWithImages]) -> None:
        """open_pairing: a new one with the node's cameras. Raises what that raises."""
        self._open_pairing = open_pairing
        self._first = open_pairing()  # it has heard every image, whoever sends clouds
        self._of_sender: dict[int, CloudsWithImages] = {}  # the one that sent last comes last

    @property
    def waits(self) -> bool:
        """Whether a cloud waits: poll() is to be called soon."""
        return any(pairing.waits for pairing in self._pairings())

    def camera_states(self, now_ns: int) -> Mapping[str, CameraState]:
        """How each camera keeps step at now_ns on the steady clock; clouds of all senders count, and who sent last tells whether they wait."""
        told = [pairing.camera_states(now_ns) for pairing in self._pairings()]
        latest = next(reversed(self._of_sender.values()), self._first).camera_states(now_ns)
        return {
            name: replace(
                heard,
                paired=sum(states[name].paired for states in told),
                missed=sum(states[name].missed for states in told),
                late=sum(states[name].late for states in told),
                is_waited_for=latest[name].is_waited_for,
            )
            for name, heard in self._first.camera_states(now_ns).items()
        }

    def add_cloud(self, sender: int, stamp_ns: int, cloud: Any, now_ns: int, images_needed: bool) -> list[Frame]:  # noqa: ANN401  payloads are opaque
        """As CloudsWithImages; with more than MOST_SENDERS, the one silent for longest starts again when it next sends."""
        given_up: list[Frame] = []
        pairing = self._of_sender.pop(sender, None)
        if pairing is None:
            pairing, given_up = self._for_a_new_sender()
        self._of_sender[sender] = pairing
        return given_up + pairing.add_cloud(stamp_ns, cloud, now_ns, images_needed)

    def add_image(self, name: str, stamp_ns: int, image: Any, now_ns: int) -> list[Frame]:  # noqa: ANN401
        """Add an image, as CloudsWithImages does."""
        return [frame for pairing in self._pairings() for frame in pairing.add_image(name, stamp_ns, image, now_ns)]

    def poll(self, now_ns: int) -> list[Frame]:
        """The clouds that need not or may not wait longer at now_ns."""
        return [frame for pairing in self._pairings() for frame in pairing.poll(now_ns)]

    def restart(self) -> list[Frame]:
        """Start again after the clock was set: what waits is handed on with the images there are."""
        return [frame for pairing in self._pairings() for frame in pairing.restart()]

    def stop(self) -> int:
        """Forget what waits; returns how many clouds that are."""
        return sum(pairing.stop() for pairing in self._pairings())

    def _pairings(self) -> list[CloudsWithImages]:
        others = [pairing for pairing in self._of_sender.values() if pairing is not self._first]
        return [self._first, *others]

    def _for_a_new_sender(self) -> tuple[CloudsWithImages, list[Frame]]:
        if not any(pairing is self._first for pairing in self._of_sender.values()):
            return self._first, []
        if len(self._of_sender) < MOST_SENDERS:
            return self._open_pairing(), []
        pairing = self._of_sender.pop(next(iter(self._of_sender)))
        return pairing, pairing.restart()
