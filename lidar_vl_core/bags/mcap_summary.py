"""The index at the end of an MCAP: all its topics, and where its messages are."""

import struct
from collections.abc import Iterator
from itertools import pairwise

from lidar_vl_core.bags.mcap_records import (
    CHUNK_INDEX,
    RECORD_HEAD,
    STATISTICS,
    McapIndex,
    Place,
    block_at,
    numbers_at,
    records_in,
)
from lidar_vl_core.bags.unpacking import Budget, DamagedRecordError

_CHUNK_INDEX_HEAD = struct.Struct("<QQQQ")  # first time, last time, offset and length of the chunk
_STATISTICS_HEAD = struct.Struct("<QHIIII")  # messages, schemas, channels, attachments, metadata records, chunks
_STATISTICS_MAP_AT = _STATISTICS_HEAD.size + 16  # behind the first and the last time
_INDEX_LENGTH = struct.Struct("<Q")
_BY_CHANNEL = struct.Struct("<HQ")
_MAX_BY_CHANNEL_BYTES = _BY_CHANNEL.size << 16  # there are no more ids of channels
_MAX_CHANNEL_IDS = 2_000_000  # of all chunks; of those beyond, it is not known what they hold


def parse_summary(summary: memoryview, budget: Budget) -> McapIndex | None:
    """The index that a summary's records make, or None where they do not list all channels and chunks, which the format allows.

    Raises DamagedRecordError.
    """
    index, chunk_count, listed, channel_ids = McapIndex(), None, 0, 0
    places: dict[int, Place] = {}  # by offset: a chunk that is listed twice is one
    for opcode, _, body in records_in(summary, budget.is_late):
        if opcode == CHUNK_INDEX:
            place = _place_of(body, channel_ids < _MAX_CHANNEL_IDS)
            if places.setdefault(place.offset, place) != place:
                raise DamagedRecordError("two chunks at one place")
            listed += 1
            channel_ids += len(place.channel_ids)
            budget.index(len(places), len(index.channels))
        elif opcode == STATISTICS:
            *_, chunk_count = numbers_at(_STATISTICS_HEAD, body, 0)
            for number, count in _by_channel(block_at(body, _STATISTICS_MAP_AT)[0]):
                index.counts[number] = count
        else:
            index.declare(opcode, body)
    index.places = sorted(places.values(), key=lambda place: place.offset)
    if any(earlier.offset + earlier.length > later.offset for earlier, later in pairwise(index.places)):
        raise DamagedRecordError("chunks that overlap in the file")
    if chunk_count is None or not index.channels or chunk_count != listed:
        return None
    # Without chunks only the data themselves tell where messages are, or that there are none.
    return index if index.places and index.counts.keys() <= index.channels.keys() else None


def _place_of(body: memoryview, with_channels: bool) -> Place:
    start_ns, _, offset, length = numbers_at(_CHUNK_INDEX_HEAD, body, 0)
    offsets, at = block_at(body, _CHUNK_INDEX_HEAD.size)
    (index_length,) = numbers_at(_INDEX_LENGTH, body, at)
    channel_ids = frozenset(number for number, _ in _by_channel(offsets)) if with_channels else frozenset()
    return Place(start_ns, offset + RECORD_HEAD.size, length - RECORD_HEAD.size, True, False, channel_ids, index_length)


def _by_channel(numbers: memoryview) -> Iterator[tuple[int, ...]]:
    """(channel id, number) of a map's bytes."""
    if len(numbers) > _MAX_BY_CHANNEL_BYTES or len(numbers) % _BY_CHANNEL.size:
        raise DamagedRecordError(f"numbers by channel in {len(numbers)} bytes")
    return _BY_CHANNEL.iter_unpack(numbers)
