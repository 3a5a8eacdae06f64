"""Records of MCAPs and ROS 1 bags, for files that no writer would write."""

import struct

from mcap.data_stream import RecordBuilder
from mcap.records import Chunk, ChunkIndex, McapRecord

MCAP_MAGIC = b"\x89MCAP0\r\n"


def packed(*records: McapRecord) -> bytes:
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return builder.end()


def chunk_index(chunk: Chunk, start: int, **claimed: object) -> ChunkIndex:
    """What a summary says of a chunk that starts there; claimed: what it says otherwise."""
    told = {
        "chunk_length": len(packed(chunk)), "chunk_start_offset": start, "compression": chunk.compression,
        "compressed_size": len(chunk.data), "message_end_time": 5, "message_index_length": 0,
        "message_index_offsets": {}, "message_start_time": 5, "uncompressed_size": chunk.uncompressed_size,
    } | claimed  # fmt: skip
    return ChunkIndex(**told)


def ros1_record(fields: list[bytes], data: bytes) -> bytes:
    header = b"".join(struct.pack("<I", len(field)) + field for field in fields)
    return struct.pack("<I", len(header)) + header + struct.pack("<I", len(data)) + data


def ros1_bag(*records: bytes) -> bytes:
    head = ros1_record([b"op=\x03", b"index_pos=" + bytes(8)], bytes(50))
    return b"#ROSBAG V2.0\n" + head + b"".join(records)
