"""One MCAP file, its messages in the order of their log times, every checksum checked."""

import struct
import zlib
from collections.abc import Iterator, Set
from heapq import heappop, heappush
from pathlib import Path

from lidar_vl_core.bags.mcap_records import (
    CHUNK,
    CHUNK_INDEX,
    FOOTER,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    RECORD_HEAD,
    STATISTICS,
    DamagedRecordError,
    StoredMessage,
    chunk_content,
    cut_chunk_content,
    read_chunk,
    read_message,
    read_message_index,
    records_in,
)
from lidar_vl_core.bags.salvage import McapIndex, Place, walk
from lidar_vl_core.foundation.errors import BadBag
from lidar_vl_core.foundation.message_types import full_type_name

_FOOTER_BODY = struct.Struct("<QQI")  # start of the summary, start of its offsets, CRC
_TAIL = RECORD_HEAD.size + _FOOTER_BODY.size + len(MAGIC)
_MAX_SUMMARY_BYTES = 1 << 30


class McapFile:
    """Reads an MCAP through its summary, or record by record where that is missing; `warnings` tells what is lost."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._handle = path.open("rb")
        try:
            self._index = self._open_index()
        except BaseException:
            self.close()
            raise

    @property
    def topics(self) -> list[tuple[str, str, str, int]]:
        """(topic, type, encoding, number of messages) of each channel."""
        index = self._index
        return [
            (channel.topic, self._type_of(channel_id), channel.encoding, index.counts[channel_id])
            for channel_id, channel in sorted(index.channels.items())
        ]

    def messages(self, topics: Set[str]) -> Iterator[tuple[int, str, str, bytes]]:
        """(log time, topic, type, bytes) of each whole message on these topics, by log time."""
        wanted = {number for number, channel in self._index.channels.items() if channel.topic in topics}
        found, damaged = 0, 0
        pending: list[tuple[int, int, int, StoredMessage]] = []  # the file's order decides between equal times
        places = [p for p in self._index.places if not p.channel_ids or p.channel_ids & wanted]
        for place in sorted(places, key=lambda place: (place.start_ns, place.offset)):
            while pending and pending[0][0] < place.start_ns:
                found += 1
                yield self._result(heappop(pending)[3])
            try:
                messages, intact = self._messages_in(place)
            except DamagedRecordError:
                damaged += 1
                continue
            damaged += not intact
            for order, message in enumerate(messages):
                if message.channel_id in wanted:
                    heappush(pending, (message.log_time_ns, place.offset, order, message))
        while pending:
            found += 1
            yield self._result(heappop(pending)[3])
        if damaged:
            lost = max(sum(self._index.counts[number] for number in wanted) - found, 0)
            self._warn(f"expected intact chunks, found {damaged} damaged: {found} messages were read, {lost} are lost")

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _open_index(self) -> McapIndex:
        if self._handle.read(len(MAGIC)) != MAGIC:
            raise BadBag(f"{self.path}: expected an MCAP, found another file. Check the path.")
        try:
            index = self._summary()
        except (DamagedRecordError, struct.error) as error:
            index, problem = walk(self._handle)
            count = sum(index.counts.values())
            self._warn(
                f"expected a complete MCAP, found it {problem or f'with a damaged summary ({error})'}: "
                f"its {count} whole messages are read, anything else is lost"
            )
            return index
        if index is None:  # allowed by the format: a finished file without summary
            index, problem = walk(self._handle)
            if problem:
                count = sum(index.counts.values())
                self._warn(f"expected a complete MCAP, found it {problem}: its {count} whole messages are read")
        return index

    def _summary(self) -> McapIndex | None:
        """The index that the file carries at its end; None if it has none that is enough to find every message."""
        size = self._handle.seek(0, 2)
        if size < len(MAGIC) + _TAIL:
            raise DamagedRecordError("no footer")
        self._handle.seek(size - _TAIL)
        tail = self._handle.read(_TAIL)
        opcode, length = RECORD_HEAD.unpack_from(tail)
        if opcode != FOOTER or length != _FOOTER_BODY.size or not tail.endswith(MAGIC):
            raise DamagedRecordError("no footer")
        start, _, crc = _FOOTER_BODY.unpack_from(tail, RECORD_HEAD.size)
        if start == 0:
            return None
        if not len(MAGIC) <= start <= size - _TAIL or size - start > _MAX_SUMMARY_BYTES:
            raise DamagedRecordError("summary out of the file")
        self._handle.seek(start)
        summary = self._handle.read(size - _TAIL - start)
        if crc and zlib.crc32(tail[: RECORD_HEAD.size + 16], zlib.crc32(summary)) != crc:
            raise DamagedRecordError("summary checksum")
        return _parse_summary(memoryview(summary))

    def _messages_in(self, place: Place) -> tuple[list[StoredMessage], bool]:
        """A place's messages, and whether all that can be checked about them is as it should be."""
        if not place.is_chunk:
            return [read_message(self._bytes_at(place.offset, place.length))], True
        head = self._bytes_at(place.offset - RECORD_HEAD.size, RECORD_HEAD.size)
        opcode, length = RECORD_HEAD.unpack(head)
        if opcode != CHUNK or (length != place.length and not place.cut):
            raise DamagedRecordError(f"no chunk at byte {place.offset}")
        chunk = read_chunk(self._bytes_at(place.offset, place.length))
        content = cut_chunk_content(chunk) if place.cut else chunk_content(chunk)
        messages: list[StoredMessage] = []
        index: dict[int, list[tuple[int, int]]] = {}
        for opcode, offset, body in records_in(content):
            if opcode == MESSAGE:
                message = read_message(body)
                messages.append(message)
                index.setdefault(message.channel_id, []).append((message.log_time_ns, offset))
        return messages, chunk.start_ns == place.start_ns and self._index_agrees(place, index)

    def _index_agrees(self, place: Place, index: dict[int, list[tuple[int, int]]]) -> bool:
        """Whether the message index after a chunk, which no checksum covers, tells what the chunk holds."""
        if not place.index_length:
            return True
        stored: dict[int, list[tuple[int, int]]] = {}
        try:
            for opcode, _, body in records_in(self._bytes_at(place.offset + place.length, place.index_length)):
                if opcode != MESSAGE_INDEX:
                    return False
                channel_id, entries = read_message_index(body)
                stored.setdefault(channel_id, []).extend(entries)
        except DamagedRecordError:
            return False
        occupied = {channel_id: sorted(entries) for channel_id, entries in stored.items() if entries}
        return occupied == {channel_id: sorted(entries) for channel_id, entries in index.items()}

    def _bytes_at(self, offset: int, length: int) -> memoryview:
        self._handle.seek(offset)
        data = self._handle.read(length)
        if len(data) != length:
            raise DamagedRecordError(f"cut at byte {offset + len(data)}")
        return memoryview(data)

    def _result(self, message: StoredMessage) -> tuple[int, str, str, bytes]:
        topic = self._index.channels[message.channel_id].topic
        return message.log_time_ns, topic, self._type_of(message.channel_id), bytes(message.data)

    def _type_of(self, channel_id: int) -> str:
        return full_type_name(self._index.schemas.get(self._index.channels[channel_id].schema_id, ""))

    def _warn(self, text: str) -> None:
        warning = f"{self.path.name}: {text}. Copy or record it again if you need the rest."
        if warning not in self.warnings:
            self.warnings.append(warning)


def _parse_summary(summary: memoryview) -> McapIndex | None:
    index, total = McapIndex(), None
    for opcode, _, body in records_in(summary):
        if opcode == CHUNK_INDEX:
            index.places.append(_place_of(body))
        elif opcode == STATISTICS:
            (total,) = struct.unpack_from("<Q", body)
            (length,) = struct.unpack_from("<I", body, 42)
            index.counts.update(dict(struct.iter_unpack("<HQ", body[46 : 46 + length])))
        else:
            index.declare(opcode, body)
    enough = total is not None and index.channels and (index.places or not total)
    return index if enough else None


def _place_of(body: memoryview) -> Place:
    start_ns, _, offset, length = struct.unpack_from("<QQQQ", body)
    (offsets_length,) = struct.unpack_from("<I", body, 32)
    channel_ids = frozenset(number for number, _ in struct.iter_unpack("<HQ", body[36 : 36 + offsets_length]))
    (index_length,) = struct.unpack_from("<Q", body, 36 + offsets_length)
    head = RECORD_HEAD.size
    return Place(start_ns, offset + head, length - head, channel_ids=channel_ids, index_length=index_length)
