"""One MCAP file, its messages in the order of their log times, every checksum checked."""

import zlib
from collections.abc import Iterator, Set
from contextlib import suppress
from pathlib import Path

from lidar_vl_core.bags.by_time import StoredMessage, by_time
from lidar_vl_core.bags.mcap_records import (
    CHUNK,
    FOOTER,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    RECORD_HEAD,
    SCHEMA,
    Chunk,
    McapIndex,
    Place,
    chunk_content,
    cut_chunk_content,
    read_chunk,
    read_message,
    read_message_index,
    read_record,
    records_in,
)
from lidar_vl_core.bags.mcap_summary import parse_summary
from lidar_vl_core.bags.messages import BagMessage
from lidar_vl_core.bags.salvage import data_problem, walk
from lidar_vl_core.bags.unpacking import (
    MAX_INDEX_BYTES,
    MAX_SUMMARY_BYTES,
    MAX_UNPACKED_BYTES,
    Allowance,
    Budget,
    DamagedRecordError,
)
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import full_type_name

_FOOTER_BYTES = 20
_DATA_END_BYTES = RECORD_HEAD.size + 4
_TAIL = RECORD_HEAD.size + _FOOTER_BYTES + len(MAGIC)
_ASK_WRITER = "Make its writer store schemas."


class McapFile:
    """Reads an MCAP through its summary, or record by record where that is missing; `warnings` tells what is lost."""

    def __init__(self, path: Path, allowance: Allowance) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._unchecked = False  # whether a chunk without a checksum was read
        self._handle = path.open("rb")
        self._size = self._handle.seek(0, 2)
        self._budget = Budget(self._size, allowance)
        try:
            self._index = self._open_index()
        except BaseException:
            self.close()
            raise

    @property
    def start_ns(self) -> int:
        """Start time of the earliest chunk."""
        return min((place.start_ns for place in self._index.places), default=0)

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each channel."""
        index = self._index
        return [
            (channel.topic, self._type_of(channel_id), channel.message_encoding, index.counts[channel_id])
            for channel_id, channel in sorted(index.channels.items())
        ]

    def messages(self, topics: Set[str]) -> Iterator[BagMessage]:
        """Each whole message on these topics, by log time."""
        wanted = {
            number: (channel.topic, self._type_of(number), channel.message_encoding)
            for number, channel in self._index.channels.items()
            if channel.topic in topics
        }
        found, damaged = 0, 0

        def wanted_in(place: Place) -> list[StoredMessage]:
            nonlocal damaged
            try:
                messages, intact = self._messages_in(place)
            except DamagedRecordError:
                damaged += 1
                return []
            damaged += not intact
            return [message for message in messages if message.channel_id in wanted]

        places = [p for p in self._index.places if not p.channel_ids or p.channel_ids & wanted.keys()]
        for message in by_time(places, wanted_in, self._budget):
            found += 1
            topic, type_name, encoding = wanted[message.channel_id]
            yield BagMessage(topic, type_name, message.log_time_ns, bytes(message.data), encoding)
        lost = max(sum(self._index.counts[number] for number in wanted) - found, 0)
        if self._budget.is_late():
            return  # what is missing was not read
        self._check_data()
        if damaged:
            self._warn(f"expected intact chunks, found {damaged} damaged: read {found} messages, {lost} are lost")
        elif lost:
            self._warn(f"expected {found + lost} messages as its summary says, found {found}")

    def _check_data(self) -> None:
        """Chunks without a checksum are covered by that of all data, where there is one."""
        if self._unchecked and self._index.data_end:
            problem = data_problem(self._handle, self._index.data_end, self._budget)
            self._index.data_end = 0  # once is enough
            if problem:
                self._warn(f"expected a complete MCAP, found it {problem}")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _open_index(self) -> McapIndex:
        self._handle.seek(0)
        if self._handle.read(len(MAGIC)) != MAGIC:
            raise BadBag(f"{self.path}: expected an MCAP file, found something else. Check the path.")
        index = self._told_or_walked()
        self._budget.index(len(index.places), len(index.channels))
        if undeclared := sum(count for number, count in index.counts.items() if number not in index.channels):
            self._warn(
                f"expected every message to belong to a declared channel, found {undeclared} that do not: they are left out"
            )
        unknown = index.unknown_schemas()
        for channel in index.channels.values():
            if channel.schema_id in unknown:
                self._warn(f"expected the schema of {channel.topic}, found none: its type is unknown", _ASK_WRITER)
        return index

    def _told_or_walked(self) -> McapIndex:
        try:
            index = self._summary()
        except DamagedRecordError as error:
            index, problem = walk(self._handle, self._budget)
            problem = problem or f"with a damaged summary ({error})"
        else:
            if index is not None:
                return index
            index, problem = walk(self._handle, self._budget)  # a finished file whose summary does not tell all
        if problem:
            count = sum(index.counts.values())
            self._warn(
                f"expected a complete MCAP, found it {problem}: its {count} complete messages are read, the rest is lost"
            )
        return index

    def _summary(self) -> McapIndex | None:
        """The index that the file carries at its end; None if it has none that is enough to find every message."""
        size = self._size
        if size < len(MAGIC) + _TAIL:
            raise DamagedRecordError("no footer")
        self._handle.seek(size - _TAIL)
        tail = self._handle.read(_TAIL)
        opcode, length = RECORD_HEAD.unpack_from(tail)
        if opcode != FOOTER or length != _FOOTER_BYTES or not tail.endswith(MAGIC):
            raise DamagedRecordError("no footer")
        from mcap.records import Footer

        footer = read_record(Footer, memoryview(tail)[RECORD_HEAD.size :])
        start, crc = footer.summary_start, footer.summary_crc
        if start == 0:
            return None
        if not len(MAGIC) <= start <= size - _TAIL or size - start > MAX_SUMMARY_BYTES:
            raise DamagedRecordError("summary out of the file")
        self._handle.seek(start)
        summary = self._handle.read(size - _TAIL - start)
        if crc and zlib.crc32(tail[: RECORD_HEAD.size + 16], zlib.crc32(summary)) != crc:
            raise DamagedRecordError("summary checksum")
        index = parse_summary(memoryview(summary), self._budget)
        if index is not None:
            index.data_end = max(start - _DATA_END_BYTES, 0)
            self._add_schemas(index)
        return index if index is not None and not index.unknown_schemas() else None

    def _add_schemas(self, index: McapIndex) -> None:
        """Schemas that the summary does not repeat stand in the first chunks that need them."""
        for place in sorted(index.places, key=lambda place: place.offset):
            if not index.unknown_schemas():
                return
            with suppress(DamagedRecordError):
                for opcode, _, body in records_in(self._content(place)[1], self._budget.is_late):
                    if opcode == SCHEMA:
                        index.declare(opcode, body)

    def _messages_in(self, place: Place) -> tuple[list[StoredMessage], bool]:
        """A place's messages, and whether all that can be checked about them is as it should be."""
        if not place.is_chunk:
            return [read_message(self._bytes_at(place.offset, place.length))], True
        head = self._bytes_at(place.offset - RECORD_HEAD.size, RECORD_HEAD.size)
        opcode, length = RECORD_HEAD.unpack(head)
        if opcode != CHUNK or (length != place.length and not place.cut):
            raise DamagedRecordError(f"no chunk at byte {place.offset}")
        chunk, content = self._content(place)
        messages: list[StoredMessage] = []
        index: dict[int, list[tuple[int, int]]] = {}
        for opcode, offset, body in records_in(content, self._budget.is_late):
            if opcode == MESSAGE:
                message = read_message(body)
                messages.append(message)
                self._budget.one_chunk(len(messages))
                index.setdefault(message.channel_id, []).append((message.log_time_ns, offset))
        return messages, chunk.start_ns == place.start_ns and self._index_agrees(place, index)

    def _content(self, place: Place) -> tuple[Chunk, memoryview]:
        chunk = read_chunk(self._bytes_at(place.offset, place.length))
        self._budget.unpack(place.offset, chunk.size)
        self._unchecked |= chunk.crc == 0
        return chunk, cut_chunk_content(chunk) if place.cut else chunk_content(chunk)

    def _index_agrees(self, place: Place, index: dict[int, list[tuple[int, int]]]) -> bool:
        """Whether the message index after a chunk, which no checksum covers, tells what the chunk holds."""
        if not place.index_length:
            return True
        stored: dict[int, list[tuple[int, int]]] = {}
        try:
            if place.index_length > MAX_INDEX_BYTES:
                return False
            told = self._bytes_at(place.offset + place.length, place.index_length)
            for opcode, _, body in records_in(told, self._budget.is_late):
                if opcode != MESSAGE_INDEX:
                    return False
                channel_id, entries = read_message_index(body)
                stored.setdefault(channel_id, []).extend(entries)
        except DamagedRecordError:
            return False
        occupied = {channel_id: sorted(entries) for channel_id, entries in stored.items() if entries}
        return occupied == {channel_id: sorted(entries) for channel_id, entries in index.items()}

    def _bytes_at(self, offset: int, length: int) -> memoryview:
        if length > MAX_UNPACKED_BYTES or not 0 <= offset <= offset + length <= self._size:
            raise DamagedRecordError(f"{length} bytes at byte {offset}, too many or beyond the end of the file")
        self._handle.seek(offset)
        return memoryview(self._handle.read(length))

    def _type_of(self, channel_id: int) -> str:
        return full_type_name(self._index.schemas.get(self._index.channels[channel_id].schema_id, ""))

    def _warn(self, text: str, what_to_do: str = "Copy it again if the original is intact.") -> None:
        warning = f"{self.path.name}: {text}. {what_to_do}"
        if warning not in self.warnings:
            self.warnings.append(warning)
