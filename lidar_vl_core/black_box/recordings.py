"""The folder of a black box: recordings named by time and reason, within a budget of the disk. Touches the disk."""

import re
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from lidar_vl_core.bags.writing.growing_bag import GrowingBag, Limits
from lidar_vl_core.black_box.message_ring import RawMessage
from lidar_vl_core.foundation.errors import BadRequest

_NAME = re.compile(r"\d{8}T\d{6}Z(_\d+)?_[a-z_]+\.mcap")
_OF_A_RECORDING = 1 << 20  # bytes that definitions, indices and summary may need besides the messages
_LOOK_EVERY = 200  # messages


class BlackBoxFolder:
    """Writes recordings, deleting the oldest ones first so that all together stay within the budget. Other files are left alone."""

    def __init__(
        self,
        folder: Path,
        budget_bytes: int,
        min_free_bytes: int,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """Raises BadRequest for a folder that cannot be created."""
        self._folder, self._budget = folder, budget_bytes
        self._limits, self._free_bytes = Limits(free_bytes=min_free_bytes), free_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadRequest(f"{folder}: expected a folder for recordings, found: {error}. Name another.") from error

    def recordings(self) -> list[Path]:
        """The recordings in the folder, oldest first."""
        return sorted(path for path in self._folder.glob("*.mcap") if _NAME.fullmatch(path.name))

    def size(self) -> int:
        """Bytes of all recordings."""
        return sum(path.stat().st_size for path in self.recordings())

    def write(self, messages: Sequence[RawMessage], reason: str, time_s: float) -> tuple[Path, int]:
        """Record messages under the time (seconds since 1970) and the reason, e.g. `low_confidence`.

        Returns the file and how many older ones went for it. Raises BadRequest where there is nothing to record, or the
        disk takes no more; what was written until then stays, readable.
        """
        if not messages:
            raise BadRequest("black box: expected messages to record, found none yet. Wait until the sensors publish.")
        dropped = self._make_room(sum(message.size for message in messages) + _OF_A_RECORDING)
        path = self._new_path(reason, time_s)
        bag = GrowingBag(path, self._limits, free_bytes=self._free_bytes)
        try:
            for number, message in enumerate(messages):
                if number % _LOOK_EVERY == 0 and not bag.has_room():
                    raise BadRequest(
                        f"{path}: ended after {number} of {len(messages)} messages, as the disk is almost full "
                        "(black_box.min_free_mb). Free space."
                    )
                bag.write(message.topic, message.type_name, message.stamp_ns, message.cdr)
        finally:
            bag.close()
        return path, dropped

    def _make_room(self, size: int) -> int:
        """Drop the oldest until so many bytes fit the budget; compressed they will be fewer. Returns how many went."""
        dropped = 0
        for path in self.recordings():
            if self.size() + size <= self._budget:
                break
            path.unlink(missing_ok=True)
            dropped += 1
        return dropped

    def _new_path(self, reason: str, time_s: float) -> Path:
        moment = datetime.fromtimestamp(time_s, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        path, number = self._folder / f"{moment}_{reason}.mcap", 1
        while path.exists():
            path, number = self._folder / f"{moment}_{number}_{reason}.mcap", number + 1
        return path
