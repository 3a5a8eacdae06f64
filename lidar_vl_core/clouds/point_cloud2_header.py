"""The header of a PointCloud2 message, with every number checked before an array is laid over its bytes.

Rules: sensor_msgs/msg/PointCloud2 and PointField, and where drivers differ from them what PCL accepts.
"""

import operator
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

import numpy as np

from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.message_types import contiguous_bytes

# sensor_msgs/msg/PointField: INT8=1 .. FLOAT64=8
DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
MAX_FIELDS = 256
MAX_BYTES = 1 << 31  # CDR counts the bytes of a sequence in 32 bits; nothing sane comes near
_UINT32 = (1 << 32) - 1
_PADDING_NAMES = ("", "_")  # PCL writes padding as fields of these names, several of them per cloud


@dataclass(frozen=True)
class CloudField:
    """Where one value of each point lies: `offset` bytes into the point."""

    name: str
    offset: int
    dtype: np.dtype
    count: int

    @property
    def end(self) -> int:
        """First byte after the field."""
        return self.offset + self.dtype.itemsize * self.count


@dataclass(frozen=True)
class CloudHeader:
    """A consistent PointCloud2 header, and the bytes it describes."""

    height: int
    width: int
    point_step: int
    row_step: int
    fields: dict[str, CloudField]
    left_out: dict[str, str]  # fields that cannot be read: name -> why
    notes: tuple[str, ...]  # what is wrong with the header and leaves no doubt
    data: memoryview  # of bytes, one dimension

    def field(self, name: str, why: str = "to decode this cloud") -> CloudField:
        """The field of this name with one value per point; raises BadPointCloud with the names found."""
        found = self.fields.get(name)
        if found is None:
            names = ", ".join(self.fields) or "no field at all"
            bad = "".join(f" Left out: {reason}" for reason in list(self.left_out.values())[:3])
            raise BadPointCloud(
                f"field {name}: expected {why}, found only {names}. Publish it, or choose another topic.{bad}"
            )
        if found.count != 1:
            raise BadPointCloud(
                f"field {name}: expected count 1, one value per point, found {found.count}. Publish one field per value."
            )
        return found

    def values(self, field: CloudField) -> np.ndarray:
        """(height, width) view on the message's own bytes; not to be written to."""
        if not self.height * self.width:
            return np.empty((self.height, self.width), field.dtype)
        strides = (self.row_step, self.point_step)
        return np.ndarray((self.height, self.width), field.dtype, self.data, field.offset, strides)


def checked_header(message: object, max_points: int = MAX_POINTS) -> CloudHeader:
    """Check every number of a PointCloud2 header against the others and against the bytes that came.

    Raises BadPointCloud naming the field, what was expected and what was found.
    """
    height = integer(message, "height", 0, _UINT32)
    width = integer(message, "width", 0, _UINT32)
    if height * width > max_points:
        _refuse(
            "height * width", f"at most {max_points} points", f"{height} * {width}", "Raise max_points if it is real"
        )
    point_step = integer(message, "point_step", 1, _UINT32)
    data = _bytes_of(message)
    row_step, notes = _row_step(integer(message, "row_step", 0, _UINT32), height, width * point_step, data.nbytes)
    if row_step < width * point_step:
        _refuse(
            "row_step",
            f"at least width * point_step = {width * point_step}",
            row_step,
            "Fix the driver that publishes it",
        )
    if row_step * height > MAX_BYTES:
        _refuse(
            "row_step * height", f"at most {MAX_BYTES} bytes", row_step * height, "Fix the driver that publishes it"
        )
    fields, left_out = _checked_fields(message, point_step, _endian(message))
    full = row_step * height
    # The padding after the last row holds nothing, and some drivers leave it away.
    least = full - (row_step - width * point_step) if height else 0
    if not least <= data.nbytes <= full:
        _refuse(
            "data", f"row_step * height = {full} bytes", data.nbytes, "The message is truncated or its header is wrong"
        )
    notes += [f"{reason} The cloud is read without this field." for reason in left_out.values()]
    return CloudHeader(height, width, point_step, row_step, fields, left_out, tuple(notes), data)


