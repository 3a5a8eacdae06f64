"""What can be read of an MCAP without a usable summary: truncated, never closed, or damaged at its end."""

import os
import zlib
from typing import BinaryIO

from lidar_vl_core.bags.mcap_records import (
    CHANNEL,
    CHUNK,
    DATA_END,
    FOOTER,
    MAGIC,
    MESSAGE,
    RECORD_HEAD,
    SCHEMA,
    McapIndex,
    Place,
    chunk_content,
    cut_chunk_content,
    read_chunk,
    read_message,
    records_in,
)
from lidar_vl_core.bags.unpacking import MAX_UNPACKED_BYTES, Budget, DamagedRecordError

_KNOWN_OPCODES = frozenset(range(1, 16)) | frozenset(range(128, 256))  # 128 and up are an application's own

_CRC_BYTES = 4
_PIECE_BYTES = 1 << 20


def walk(handle: BinaryIO, budget: Budget) -> tuple[McapIndex, str | None]:
    """Read an MCAP record by record from its start; returns its index and what is wrong with it (None: nothing)."""
    walker = _Walker(handle, budget)
    problem = walker.run()
    if walker.damaged_chunks:
        problem = f"{problem}; " if problem else ""
        problem += f"{walker.damaged_chunks} damaged chunks"
    return walker.index, problem


class _Walker:
    def __init__(self, handle: BinaryIO, budget: Budget) -> None:
        self._budget = budget
        self.index = McapIndex()
        self.damaged_chunks = 0
        self._handle = handle
        self._size = handle.seek(0, os.SEEK_END)

    def run(self) -> str | None:
        at = len(MAGIC)
        while True:
            self._handle.seek(at)
            head = self._handle.read(RECORD_HEAD.size)
            if len(head) < RECORD_HEAD.size:
                return f"cut at byte {self._size}"
            opcode, length = RECORD_HEAD.unpack(head)
            if opcode not in _KNOWN_OPCODES:
                return f"damaged at byte {at}"
            if self._budget.is_late():
                return f"too long to scan in time, stopped at byte {at} of {self._size}"
            if opcode in (DATA_END, FOOTER):
                return self._data_problem(at) if opcode == DATA_END else None
            body_at = at + RECORD_HEAD.size
            present = min(length, self._size - body_at)
            try:
                self._take(opcode, body_at, present, cut=present < length)
            except DamagedRecordError:
                return f"damaged at byte {at}"
            if present < length:
                return f"cut at byte {self._size}"
            at = body_at + length

    def _data_problem(self, end: int) -> str | None:
        """Chunks have their own checksums; messages outside of any have only that of the whole."""
        self.index.data_end = end
        if not any(not place.is_chunk for place in self.index.places):
            return None
        return data_problem(self._handle, end, self._budget)

    def _take(self, opcode: int, at: int, length: int, cut: bool) -> None:
        if opcode in (CHUNK, MESSAGE, SCHEMA, CHANNEL) and length > MAX_UNPACKED_BYTES:
            raise DamagedRecordError(f"record of {length} bytes")
        if opcode == CHUNK:
            self._take_chunk(at, length, cut)
        elif cut:
            return
        elif opcode in (SCHEMA, CHANNEL):
            self.index.declare(opcode, self._body(length))
        elif opcode == MESSAGE:
            message = read_message(self._body(length))
            self._budget.index(len(self.index.places), len(self.index.channels))
            self.index.places.append(Place(message.log_time_ns, at, length, is_chunk=False))
            self.index.counts[message.channel_id] += 1

    def _take_chunk(self, at: int, length: int, cut: bool) -> None:
        try:
            chunk = read_chunk(self._body(length))
            self._budget.unpack(at, chunk.size)
            content = cut_chunk_content(chunk) if cut else chunk_content(chunk)
        except DamagedRecordError:
            self.damaged_chunks += not cut
            return
        self._budget.index(len(self.index.places), len(self.index.channels))
        self.index.places.append(Place(chunk.start_ns, at, length, cut=cut))
        for opcode, _, body in records_in(content, self._budget.is_late):
            if opcode == MESSAGE:
                self.index.counts[read_message(body).channel_id] += 1
            else:
                self.index.declare(opcode, body)

    def _body(self, length: int) -> memoryview:
        return memoryview(self._handle.read(length))


def data_problem(handle: BinaryIO, end: int, budget: Budget) -> str | None:
    """What is wrong with the bytes before the record that ends the data, by the checksum in it; None where nothing is found in time."""
    handle.seek(end)
    head = handle.read(RECORD_HEAD.size)
    opcode, length = RECORD_HEAD.unpack(head) if len(head) == RECORD_HEAD.size else (0, 0)
    stored = int.from_bytes(handle.read(_CRC_BYTES), "little")
    if opcode != DATA_END or length < _CRC_BYTES or not stored:  # 0: its writer made none
        return None
    handle.seek(0)
    found, left = 0, end
    while left and (piece := handle.read(min(_PIECE_BYTES, left))):
        if budget.is_late():
            return None
        found, left = zlib.crc32(piece, found), left - len(piece)
    if found == stored:
        return None
    return f"with damaged data (its checksum is {found:08x}, not {stored:08x}: at least one message is altered)"
