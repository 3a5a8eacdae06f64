"""The few MCAP records that reading needs, and a chunk's bytes, each checked. Format: mcap.dev/spec."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = 2, 3, 4, 5, 6, 7
CHUNK_INDEX, STATISTICS, DATA_END = 8, 11, 15
RECORD_HEAD = struct.Struct("<BQ")  # opcode, length of the body
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK_HEAD = struct.Struct("<QQQII")  # first time, last time, size, CRC, length of the compression's name
MAX_CHUNK_BYTES = 1 << 30  # writers use 1 to 8 MiB; a frame that claims more would only fill the memory


class DamagedRecordError(Exception):
    """A record's bytes break the format or its checksum; callers turn it into a warning."""


@dataclass(frozen=True)
class Channel:
    """One topic as the file declares it."""

    topic: str
    schema_id: int
    encoding: str


@dataclass(frozen=True)
class StoredMessage:
    """One message and its place in the order of a file."""

    log_time_ns: int
    channel_id: int
    data: memoryview


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
    """Parse the body of a chunk record, which may be cut short in its data."""
    try:
        start_ns, end_ns, size, crc, name_length = _CHUNK_HEAD.unpack_from(body)
        compression = str(body[_CHUNK_HEAD.size : _CHUNK_HEAD.size + name_length], "ascii")
        at = _CHUNK_HEAD.size + name_length
        (compressed_size,) = struct.unpack_from("<Q", body, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"chunk head: {error}") from error
    return Chunk(start_ns, end_ns, size, crc, compression, compressed_size, body[at + 8 : at + 8 + compressed_size])


def chunk_content(chunk: Chunk) -> memoryview:
    """A whole chunk's records, decompressed, size and CRC checked."""
    if len(chunk.data) != chunk.compressed_size or chunk.size > MAX_CHUNK_BYTES:
        raise DamagedRecordError(f"chunk of {chunk.size} bytes, {len(chunk.data)} of {chunk.compressed_size} present")
    content = _decompress(chunk, whole=True)
    if len(content) != chunk.size:
        raise DamagedRecordError(f"chunk size: expected {chunk.size} bytes, found {len(content)}")
    if chunk.crc and zlib.crc32(content) != chunk.crc:
        raise DamagedRecordError(f"chunk checksum: expected {chunk.crc:08x}, found {zlib.crc32(content):08x}")
    return memoryview(content)


def cut_chunk_content(chunk: Chunk) -> memoryview:
    """What can be decompressed of a chunk whose end is missing; nothing of it can be checked by CRC."""
    try:
        return memoryview(_decompress(chunk, whole=False))
    except DamagedRecordError:
        return memoryview(b"")


def records_in(content: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(opcode, offset of the record, body) of each whole record; stops where the next one is not whole."""
    at = 0
    while at + RECORD_HEAD.size <= len(content):
        opcode, length = RECORD_HEAD.unpack_from(content, at)
        end = at + RECORD_HEAD.size + length
        if end > len(content):
            return
        yield opcode, at, content[at + RECORD_HEAD.size : end]
        at = end


def read_message(body: memoryview) -> StoredMessage:
    """Parse the body of a message record."""
    if len(body) < MESSAGE_HEAD.size:
        raise DamagedRecordError(f"message of {len(body)} bytes")
    channel_id, _, log_time_ns, _ = MESSAGE_HEAD.unpack_from(body)
    return StoredMessage(log_time_ns, channel_id, body[MESSAGE_HEAD.size :])


def read_channel(body: memoryview) -> tuple[int, Channel]:
    """Parse the body of a channel record: id, channel."""
    try:
        channel_id, schema_id = struct.unpack_from("<HH", body)
        topic, at = _text(body, 4)
        encoding, _ = _text(body, at)
    except (struct.error, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"channel: {error}") from error
    return channel_id, Channel(topic, schema_id, encoding)


def read_schema_name(body: memoryview) -> tuple[int, str]:
    """Parse the body of a schema record: id, name of the message type."""
    try:
        (schema_id,) = struct.unpack_from("<H", body)
        name, _ = _text(body, 2)
    except (struct.error, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"schema: {error}") from error
    return schema_id, name


def read_message_index(body: memoryview) -> tuple[int, list[tuple[int, int]]]:
    """Parse the body of a message index record: channel id, (log time, offset in the chunk) of its messages."""
    try:
        channel_id, length = struct.unpack_from("<HI", body)
        return channel_id, list(struct.iter_unpack("<QQ", body[6 : 6 + length]))
    except struct.error as error:
        raise DamagedRecordError(f"message index: {error}") from error


def _text(body: memoryview, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<I", body, at)
    if at + 4 + length > len(body):
        raise struct.error("text runs past its record")
    return str(body[at + 4 : at + 4 + length], "utf-8"), at + 4 + length


def _decompress(chunk: Chunk, whole: bool) -> bytes | memoryview:
    if chunk.compression == "":
        return chunk.data
    if chunk.compression == "zstd":
        return _unzstd(chunk, whole)
    if chunk.compression == "lz4":
        return _unlz4(chunk)
    raise DamagedRecordError(f"compression: expected zstd, lz4 or none, found {chunk.compression[:20]!r}")


def _unzstd(chunk: Chunk, whole: bool) -> bytes:
    import zstandard

    limit = min(chunk.size, MAX_CHUNK_BYTES)
    try:
        if not whole:
            return zstandard.ZstdDecompressor().stream_reader(chunk.data).read(limit)
        if zstandard.frame_content_size(chunk.data) > limit:
            raise DamagedRecordError("zstd frame is larger than its chunk says")
        return zstandard.ZstdDecompressor().decompress(chunk.data, max_output_size=limit)
    except zstandard.ZstdError as error:
        raise DamagedRecordError(f"zstd: {error}") from error


def _unlz4(chunk: Chunk) -> bytes:
    import lz4.frame

    try:
        return lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=min(chunk.size, MAX_CHUNK_BYTES))
    except RuntimeError as error:
        raise DamagedRecordError(f"lz4: {error}") from error