def _row_step(told: int, height: int, row_bytes: int, data_bytes: int) -> tuple[int, list[str]]:
    """The row step, and a note where the one that was told cannot be meant and the size of the data leaves no doubt."""
    wrong = told < row_bytes or (height == 1 and told > MAX_BYTES)
    if not wrong or height * row_bytes != data_bytes or not data_bytes:
        return told, []
    note = f"row_step: expected width * point_step = {row_bytes}, found {told}. The data has that size, so it is read that way."
    return row_bytes, [note]


def integer(holder: object, name: str, low: int, high: int, label: str = "") -> int:
    """Attribute `name` as an int in low..high; raises BadPointCloud otherwise."""
    value = getattr(holder, name, None)
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        _refuse(label + name, "an integer", _shown(value), "Fix the driver that publishes it")
    if not low <= number <= high:
        _refuse(label + name, f"{low} to {high}", number, "Fix the driver that publishes it")
    return number


def _endian(message: object) -> str:
    value = getattr(message, "is_bigendian", None)
    if not isinstance(value, bool | np.bool_ | int | np.integer) or int(value) not in (0, 1):
        _refuse("is_bigendian", "true or false", _shown(value), "Fix the driver that publishes it")
    return ">" if value else "<"


def _checked_fields(message: object, point_step: int, endian: str) -> tuple[dict[str, CloudField], dict[str, str]]:
    """Fields by name, and those that cannot be read with the reason: nobody may need them."""
    listed = getattr(message, "fields", None)
    if not isinstance(listed, list | tuple):
        _refuse("fields", "a list of PointField", _shown(listed), "Fix the driver that publishes it")
    if len(listed) > MAX_FIELDS:
        _refuse("fields", f"at most {MAX_FIELDS}", len(listed), "Fix the driver that publishes it")
    fields: dict[str, CloudField] = {}
    left_out: dict[str, str] = {}
    for index, item in enumerate(listed):
        name = getattr(item, "name", None)
        if isinstance(name, str) and name in _PADDING_NAMES:
            continue
        try:
            field = _checked_field(item, index, point_step, endian)
            if field.name in fields:
                _refuse(f"field {_named(field.name)}", "each name once", "twice", "Give each field its own name")
            fields[field.name] = field
        except BadPointCloud as error:
            left_out.setdefault(name if isinstance(name, str) else f"fields[{index}]", str(error))
    return {name: field for name, field in fields.items() if name not in left_out}, left_out


def _checked_field(item: object, index: int, point_step: int, endian: str) -> CloudField:
    name = getattr(item, "name", None)
    if not isinstance(name, str):
        _refuse(f"fields[{index}].name", "text", _shown(name), "Fix the driver that publishes it")
    label = f"field {_named(name)}: "
    datatype = integer(item, "datatype", 1, 8, label)
    offset = integer(item, "offset", 0, _UINT32, label)
    # PointField does not say what 0 means; drivers leave it unset and PCL reads it as one value.
    count = integer(item, "count", 0, _UINT32, label) or 1
    field = CloudField(name, offset, np.dtype(endian + DATATYPES[datatype]), count)
    if field.end > point_step:
        _refuse(
            f"{label}offset",
            f"offset + size within point_step = {point_step}",
            f"{offset} + {field.end - offset}",
            "Fix the driver that publishes it",
        )
    return field


def refuse_overlap(fields: list[CloudField]) -> None:
    """Raise BadPointCloud where two fields that are both read share bytes."""
    ordered = sorted(fields, key=lambda field: field.offset)
    for first, second in pairwise(ordered):
        if second.offset < first.end:
            _refuse(
                f"field {second.name}: offset",
                f"{first.end} or more, after field {first.name}",
                second.offset,
                "Fix the driver that publishes it: two fields share bytes",
            )


def _bytes_of(message: object) -> memoryview:
    data = getattr(message, "data", None)
    try:
        return contiguous_bytes(data)
    except (TypeError, ValueError):
        _refuse("data", "contiguous bytes (bytes, array('B') or uint8 array)", _shown(data), "Pass the message's bytes")


def _named(name: str) -> str:
    """A field's name in few characters that cannot break a line."""
    text = name if name.isprintable() else repr(name)
    return text if len(text) <= 60 else text[:57] + "..."


def _shown(value: object) -> str:
    """A value in few characters: messages come from outside and end up in logs."""
    text = f"{type(value).__name__} {value!r}" if isinstance(value, str | int | float) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _refuse(name: str, expected: str, found: object, what_to_do: str) -> NoReturn:
    raise BadPointCloud(f"{name}: expected {expected}, found {found}. {what_to_do}.")
