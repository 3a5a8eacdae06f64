"""Messages of ROS topics into an open MCAP, with all that other tools need to read them."""

from typing import IO

from lidar_vl_core.bags.writing.topics import definition_and_hash, qos_yaml

CHUNK_BYTES = 1 << 20


class McapStream:
    """Writes to `handle`, which stays open: chunks and the data section carry checksums."""

    def __init__(self, handle: IO[bytes], compression: str, chunk_bytes: int = CHUNK_BYTES) -> None:
        from mcap.writer import CompressionType, Writer

        self._writer = Writer(
            handle,
            chunk_size=chunk_bytes,
            compression=CompressionType[compression.upper()],
            enable_crcs=True,
            enable_data_crcs=True,
        )
        self._writer.start(profile="ros2", library="lidar-vl")
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}

    def write(self, topic: str, type_name: str, stamp_ns: int, data: bytes) -> None:
        """Append one message's CDR."""
        if (topic, type_name) not in self._channels:
            self._channels[topic, type_name] = self._register(topic, type_name)
        self._writer.add_message(self._channels[topic, type_name], stamp_ns, data, stamp_ns)

    def close_chunk(self) -> None:
        """Close the current chunk."""
        self._writer.flush()

    def finish(self) -> None:
        """Write the last chunk and the summary."""
        self._writer.finish()

    def _register(self, topic: str, type_name: str) -> int:
        definition, hash_ = definition_and_hash(type_name)
        if type_name not in self._schemas:
            encoding = "ros2msg" if definition else ""
            self._schemas[type_name] = self._writer.register_schema(type_name, encoding, definition.encode())
        metadata = {"offered_qos_profiles": qos_yaml(topic), "topic_type_hash": hash_}
        return self._writer.register_channel(topic, "cdr", self._schemas[type_name], metadata)
