"""What is in a bag and what a replay can use of it. Reads files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lidar_vl_core.bags.reader import BagReader, open_bag
from lidar_vl_core.bags.surroundings import Surroundings, read_surroundings
from lidar_vl_core.clouds.cloud_decoder import CloudDecoder
from lidar_vl_core.foundation.errors import BadBag, BadPointCloud, BadRequest, one_line
from lidar_vl_core.foundation.message_types import CLOUD_TYPE

# Reading takes no longer; a longer recording is described as far as that goes, its messages counted by its index.
_OPENING_S, _SURROUNDINGS_S, _CLOUDS_S, _COUNTING_S = 4.0, 3.0, 3.0, 6.0
_MOST_WARNINGS = 100
_NAMES = frozenset({"name", "type", "frame_id", "image_topic", "info_topic", "parent", "child"})
_NAME_CHARACTERS = 120
_DATATYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")


def inspection(path: Path) -> dict[str, Any]:
    """Describe a bag, JSON-ready: topics, duration, clouds, cameras, transforms, warnings, and what replay would do.

    Raises BadBag where the bag cannot be read at all.
    """
    with open_bag(path, _OPENING_S) as bag:
        bag.give_time(_SURROUNDINGS_S)
        around = read_surroundings(bag)
        bag.give_time(_CLOUDS_S)
        clouds = {topic.name: _cloud_layout(bag, topic.name) for topic in bag.topics if topic.type == CLOUD_TYPE}
        bag.give_time(_COUNTING_S)
        spans = _spans(bag)
        start_ns = min((span.first_ns for span in spans.values()), default=0)
        end_ns = max((span.last_ns for span in spans.values()), default=0)
        found = {
            "bag": str(path),
            "duration_s": round((end_ns - start_ns) / 1e9, 3),
            "start_ns": start_ns,
            "topics": [
                {
                    "name": topic.name,
                    "type": topic.type,
                    "count": max(spans.get(topic.name, _Span()).count, topic.count if bag.is_partly_read else 0),
                    "rate_hz": spans.get(topic.name, _Span()).rate_hz(),
                }
                for topic in bag.topics
            ],
            "clouds": clouds,
            "cameras": [vars(camera) for camera in around.cameras],
            "transforms": [
                {"parent": parent, "child": child, "moving": moving}
                for parent, child, moving in around.transforms.edges()
            ],
        }
        unplaced = _unplaced_cameras(around, clouds)
        found["replay"] = _replay_advice(bag, clouds, len(around.cameras) - len(unplaced))
        bad_clouds = [f"{name}: {layout['bad']}" for name, layout in clouds.items() if "bad" in layout]
        warnings = [*bag.warnings, *dict.fromkeys(around.problems), *bad_clouds, *unplaced]
        more = len(warnings) - _MOST_WARNINGS
        found["warnings"] = warnings[:_MOST_WARNINGS] + ([f"and {more} more"] if more > 0 else [])
    return found


def inspection_text(found: dict[str, Any]) -> str:
    """The inspection as lines for a terminal, with names escaped so that a terminal can show them."""
    return "\n".join(_lines(_shown(found)))


def _shown(value: Any) -> Any:  # noqa: ANN401  JSON
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {key: one_line(part, _NAME_CHARACTERS) if key in _NAMES else _shown(part) for key, part in value.items()}
    return [_shown(part) for part in value] if isinstance(value, list) else value


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['bag']}: {found['duration_s']:.1f} s, {len(found['topics'])} topics", ""]
    width = max((len(topic["name"]) for topic in found["topics"]), default=0)
    for topic in found["topics"]:
        rate = "" if topic["rate_hz"] is None else f"{topic['rate_hz']:6.1f} Hz"
        lines.append(f"  {topic['name']:<{width}}  {topic['count']:>7}  {rate:>9}  {topic['type']}")
    for name, layout in found["clouds"].items():
        lines += ["", f"cloud {one_line(name, _NAME_CHARACTERS)}"]
        if "error" in layout:
            lines.append(f"  cannot be read: {layout['error']}")
            continue
        fields = ", ".join(f"{field['name']} {field['type']}" for field in layout["fields"])
        lines.append(
            f"  first cloud: {layout['points']:,} points ({layout['height']} x {layout['width']}), "
            f"{layout['point_step']} bytes each, frame {layout['frame_id']}"
        )
        lines.append(f"  fields: {fields}")
        lines.append(f"  intensity: {layout['intensity'] or 'none above 0'}")
        lines += [f"  note: {note}" for note in layout["notes"]]
    if found["cameras"]:
        lines += ["", "cameras"]
        lines += [_camera_line(camera) for camera in found["cameras"]]
    if found["transforms"]:
        lines += ["", "transforms"]
        lines += [
            f"  {edge['parent']} -> {edge['child']}{' (moving)' if edge['moving'] else ''}"
            for edge in found["transforms"]
        ]
    lines += ["", f"replay: {found['replay']}"]
    lines += [f"warning: {warning}" for warning in found["warnings"]]
    return lines


def _camera_line(camera: dict[str, Any]) -> str:
    used = "rectified, so by P" if camera["rectified"] else "raw, so by K and D"
    others = f"; not read: {', '.join(camera['not_read'])}" if camera["not_read"] else ""
    return f"  {camera['name']}: {camera['image_topic']} with {camera['info_topic']}, {used}{others}"


@dataclass
class _Span:
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, stamp_ns: int) -> None:
        self.first_ns = stamp_ns if not self.count else min(self.first_ns, stamp_ns)
        self.last_ns = max(self.last_ns, stamp_ns)
        self.count += 1

    def rate_hz(self) -> float | None:
        seconds = (self.last_ns - self.first_ns) / 1e9
        return round((self.count - 1) / seconds, 2) if self.count > 1 and seconds > 0 else None


def _spans(bag: BagReader) -> dict[str, _Span]:
    """The messages of each topic that are really there."""
    spans: dict[str, _Span] = {}
    for message in bag.messages():
        spans.setdefault(message.topic, _Span()).add(message.stamp_ns)
    return spans


def _cloud_layout(bag: BagReader, topic: str) -> dict[str, Any]:
    """Layout of the first cloud that can be decoded; "bad" tells of those before it, "error" where there is none."""
    reasons = []
    for recorded in bag.messages([topic]):
        try:
            message, decoder = recorded.message, CloudDecoder()
            decoder.decode(message)
        except (BadBag, BadPointCloud) as error:
            reasons.append(str(error))
            continue
        layout = {
            "points": message.width * message.height,
            "height": message.height,
            "width": message.width,
            "point_step": message.point_step,
            "frame_id": message.header.frame_id,
            "fields": [{"name": field.name, "type": _type_of(field.datatype)} for field in message.fields],
            "intensity": None if decoder.scale is None else str(decoder.scale),
            "notes": decoder.notes,
        }
        bad = (
            {"bad": f"the first {len(reasons)} clouds cannot be read and are skipped: {reasons[0]}"} if reasons else {}
        )
        return layout | bad
    return {"error": reasons[0] if reasons else "the topic holds no message"}


def _type_of(datatype: int) -> str:
    return _DATATYPES[datatype - 1] if 1 <= datatype <= len(_DATATYPES) else f"unknown type {datatype}"


def _unplaced_cameras(around: Surroundings, clouds: dict[str, dict[str, Any]]) -> list[str]:
    """A line for each camera of which no transforms tell where any of the clouds is in it."""
    lidar_frames = {layout["frame_id"] for layout in clouds.values() if "frame_id" in layout}
    lines = []
    for camera in around.cameras:
        frame = around.frame_ids[camera.image_topic]
        if not lidar_frames or any(around.transforms.are_connected(frame, f) for f in lidar_frames):
            continue
        lines.append(
            f"camera {camera.name}: the recording does not say where {frame} is in "
            f"{' or '.join(sorted(lidar_frames))}, so a replay leaves it out. Record /tf and /tf_static."
        )
    return lines


def _replay_advice(bag: BagReader, clouds: dict[str, dict[str, Any]], cameras: int) -> str:
    try:
        topic = bag.topic_of_type(CLOUD_TYPE, None)
    except BadRequest as error:
        return f"not as recorded: {error}"
    if "error" in clouds[topic]:
        return f"not as recorded: no cloud of {topic} can be read: {clouds[topic]['error']}"
    if not cameras:
        return f"clouds of {topic}, without camera images"
    return f"clouds of {topic} with {cameras} camera{'s' if cameras > 1 else ''}"
