"""Recordings: rosbag2 folders, single MCAP or sqlite3 files, split and compressed ones, and the readable part of damaged ones."""

import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType

from lidar_vl_core.bags.by_time import by_start
from lidar_vl_core.bags.messages import BagMessage, Topic
from lidar_vl_core.bags.parts import BagFile, bag_parts, open_part
from lidar_vl_core.bags.unpacking import Allowance, DamagedRecordError, OverBudgetError
from lidar_vl_core.foundation.errors import BadBag, BadRequest, LidarVlError, one_line
from lidar_vl_core.foundation.message_types import CLOUD_TYPE, RAW_LIDAR_TYPES, advice, full_type_name
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE

_CHOICE = {
    CLOUD_TYPE: "Choose one by --cloud-topic, or in a configuration by cloud_topic.",
    DETECTIONS_TYPE: "Choose one by --box-topic, or in a configuration by box_topic.",
}
_BROUGHT_BY_FILES = (AttributeError, EOFError, MemoryError, RecursionError, struct.error)


class BagReader:
    """A recording opened for reading; a context manager. `warnings` says, one line per file, what is lost."""

    def __init__(self, path: Path | str, most_s: float | None = None) -> None:
        """most_s: how long it may take, from now; None reads to the end."""
        self.path = Path(path)
        self._allowance = Allowance(most_s)
        self._stack = ExitStack()
        self._notes: list[str] = []
        self._files: list[BagFile] = []
        try:
            with _as_bad_bag(self.path):
                parts = bag_parts(self.path)
            self._notes += parts.warnings
            for part in parts.paths:
                with _as_bad_bag(part):
                    self._files.append(open_part(part, self._stack, self._allowance))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "BagReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all files and remove what was unpacked."""
        self._stack.close()

    @property
    def is_partly_read(self) -> bool:
        """Whether reading stopped because its time was up."""
        return self._allowance.was_late

    def give_time(self, most_s: float | None) -> None:
        """Set how long the next reading may take, from now."""
        self._allowance.restart(most_s)

    @property
    def warnings(self) -> list[str]:
        """The damage found so far; reading on may find more."""
        late = (
            [f"{self.path.name}: expected to read it all in time, found it too long: part of it is left out"]
            if self.is_partly_read
            else []
        )
        told = late + self._notes + [warning for file in self._files for warning in file.warnings]
        return [one_line(warning) for warning in told]

    @cached_property
    def topics(self) -> list[Topic]:
        """All topics, by name, with their numbers of messages."""
        counts: dict[tuple[str, str, str], int] = {}
        for file in self._files:
            for name, type_name, encoding, count in file.topics:
                counts[name, type_name, encoding] = counts.get((name, type_name, encoding), 0) + count
        return [Topic(name, kind, count, encoding) for (name, kind, encoding), count in sorted(counts.items())]

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[BagMessage]:
        """Messages on these topics (None: all) by the time they were recorded; raises BadRequest for unknown topics."""
        known = {topic.name for topic in self.topics}
        wanted = known if topics is None else set(topics)
        if missing := sorted(wanted - known):
            raise BadRequest(f"topic {missing[0]}: expected one of {_listed(known)}, found no such topic.")
        return self._merged(wanted)

    def topic_of_type(self, type_name: str, asked: str | None = None) -> str:
        """The only topic of this type, or the requested one; raises BadRequest with the choices otherwise."""
        type_name = full_type_name(type_name)
        fitting = sorted({topic.name for topic in self.topics if topic.type == type_name})
        if asked is not None:
            if asked in fitting:
                return asked
            others = [topic.type for topic in self.topics if topic.name == asked]
            found = f"{others[0]}. {advice(others[0])}" if others else "no such topic."
            raise BadRequest(
                f"topic {asked}: expected {type_name}, found {found} Topics of that type: {_listed(fitting)}."
            )
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise BadRequest(
                f"{self.path}: expected one topic of {type_name}, found {_listed(fitting)}. {_CHOICE.get(type_name, 'Name one of them.')}"
            )
        raw = sorted({topic.type for topic in self.topics if topic.type in RAW_LIDAR_TYPES})
        present = _listed(f"{topic.name} ({topic.type or 'no type'})" for topic in self.topics)
        found = f"only {raw[0]}. {advice(raw[0])}" if raw else f"{present}."
        raise BadRequest(f"{self.path}: expected a topic of {type_name}, found {found}")

    def _merged(self, topics: set[str]) -> Iterator[BagMessage]:
        with _as_bad_bag(self.path):
            for message in by_start((file.start_ns, file.messages(topics)) for file in self._files):
                if self._allowance.is_late():
                    return
                yield message


def open_bag(path: Path | str, most_s: float | None = None) -> BagReader:
    """Open a rosbag2 folder, an .mcap, .db3 or .bag file, or a folder around one; raises BadBag where there is no readable recording."""
    return BagReader(path, most_s)


@contextmanager
def _as_bad_bag(path: Path) -> Iterator[None]:
    """The guard of this seam: whatever a file leads its reader to becomes BadBag with the file's name."""
    try:
        yield
    except LidarVlError:
        raise
    except OverBudgetError as error:
        raise BadBag(f"{path}: expected {error}. Split or sort the recording if it is your own.") from error
    except OSError as error:
        raise BadBag(
            f"{path}: expected a readable recording, found: {error.strerror or error}. Check the path, its permissions and the disk."
        ) from error
    except (DamagedRecordError, ArithmeticError, LookupError, TypeError, ValueError, *_BROUGHT_BY_FILES) as error:
        found = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BadBag(
            f"{path}: expected a readable recording, found {found}. Copy it again if the original is intact."
        ) from error


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "") if shown else "none"
