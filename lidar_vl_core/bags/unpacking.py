"""Compressed bytes of a recording, unpacked to no more than they may hold."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAX_UNPACKED_BYTES = 1 << 30  # writers use 1 to 8 MiB a chunk; a frame that claims more would only fill the memory
_PIECE_BYTES = 1 << 20


class DamagedRecordError(Exception):
    """Bytes of a recording break their format, size or checksum; callers say what that costs."""


def unzstd(data: bytes | memoryview, limit: int) -> bytes:
    """One whole zstd frame, whether or not it tells its size; nothing larger than `limit` bytes is made of it."""
    import zstandard

    try:
        size = zstandard.frame_content_size(data)
        if size > limit:
            raise DamagedRecordError(f"zstd: expected at most {limit} bytes, found a frame of {size}")
        if size >= 0:
            return zstandard.ZstdDecompressor().decompress(data, max_output_size=limit)
    except zstandard.ZstdError as error:
        raise DamagedRecordError(f"zstd: {error}") from error
    content = unzstd_cut(data, limit + 1)
    if len(content) > limit:
        raise DamagedRecordError(f"zstd: expected at most {limit} bytes, found more")
    return content


def unzstd_cut(data: bytes | memoryview, limit: int) -> bytes:
    """What can be had, up to `limit` bytes, of a zstd frame whose end may be missing."""
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
    """An LZ4 frame, up to `limit` bytes of it, as far as it goes."""
    import lz4.frame

    try:
        return lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=limit)
    except RuntimeError as error:
        raise DamagedRecordError(f"lz4: {error}") from error


def unbz2(data: bytes | memoryview, limit: int) -> bytes:
    """A bzip2 stream, up to `limit` bytes of it, as far as it goes."""
    import bz2

    try:
        return bz2.BZ2Decompressor().decompress(data, max_length=limit)
    except (OSError, ValueError) as error:
        raise DamagedRecordError(f"bz2: {error}") from error
