"""How much memory and time a recording may take, and decompression within these limits."""

import time
from collections import Counter

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAX_UNPACKED_BYTES = 192 << 20  # of one chunk or message; writers use 1 to 8 MiB a chunk
_PIECE_BYTES = 1 << 20
_LZ4_RATIO = 256  # what LZ4 can pack at best
_LZ4_FRAME_BYTES = 1 << 16
MAX_SUMMARY_BYTES = 1 << 28
MAX_INDEX_BYTES = 1 << 24  # of the messages in one chunk
MAX_NAME_CHARACTERS = 1_000  # of a topic or a type
_MAX_HELD_BYTES = (
    256 << 20
)  # of chunks that overlap in time, in all files; beside it one more chunk and a copy of its message
_MAX_HELD_MESSAGES = 600_000
_MAX_PLACES = 1_000_000  # chunks, or messages outside of any
_MAX_TOPICS = 5_000  # of a file
_MAX_CHANNELS = 100_000  # the topics of all files, each as often as it is declared
_MAX_RATIO = 200  # all that is unpacked, to the file; clouds and images are packed to a half or a tenth
_FREE_BYTES = 1 << 28  # unpacked of any file, however small
_MIB = 1 << 20


class DamagedRecordError(Exception):
    """Bytes of a recording break their format, size or checksum; callers say what is lost by that."""


class OverBudgetError(Exception):
    """A file asks for more than a genuine recording does; all of it is refused."""


class Allowance:
    """What reading a recording may take: time, after which readers stop where they are, and memory, which its files share."""

    def __init__(self, most_s: float | None = None) -> None:
        """most_s: None reads to the end."""
        self.was_late = False
        self._totals: Counter[str] = Counter()
        self.restart(most_s)

    def restart(self, most_s: float | None) -> None:
        """Start the time again, from now."""
        self._stop_at_s = None if most_s is None else time.monotonic() + most_s

    def is_late(self) -> bool:
        """Whether time is up."""
        late = self._stop_at_s is not None and time.monotonic() > self._stop_at_s
        self.was_late |= late
        return late

    def change(self, what: str, by: int) -> int:
        """Count that so much more is taken of something; returns how much all files take of it."""
        self._totals[what] += by
        return self._totals[what]


class Budget:
    """Counts what reading a file takes of its recording's allowance; methods raise OverBudgetError when it is too much."""

    def __init__(self, file_bytes: int, allowance: Allowance) -> None:
        self._allowance = allowance
        self._taken: Counter[str] = Counter()
        self._unpacked: dict[int, int] = {}  # offset of a chunk -> bytes
        allowance.change("bytes of files", file_bytes)

    def is_late(self) -> bool:
        """Whether time is up."""
        return self._allowance.is_late()

    def unpack(self, offset: int, size: int) -> None:
        """Call before a chunk is unpacked; each counts once, however often it is read. Raises OverBudgetError."""
        if size > MAX_UNPACKED_BYTES:
            raise OverBudgetError(f"a chunk of at most {MAX_UNPACKED_BYTES // _MIB} MiB, found {size // _MIB} MiB")
        if offset not in self._unpacked:
            self._unpacked[offset] = size
            self._allowance.change("unpacked bytes", size)
        most = unpacked_limit(self._allowance.change("bytes of files", 0))
        if self._allowance.change("unpacked bytes", 0) > most:
            raise OverBudgetError(f"chunks of at most {most // _MIB} MiB in files of their size, found more")

    def hold(self, held_bytes: int, messages: int) -> None:
        """Say how much of this file is now kept in memory until its turn comes. Raises OverBudgetError."""
        all_bytes, all_messages = self._total("held bytes", held_bytes), self._total("held messages", messages)
        if all_bytes > _MAX_HELD_BYTES or all_messages > _MAX_HELD_MESSAGES:
            raise OverBudgetError(
                f"at most {_MAX_HELD_BYTES // _MIB} MiB and {_MAX_HELD_MESSAGES:,} messages in chunks that overlap in time, "
                "found more"
            )

    def one_chunk(self, messages: int) -> None:
        """Call before a chunk's list of messages grows. Raises OverBudgetError."""
        if messages > _MAX_HELD_MESSAGES:
            raise OverBudgetError(f"at most {_MAX_HELD_MESSAGES:,} messages in a chunk, found more")

    def index(self, places: int, topics: int) -> None:
        """Say how much of this file is now indexed. Raises OverBudgetError."""
        if self._total("places", places) > _MAX_PLACES:
            raise OverBudgetError(f"at most {_MAX_PLACES:,} chunks and messages outside of chunks, found more")
        if topics > _MAX_TOPICS or self._total("topics", topics) > _MAX_CHANNELS:
            raise OverBudgetError(
                f"at most {_MAX_TOPICS:,} topics in a file and {_MAX_CHANNELS:,} in all of them, found more"
            )

    def _total(self, what: str, now: int) -> int:
        total = self._allowance.change(what, now - self._taken[what])
        self._taken[what] = now
        return total


