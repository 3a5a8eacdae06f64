"""The few MCAP records that reading needs, a chunk's bytes, and the index they make, each checked. Format: mcap.dev/spec."""

# Schemas and the footer are parsed by the package `mcap`. Its `breakup_chunk` is not used: it hands out the first part of a
# message that runs past its chunk as a whole one, does not tell where a record lies (the message index, which has no checksum,
# is checked by that), and unpacks an LZ4 frame to any size. Its `MessageIndex` takes 20 times as long. Its `Channel`,
# `ChunkIndex` and `Statistics` make a dict of every map, however long: 4 MB of a packed channel took 1.3 GB and half a minute.

import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Protocol, TypeVar

from lidar_vl_core.bags.by_time import StoredMessage
from lidar_vl_core.bags.unpacking import (
    MAX_NAME_CHARACTERS,
    MAX_UNPACKED_BYTES,
    DamagedRecordError,
    claims_more,
    unlz4,
    unzstd,
    unzstd_cut,
)

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = 2, 3, 4, 5, 6, 7
CHUNK_INDEX, STATISTICS, DATA_END = 8, 11, 15
RECORD_HEAD = struct.Struct("<BQ")  # opcode, length of the body
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_LENGTH = struct.Struct("<I")
_CHANNEL_HEAD = struct.Struct("<HH")  # id, schema
_CHUNK_HEAD = struct.Struct("<QQQII")  # first time, last time, size, CRC, length of the compression's name
_RECORDS_PER_LOOK = 10_000  # between two looks at the clock
_Record = TypeVar("_Record", covariant=True)


class _Readable(Protocol[_Record]):
    @staticmethod
    def read(stream: Any) -> _Record: ...  # noqa: ANN401  a stream of the package mcap


@dataclass(frozen=True)
class Chunk:
    """A chunk record; `data` may be shorter than `compressed_size` where the file was cut."""

    start_ns: int
    end_ns: int
    size: int
    crc: int
    compression: str
    compressed_size: int
    data: memoryview


def read_chunk(body: memoryview) -> Chunk:
    """Parse the body of a chunk record, which may be cut short in its data. Raises DamagedRecordError."""
    try:
        start_ns, end_ns, size, crc, name_length = _CHUNK_HEAD.unpack_from(body)
        compression = str(body[_CHUNK_HEAD.size : _CHUNK_HEAD.size + name_length], "ascii")
        at = _CHUNK_HEAD.size + name_length
        (compressed_size,) = struct.unpack_from("<Q", body, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"chunk head: {error}") from error
    chunk = Chunk(start_ns, end_ns, size, crc, compression, compressed_size, body[at + 8 : at + 8 + compressed_size])
    if claims_more(chunk.compression, chunk.size, chunk.compressed_size, chunk.data):
        raise DamagedRecordError(
            f"chunk head: {size} bytes cannot come from {compressed_size} of {compression or 'none'}"
        )
    return chunk


def chunk_content(chunk: Chunk) -> memoryview:
    """A whole chunk's records, decompressed, size and CRC checked. Raises DamagedRecordError."""
    if len(chunk.data) != chunk.compressed_size:
        raise DamagedRecordError(f"chunk of {chunk.size} bytes, {len(chunk.data)} of {chunk.compressed_size} present")
    content = _decompress(chunk, whole=True)
    if len(content) != chunk.size:
        raise DamagedRecordError(f"chunk size: expected {chunk.size} bytes, found {len(content)}")
    if chunk.crc and zlib.crc32(content) != chunk.crc:
        raise DamagedRecordError(f"chunk checksum: expected {chunk.crc:08x}, found {zlib.crc32(content):08x}")
    return memoryview(content)


def cut_chunk_content(chunk: Chunk) -> memoryview:
    """The part of a truncated chunk that can be decompressed; it cannot be checked by CRC."""
    try:
        return memoryview(_decompress(chunk, whole=False))
    except DamagedRecordError:
        return memoryview(b"")


def records_in(content: memoryview, is_late: Callable[[], bool]) -> Iterator[tuple[int, int, memoryview]]:
    """(opcode, offset of the record, body) of each whole record; stops at the first incomplete one, and when time is up."""
    at = number = 0
    while at + RECORD_HEAD.size <= len(content):
        number += 1
        if number % _RECORDS_PER_LOOK == 0 and is_late():
            return
        opcode, length = RECORD_HEAD.unpack_from(content, at)
        end = at + RECORD_HEAD.size + length
        if end > len(content):
            return
        yield opcode, at, content[at + RECORD_HEAD.size : end]
        at = end


def read_message(body: memoryview) -> StoredMessage:
    """Parse the body of a message record. Raises DamagedRecordError."""
    if len(body) < MESSAGE_HEAD.size:
        raise DamagedRecordError(f"message of {len(body)} bytes")
    channel_id, _, log_time_ns, _ = MESSAGE_HEAD.unpack_from(body)
    return StoredMessage(log_time_ns, channel_id, body[MESSAGE_HEAD.size :])


