"""One ROS 1 bag (.bag), its messages in the order of their times, as far as it can be read."""

# The reader of the package rosbags gives up a bag that was cut or never closed, and trusts the sizes and positions that a bag
# claims. So the records are walked here, from the front; the messages themselves are decoded by rosbags.

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from lidar_vl_core.bags.by_time import StoredMessage, by_time
from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.ros1_records import (
    BAG_HEADER,
    CHUNK,
    CONNECTION,
    INDEX,
    LENGTH,
    MAGIC,
    MESSAGE,
    Fields,
    chunk_content,
    connection_of,
    fields_of,
    index_entries,
    records_in,
)
from lidar_vl_core.bags.unpacking import (
    MAX_INDEX_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_UNPACKED_BYTES,
    Allowance,
    Budget,
    DamagedRecordError,
    claims_more,
)
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import full_type_name

_MAX_HEADER_BYTES = 1 << 20


@dataclass
class _Chunk:
    offset: int  # of its data
    length: int  # of its data, as far as the file goes
    compression: str
    size: int  # unpacked
    cut: bool = False
    start_ns: int = 0
    counts: Counter[int] = field(default_factory=Counter)  # connection -> messages


class Ros1File:
    """Reads a bag's chunks; `warnings` tells what is lost."""

    def __init__(self, path: Path, allowance: Allowance) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._handle = path.open("rb")
        self._size = self._handle.seek(0, 2)
        self._budget = Budget(self._size, allowance)
        self._connections: dict[int, tuple[str, str]] = {}  # id -> topic, type
        self._chunks: list[_Chunk] = []
        self._end_part_at = 0  # where its index begins; 0: the recorder never wrote it
        try:
            self._walk()
        except BaseException:
            self.close()
            raise

    @property
    def start_ns(self) -> int:
        """Start time of the earliest chunk that holds a message."""
        return min((chunk.start_ns for chunk in self._chunks if chunk.counts), default=0)

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each connection."""
        counts: Counter[int] = sum((chunk.counts for chunk in self._chunks), Counter())
        return [(*connection, "ros1", counts[number]) for number, connection in sorted(self._connections.items())]

    def messages(self, topics: Set[str]) -> Iterator[BagMessage]:
        """Each whole message on these topics, by time."""
        wanted = {number: connection for number, connection in self._connections.items() if connection[0] in topics}
        damaged, lost = 0, 0

        def wanted_in(chunk: _Chunk) -> list[StoredMessage]:
            nonlocal damaged, lost
            messages: list[StoredMessage] = []
            try:
                for message in self._messages_in(chunk):
                    if message.channel_id in wanted:
                        messages.append(message)
                        self._budget.one_chunk(len(messages))
            except DamagedRecordError:
                messages = []
            missing = sum(chunk.counts[number] for number in wanted) - len(messages)
            damaged, lost = damaged + (missing > 0), lost + max(missing, 0)
            return messages

        chunks = (chunk for chunk in self._chunks if chunk.counts.keys() & wanted.keys())
        for message in by_time(chunks, wanted_in, self._budget):
            topic, type_name = wanted[message.channel_id]
            yield BagMessage(topic, type_name, message.log_time_ns, bytes(message.data), "ros1")
        if damaged and not self._budget.is_late():
            self._warn(f"expected intact chunks, found {damaged} damaged: {lost} messages are lost")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _walk(self) -> None:
        """Find all chunks and connections, record by record, without trusting the index at the end."""
        at, problem = len(MAGIC), None
        while at < self._size and problem is None:
            try:
                at = self._take_record(at)
            except DamagedRecordError as error:
                problem = f"damaged at byte {at} ({error})"
            if at > self._size:
                problem = f"cut at byte {self._size}"
            elif self._budget.is_late():
                problem = f"too long to scan in time, stopped at byte {at} of {self._size}"
        if problem is None and self._end_part_at >= self._size:
            problem = f"cut at byte {self._size}"
        if self._chunks and (problem or not self._connections):  # its index or all connections may be missing
            self._scan(self._chunks[-1])
        for chunk in self._chunks:
            if self._budget.is_late():
                problem = problem or "too long to scan in time"
                break
            if not chunk.counts or chunk.counts.keys() - self._connections.keys():
                self._scan(chunk)
        if problem:
            count = sum(count for chunk in self._chunks for count in chunk.counts.values())
            self._warn(
                f"expected a complete bag, found it {problem}: its {count} complete messages are read, the rest is lost"
            )
        elif not self._end_part_at:
            self._warn("expected a closed bag, found one whose recorder was killed", "Everything it wrote is read.")

    def _take_record(self, at: int) -> int:
        """Where the next record begins, beyond the end of the file if this one is cut."""
        data_at = at + LENGTH.size + self._length_at(at)
        if data_at - at > _MAX_HEADER_BYTES:
            raise DamagedRecordError(f"a header of {data_at - at} bytes")
        if data_at + LENGTH.size > self._size:
            return self._size + 1
        fields = fields_of(self._bytes_at(at + LENGTH.size, data_at - at - LENGTH.size))
        start = data_at + LENGTH.size
        end = start + self._length_at(data_at)
        opcode = fields.opcode
        if opcode == BAG_HEADER:
            if fields.values.get(b"encryptor"):
                raise BadBag(
                    f"{self.path}: expected a plain bag, found an encrypted one. Decrypt it with `rosbag decrypt`."
                )
            self._end_part_at = fields.number("index_pos")
        if opcode == CHUNK:
            self._add_chunk(fields, start, end)
        elif end > self._size:
            pass
        elif opcode == CONNECTION:
            self._declare(fields, self._index_bytes(start, end - start))
        elif opcode == INDEX and self._chunks:
            number, times_ns = index_entries(fields, self._index_bytes(start, end - start))
            chunk = self._chunks[-1]
            if times_ns and number not in chunk.counts:  # the same index again counts once
                chunk.start_ns = min(times_ns) if not chunk.counts else min(chunk.start_ns, *times_ns)
                chunk.counts[number] += len(times_ns)
        return end

    def _add_chunk(self, fields: Fields, start: int, end: int) -> None:
        length = min(end, self._size) - start
        chunk = _Chunk(start, length, fields.text("compression"), fields.number("size"), cut=end > self._size)
        self._chunks.append(chunk)
        self._budget.index(len(self._chunks), len(self._connections))

    def _scan(self, chunk: _Chunk) -> None:
        """Learn from a chunk itself what its index or the end of the bag would have told."""
        chunk.counts.clear()
        try:
            for message in self._messages_in(chunk):
                earliest = min(chunk.start_ns, message.log_time_ns)
                chunk.start_ns = earliest if chunk.counts else message.log_time_ns
                chunk.counts[message.channel_id] += 1
        except DamagedRecordError:
            chunk.counts.clear()

    def _messages_in(self, chunk: _Chunk) -> Iterator[StoredMessage]:
        if not chunk.cut:
            if claims_more(chunk.compression, chunk.size, chunk.length, b""):
                raise DamagedRecordError(f"{chunk.size} bytes cannot come from {chunk.length} of {chunk.compression}")
            self._budget.unpack(chunk.offset, max(chunk.size, chunk.length))
        data = memoryview(self._bytes_at(chunk.offset, min(chunk.length, MAX_UNPACKED_BYTES)))
        content = chunk_content(chunk.compression, chunk.size, data, chunk.cut)
        for fields, body in records_in(content, self._budget.is_late):
            if fields.opcode == CONNECTION:
                self._declare(fields, body)
            elif fields.opcode == MESSAGE:
                yield StoredMessage(fields.time_ns("time"), fields.number("conn"), body)

    def _declare(self, fields: Fields, data: bytes | memoryview) -> None:
        number, topic, type_name = connection_of(fields, data)
        if max(len(topic), len(type_name)) > MAX_NAME_CHARACTERS:
            raise DamagedRecordError(f"a name of {max(len(topic), len(type_name))} characters")
        connection = topic, full_type_name(type_name)
        if self._connections.setdefault(number, connection) != connection:
            raise DamagedRecordError(f"connection {number} is declared twice, differently")
        self._budget.index(len(self._chunks), len(self._connections))

    def _index_bytes(self, offset: int, length: int) -> bytes:
        if length > MAX_INDEX_BYTES:
            raise DamagedRecordError(f"an index of {length} bytes")
        return self._bytes_at(offset, length)

    def _length_at(self, at: int) -> int:
        data = self._bytes_at(at, LENGTH.size)
        length: int = LENGTH.unpack(data)[0]
        return length

    def _bytes_at(self, offset: int, length: int) -> bytes:
        if offset + length > self._size:
            raise DamagedRecordError(f"cut at byte {self._size}")
        self._handle.seek(offset)
        return self._handle.read(length)

    def _warn(self, text: str, what_to_do: str = "Copy it again if the original is intact.") -> None:
        warning = f"{self.path.name}: {text}. {what_to_do}"
        if warning not in self.warnings:
            self.warnings.append(warning)