def unpacked_limit(packed_bytes: int) -> int:
    """The largest unpacked size allowed for a file of so many bytes."""
    return _FREE_BYTES + _MAX_RATIO * packed_bytes


def claims_more(packing: str, size: int, packed_size: int, data: bytes | memoryview) -> bool:
    """Whether a record claims more bytes than its compressed ones, of which `data` is present, can hold."""
    if packing in ("", "none"):
        return size != packed_size
    if packing == "lz4":
        return size > _lz4_room(packed_size)
    if packing == "zstd":
        import zstandard

        try:
            told = zstandard.frame_content_size(data)
        except zstandard.ZstdError:
            return False  # is told when it is unpacked
        return told >= 0 and told != size
    return False


def unzstd(data: bytes | memoryview, limit: int) -> bytes:
    """Decompress one complete zstd frame, whether or not it states its size, to at most `limit` bytes.

    Raises DamagedRecordError.
    """
    import zstandard

    try:
        size = zstandard.frame_content_size(data)
        if size > limit:
            raise DamagedRecordError(f"zstd: expected at most {limit} bytes, found a frame of {size}")
        if size >= 0:
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=limit)
    except zstandard.ZstdError as error:
        raise DamagedRecordError(f"zstd: {error}") from error
    return _no_more(unzstd_cut(data, limit + 1), limit, "zstd")


def unzstd_cut(data: bytes | memoryview, limit: int) -> bytes:
    """Decompress a zstd frame whose end may be missing, as far as possible and to at most `limit` bytes.

    Raises DamagedRecordError.
    """
    import zstandard

    content = bytearray()
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(data)
        while piece := reader.read(min(_PIECE_BYTES, limit - len(content))):
            content += piece
    except zstandard.ZstdError as error:
        raise DamagedRecordError(f"zstd: {error}") from error
    return bytes(content)


def unlz4(data: bytes | memoryview, limit: int) -> bytes:
    """Decompress an LZ4 frame as far as possible and to at most `limit` bytes. Raises DamagedRecordError."""
    import lz4.frame

    room = min(limit, _lz4_room(len(data))) + 1  # is taken at once
    try:
        content = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=room)
    except (RuntimeError, ValueError) as error:
        raise DamagedRecordError(f"lz4: {error}") from error
    return _no_more(content, limit, "lz4")


def unbz2(data: bytes | memoryview, limit: int) -> bytes:
    """Decompress a bzip2 stream as far as possible and to at most `limit` bytes. Raises DamagedRecordError."""
    import bz2

    try:
        content = bz2.BZ2Decompressor().decompress(data, max_length=limit + 1)
    except (OSError, ValueError) as error:
        raise DamagedRecordError(f"bz2: {error}") from error
    return _no_more(content, limit, "bz2")


def _lz4_room(packed_size: int) -> int:
    return packed_size * _LZ4_RATIO + _LZ4_FRAME_BYTES


def _no_more(content: bytes, limit: int, packing: str) -> bytes:
    if len(content) > limit:
        raise DamagedRecordError(f"{packing}: expected at most {limit} bytes, found more")
    return content
