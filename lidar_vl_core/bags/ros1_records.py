"""Records of a ROS 1 bag (format 2.0), each checked. Format: wiki.ros.org/Bags/Format/2.0."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lidar_vl_core.bags.unpacking import MAX_UNPACKED_BYTES, DamagedRecordError, unbz2, unlz4

MAGIC = b"#ROSBAG V2.0\n"
MESSAGE, BAG_HEADER, INDEX, CHUNK, CHUNK_INFO, CONNECTION = 2, 3, 4, 5, 6, 7
LENGTH = struct.Struct("<I")
_RECORDS_PER_LOOK = 10_000  # between two looks at the clock
_INDEX_ENTRY = struct.Struct("<III")  # seconds, nanoseconds, offset in the chunk


@dataclass(frozen=True)
class Fields:
    """The header of a record: values by name."""

    values: Mapping[bytes, bytes]

    def number(self, name: str) -> int:
        """An unsigned number; raises DamagedRecordError where it is missing."""
        value = self._value(name)
        if len(value) > 8:
            raise DamagedRecordError(f"number {name} of {len(value)} bytes")
        return int.from_bytes(value, "little")

    def text(self, name: str) -> str:
        """A text; raises DamagedRecordError where it is missing."""
        return str(self._value(name), "utf-8", "replace")

    def time_ns(self, name: str) -> int:
        """A time in nanoseconds; raises DamagedRecordError where it is missing."""
        value = self._value(name)
        if len(value) != 8:
            raise DamagedRecordError(f"time {name} of {len(value)} bytes")
        sec, nsec = struct.unpack("<II", value)
        return sec * 1_000_000_000 + nsec

    @property
    def opcode(self) -> int:
        """The kind of this record."""
        return self.number("op")

    def _value(self, name: str) -> bytes:
        try:
            return self.values[name.encode()]
        except KeyError:
            raise DamagedRecordError(f"no field {name!r}") from None


def fields_of(header: bytes | memoryview) -> Fields:
    """Parse a record's header, or the data of a connection record, which has the same layout.

    Raises DamagedRecordError.
    """
    header = bytes(header)
    values, at = {}, 0
    while at < len(header):
        end = at + LENGTH.size
        if end > len(header) or (end := end + LENGTH.unpack_from(header, at)[0]) > len(header):
            raise DamagedRecordError("a field runs past its record")
        name, equals, value = header[at + LENGTH.size : end].partition(b"=")
        if not equals:
            raise DamagedRecordError("a field without '='")
        values[name] = value
        at = end
    return Fields(values)


def records_in(content: memoryview, is_late: Callable[[], bool]) -> Iterator[tuple[Fields, memoryview]]:
    """(header, data) of each whole record of a chunk; stops at the first incomplete or invalid one, and when time is up."""
    at = number = 0
    while (data_at := _end_of_part(content, at)) is not None and (end := _end_of_part(content, data_at)) is not None:
        try:
            fields = fields_of(content[at + LENGTH.size : data_at])
        except DamagedRecordError:
            return
        yield fields, content[data_at + LENGTH.size : end]
        at = end
        number += 1
        if number % _RECORDS_PER_LOOK == 0 and is_late():
            return


def connection_of(fields: Fields, data: bytes | memoryview) -> tuple[int, str, str]:
    """Id, topic and ROS 1's name of the type."""
    return fields.number("conn"), fields.text("topic"), fields_of(data).text("type")


def index_entries(fields: Fields, data: bytes) -> tuple[int, list[int]]:
    """Connection and times in nanoseconds of its messages in the chunk before. Raises DamagedRecordError."""
    if len(data) != _INDEX_ENTRY.size * fields.number("count"):
        raise DamagedRecordError(f"index of {len(data)} bytes for {fields.number('count')} messages")
    return fields.number("conn"), [s * 1_000_000_000 + ns for s, ns, _ in _INDEX_ENTRY.iter_unpack(data)]


def chunk_content(compression: str, size: int, data: memoryview, cut: bool) -> memoryview:
    """A chunk's records; of a truncated one, those that are complete. Raises DamagedRecordError."""
    if size > MAX_UNPACKED_BYTES:
        raise DamagedRecordError(f"chunk of {size} bytes")
    if compression == "none":
        content: bytes | memoryview = data
    elif compression == "bz2":
        content = unbz2(data, size)
    elif compression == "lz4":
        content = unlz4(data, size)
    else:
        raise DamagedRecordError(f"compression: expected none, bz2 or lz4, found {compression[:20]!r}")
    if len(content) != size and not cut:
        raise DamagedRecordError(f"chunk size: expected {size} bytes, found {len(content)}")
    return memoryview(content)


def _end_of_part(content: memoryview, at: int) -> int | None:
    if at + LENGTH.size > len(content):
        return None
    end: int = at + LENGTH.size + LENGTH.unpack_from(content, at)[0]
    return end if end <= len(content) else None