def read_record(kind: "_Readable[_Record]", body: memoryview) -> _Record:
    """Parse the body of a record that the package `mcap` knows, such as its `Schema`. Raises DamagedRecordError."""
    from mcap.data_stream import ReadDataStream
    from mcap.exceptions import McapError

    try:
        return kind.read(ReadDataStream(_WholeReads(body)))
    except (McapError, struct.error, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"record: {error or type(error).__name__}") from error


def read_channel(body: memoryview) -> "Channel":
    """Parse the body of a channel record, without its metadata. Raises DamagedRecordError."""
    number, schema_id = numbers_at(_CHANNEL_HEAD, body, 0)
    topic, at = block_at(body, _CHANNEL_HEAD.size)
    encoding, at = block_at(body, at)
    block_at(body, at)
    _require_short(topic)
    _require_short(encoding)
    try:
        return Channel(number, schema_id, str(topic, "utf-8"), str(encoding, "utf-8"))
    except UnicodeDecodeError as error:
        raise DamagedRecordError(f"channel {number}: {error}") from error


def numbers_at(form: struct.Struct, body: memoryview, at: int) -> tuple[int, ...]:
    """The numbers at a place of a record's body. Raises DamagedRecordError."""
    try:
        return form.unpack_from(body, at)
    except struct.error as error:
        raise DamagedRecordError(f"record: {error}") from error


def block_at(body: memoryview, at: int) -> tuple[memoryview, int]:
    """A text or a map at a place of a record's body, behind its length, and where it ends. Raises DamagedRecordError."""
    (length,) = numbers_at(_LENGTH, body, at)
    start = at + _LENGTH.size
    if start + length > len(body):
        raise DamagedRecordError(f"record: expected {length} more bytes, found {len(body) - start}")
    return body[start : start + length], start + length


def read_message_index(body: memoryview) -> tuple[int, list[tuple[int, int]]]:
    """Parse a message index record: channel id, (log time, offset in the chunk) of its messages. Raises DamagedRecordError."""
    try:
        channel_id, length = struct.unpack_from("<HI", body)
        return channel_id, list(struct.iter_unpack("<QQ", body[6 : 6 + length]))
    except struct.error as error:
        raise DamagedRecordError(f"message index: {error}") from error


class _WholeReads(BytesIO):
    """A record's body; a read past its end is damage, where the package `mcap` would go on with what is there."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if len(data) != size:
            raise DamagedRecordError(f"record: expected {size} more bytes, found {len(data)}")
        return data


def _decompress(chunk: Chunk, whole: bool) -> bytes | memoryview:
    limit = min(chunk.size, MAX_UNPACKED_BYTES)
    if chunk.compression == "":
        return chunk.data[:limit]
    if chunk.compression == "zstd":
        return unzstd(chunk.data, limit) if whole else unzstd_cut(chunk.data, limit)
    if chunk.compression == "lz4":
        return unlz4(chunk.data, limit)
    raise DamagedRecordError(f"compression: expected zstd, lz4 or none, found {chunk.compression[:20]!r}")


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic as a file declares it."""

    id: int
    schema_id: int
    topic: str
    message_encoding: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages are: a chunk record, or one message record outside any chunk."""

    start_ns: int
    offset: int  # of the record's body
    length: int  # of the body, as far as the file goes
    is_chunk: bool = True
    cut: bool = False  # a chunk whose end is missing
    channel_ids: frozenset[int] = frozenset()  # empty: not known
    index_length: int = 0  # bytes of message index records that follow the chunk


@dataclass
class McapIndex:
    """All topics of an MCAP and where its messages are."""

    schemas: dict[int, str] = field(default_factory=dict)  # id -> name of the message type
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)  # channel id -> messages
    places: list[Place] = field(default_factory=list)
    data_end: int = 0  # offset of the record that ends the data

    def declare(self, opcode: int, body: memoryview) -> None:
        """Register a schema or channel record; raises DamagedRecordError where it contradicts an earlier one."""
        from mcap.records import Schema

        if opcode == SCHEMA:
            schema = read_record(Schema, body)
            _require_same(f"schema {schema.id}", self.schemas.setdefault(schema.id, schema.name), schema.name)
            _require_short(schema.name)
        elif opcode == CHANNEL:
            channel = read_channel(body)
            _require_same(f"channel {channel.id}", self.channels.setdefault(channel.id, channel), channel)

    def unknown_schemas(self) -> set[int]:
        """Schemas that channels refer to but no record defines; 0 stands for none."""
        return {channel.schema_id for channel in self.channels.values()} - self.schemas.keys() - {0}


def _require_same(what: str, known: object, found: object) -> None:
    if known != found:
        raise DamagedRecordError(f"{what} is declared twice, differently")


def _require_short(name: str | memoryview) -> None:
    if len(name) > MAX_NAME_CHARACTERS:
        raise DamagedRecordError(f"a name of {len(name)} characters or bytes")
