"""sensor_msgs/msg/PointCloud2 to PointCloud and back, for rclpy and rosbags messages alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.clouds.colours import packed_rgb
from lidar_vl_core.clouds.point_cloud import PointCloud, normalise_intensity
from lidar_vl_core.clouds.point_cloud2_header import (
    DATATYPES,
    MAX_POINTS,
    CloudField,
    CloudHeader,
    checked_header,
    integer,
    refuse_overlap,
)
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.stamps import NS_PER_S

INTENSITY_NAMES = ("intensity", "i", "reflectivity", "intensities")  # first found wins
LABELLED_FIELDS = ("x", "y", "z", "intensity", "class_id", "probability")
_CODES = {np.dtype("<" + code): datatype for datatype, code in DATATYPES.items()}


@dataclass(frozen=True)
class FieldLayout:
    """One PointField: name, offset in bytes, datatype 1..8, count."""

    name: str
    offset: int
    datatype: int
    count: int = 1


@dataclass(frozen=True)
class PointCloud2Layout:
    """All of a PointCloud2 but its header; fill a message of rclpy or rosbags with it.

    For rclpy hand the bytes over as `array("B")` (`frombytes`): its setter walks any other buffer byte by byte.
    """

    height: int
    width: int
    fields: tuple[FieldLayout, ...]
    is_bigendian: bool
    point_step: int
    row_step: int
    data: np.ndarray  # (row_step * height,) uint8
    is_dense: bool  # true only if x, y and z are finite for every point


def decode(
    message: object,
    extra_fields: Sequence[str] = (),
    intensity_max: float | None = None,
    max_points: int = MAX_POINTS,
) -> PointCloud:
    """Points of any object with PointCloud2's attributes, in message order (row by row if organised).

    extra_fields: names of further fields, kept in their own type. intensity_max: the driver's full scale; None judges
    it by the values (`normalise_intensity`). Fields may have any of the eight types, either endian, any order and
    padding; what is not finite stays in. The message is only read. Raises BadPointCloud.
    """
    header = checked_header(message, max_points)
    position = [header.field(name) for name in "xyz"]
    intensity = next((header.field(name) for name in INTENSITY_NAMES if name in header.fields), None)
    extra = {name: header.field(name, "because it was asked for") for name in extra_fields}
    read = {field.name: field for field in (*position, *([intensity] if intensity else []), *extra.values())}
    refuse_overlap(list(read.values()))
    stamp_ns, frame_id = _stamp_and_frame(message)
    return PointCloud(
        xyz_m=_positions(header, position),
        intensity=_intensity(header, intensity, intensity_max),
        stamp_ns=stamp_ns,
        frame_id=frame_id,
        extra={name: _column(header, field) for name, field in extra.items()},
    )


def encode(cloud_fields: Mapping[str, np.ndarray], aligned: bool = False) -> PointCloud2Layout:
    """Lay out equally long columns as one unorganised little-endian cloud, fields in the given order.

    cloud_fields: name -> (N,) of one of the eight PointField types, any endian. aligned: each field starts at a
    multiple of its size, as C++ structs do; otherwise they are packed. Raises BadPointCloud.
    """
    columns = {name: np.asarray(values) for name, values in cloud_fields.items()}
    count = len(next(iter(columns.values()))) if columns and next(iter(columns.values())).ndim else 0
    fields, offset, widest = [], 0, 1
    for name, values in columns.items():
        datatype = _CODES.get(values.dtype.newbyteorder("<"))
        if datatype is None or values.shape != (count,):
            raise BadPointCloud(
                f"field {name}: expected ({count},) of an 8, 16 or 32 bit integer, float32 or float64, "
                f"found {values.shape} of {values.dtype}. Convert it before encoding."
            )
        size = values.dtype.itemsize
        offset += -offset % size if aligned else 0
        fields.append(FieldLayout(name, offset, datatype))
        offset, widest = offset + size, max(widest, size)
    point_step = max(offset + (-offset % widest if aligned else 0), 1)
    data = np.zeros(count * point_step, np.uint8) if aligned else np.empty(count * point_step, np.uint8)
    for field, values in zip(fields, columns.values(), strict=True) if count else ():
        dtype = values.dtype.newbyteorder("<")
        np.ndarray((count,), dtype, data.data, field.offset, (point_step,))[:] = values
    dense = all(bool(np.isfinite(columns[name]).all()) for name in "xyz" if name in columns)
    return PointCloud2Layout(1, count, tuple(fields), False, point_step, count * point_step, data, dense)


def encode_labelled(
    cloud: PointCloud, class_id: np.ndarray, probability: np.ndarray, rgb: np.ndarray | None = None
) -> PointCloud2Layout:
    """The labelled cloud (LABELLED_FIELDS): every input point with its class_id (uint8) and probability (float32).

    class_id, probability: (N,), one per point of `cloud`. rgb: (N, 3) uint8, for a last field `rgb` as viewers read it.
    Raises BadPointCloud when they are not.
    """
    columns = (*cloud.xyz_m.T, cloud.intensity, np.asarray(class_id), np.asarray(probability))
    for name, values, dtype in zip(LABELLED_FIELDS[4:], columns[4:], (np.uint8, np.float32), strict=True):
        if values.shape != (len(cloud),) or values.dtype != dtype:
            raise BadPointCloud(
                f"{name}: expected ({len(cloud)},) of {np.dtype(dtype)}, found {values.shape} of {values.dtype}. "
                "Give one label per point."
            )
    labelled = dict(zip(LABELLED_FIELDS, columns, strict=True))
    return encode(labelled if rgb is None else labelled | {"rgb": packed_rgb(rgb)})


def _positions(header: CloudHeader, position: Sequence[CloudField]) -> np.ndarray:
    x, y, z = position
    count = header.height * header.width
    xyz_m = np.empty((count, 3), np.float32)
    together = x.dtype == y.dtype == z.dtype == np.float32 and (y.offset, z.offset) == (x.offset + 4, x.offset + 8)
    if together and (x.offset % 4 or header.point_step % 4 or header.row_step % 4):
        # Three unaligned strided copies take three times as long as one copy of 12-byte pieces.
        triple = CloudField("xyz", x.offset, np.dtype("V12"), 1)
        xyz_m.view("V12").reshape(header.height, header.width)[...] = header.values(triple)
        return xyz_m
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a float64 beyond float32 becomes Inf: kept in the count, outside every grid
        for axis, field in enumerate(position):
            xyz_m[:, axis].reshape(header.height, header.width)[...] = header.values(field)
    return xyz_m


def _intensity(header: CloudHeader, field: CloudField | None, intensity_max: float | None) -> np.ndarray:
    if intensity_max is not None and not (np.isfinite(intensity_max) and intensity_max > 0):
        raise BadPointCloud(
            f"intensity_max: expected a positive number, found {intensity_max}. Give the driver's full scale, or none."
        )
    if field is None:
        return np.zeros(header.height * header.width, np.float32)
    raw = header.values(field)
    if intensity_max is None:
        return normalise_intensity(raw).reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = raw.astype(np.float32).reshape(-1) / np.float32(intensity_max)
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)


def _column(header: CloudHeader, field: CloudField) -> np.ndarray:
    """(N,) copy of one field in the machine's byte order."""
    column = np.empty(header.height * header.width, field.dtype.newbyteorder("="))
    column.reshape(header.height, header.width)[...] = header.values(field)
    return column


def _stamp_and_frame(message: object) -> tuple[int, str]:
    header = getattr(message, "header", None)
    if header is None:
        return 0, ""
    stamp, frame_id = getattr(header, "stamp", None), getattr(header, "frame_id", None)
    seconds = integer(stamp, "sec", 0, (1 << 31) - 1, "header.stamp.")
    nanoseconds = integer(stamp, "nanosec", 0, NS_PER_S - 1, "header.stamp.")
    if not isinstance(frame_id, str):
        raise BadPointCloud(f"header.frame_id: expected text, found {type(frame_id).__name__}. Correct the driver.")
    return seconds * NS_PER_S + nanoseconds, frame_id
