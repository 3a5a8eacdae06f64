"""rosbag2's metadata.yaml of a folder of MCAP files."""

from collections import Counter
from typing import Any

from lidar_vl_core.bags.writing.growing_file import Written
from lidar_vl_core.bags.writing.topics import definition_and_hash, qos_yaml

_VERSION = 9


def metadata_yaml(files: list[Written]) -> str:
    """The text for these files, in their order."""
    import yaml

    counts: Counter[tuple[str, str]] = Counter()
    for file in files:
        counts.update(file.counts)
    filled = [file for file in files if file.counts]
    start_ns = min((file.start_ns for file in filled), default=0)
    end_ns = max((file.end_ns for file in filled), default=0)
    information = {
        "version": _VERSION,
        "storage_identifier": "mcap",
        **_span(start_ns, end_ns, counts.total()),
        "topics_with_message_count": [_topic(*topic, count) for topic, count in sorted(counts.items())],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file.name for file in files],
        "files": [{"path": file.name, **_span(file.start_ns, file.end_ns, file.counts.total())} for file in files],
        "custom_data": None,
        "ros_distro": "",
    }
    return yaml.safe_dump({"rosbag2_bagfile_information": information}, sort_keys=False)


def _span(start_ns: int, end_ns: int, count: int) -> dict[str, Any]:
    return {
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "duration": {"nanoseconds": end_ns - start_ns},
        "message_count": count,
    }


def _topic(name: str, type_name: str, count: int) -> dict[str, Any]:
    import yaml

    metadata = {
        "name": name,
        "type": type_name,
        "serialization_format": "cdr",
        "offered_qos_profiles": yaml.safe_load(qos_yaml(name)) or [],
        "type_description_hash": definition_and_hash(type_name)[1],
    }
    return {"topic_metadata": metadata, "message_count": count}
