"""The index at the end of an MCAP: all its topics, and where its messages are."""

from itertools import pairwise
from typing import TYPE_CHECKING

from lidar_vl_core.bags.mcap_records import (
    CHUNK_INDEX,
    RECORD_HEAD,
    STATISTICS,
    McapIndex,
    Place,
    read_record,
    records_in,
)
from lidar_vl_core.bags.unpacking import Budget, DamagedRecordError

if TYPE_CHECKING:
    from mcap.records import ChunkIndex


def parse_summary(summary: memoryview, budget: Budget) -> McapIndex | None:
    """The index that a summary's records make, or None where they do not list all channels and chunks, which the format allows."""
    from mcap.records import ChunkIndex, Statistics

    index, statistics, listed = McapIndex(), None, 0
    places: dict[int, Place] = {}  # by offset: a chunk that is listed twice is one
    for opcode, _, body in records_in(summary):
        if opcode == CHUNK_INDEX:
            place = _place_of(read_record(ChunkIndex, body))
            if places.setdefault(place.offset, place) != place:
                raise DamagedRecordError("two chunks at one place")
            listed += 1
            budget.index(len(places), len(index.channels))
        elif opcode == STATISTICS:
            statistics = read_record(Statistics, body)
            index.counts.update(statistics.channel_message_counts)
        else:
            index.declare(opcode, body)
    index.places = sorted(places.values(), key=lambda place: place.offset)
    if any(earlier.offset + earlier.length > later.offset for earlier, later in pairwise(index.places)):
        raise DamagedRecordError("chunks that overlap in the file")
    if statistics is None or not index.channels or statistics.chunk_count != listed:
        return None
    # Without chunks only the data themselves tell where messages are, or that there are none.
    return index if index.places and index.counts.keys() <= index.channels.keys() else None


def _place_of(chunk: "ChunkIndex") -> Place:
    head = RECORD_HEAD.size
    return Place(
        chunk.message_start_time,
        chunk.chunk_start_offset + head,
        chunk.chunk_length - head,
        channel_ids=frozenset(chunk.message_index_offsets),
        index_length=chunk.message_index_length,
    )
