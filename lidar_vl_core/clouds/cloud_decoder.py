"""The PointCloud2 messages of one topic as clouds: one intensity scale for all of them, and each oddity reported once."""

from collections.abc import Iterable, Sequence

import numpy as np

from lidar_vl_core.clouds.colours import rgb_of_columns
from lidar_vl_core.clouds.formats.fields import colour_names, intensity_name, position_names, time_name
from lidar_vl_core.clouds.intensity import IntensityScale, full_scale, intensity_doubts, is_full_scale, scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2_header import (
    MAX_POINTS,
    CloudField,
    CloudHeader,
    checked_header,
    integer,
    refuse_overlap,
)
from lidar_vl_core.clouds.sweep_statistics import frame_doubts
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.stamps import NS_PER_S

POINT_TIME = "time of each point"  # in `extra`: (N,), as the driver writes it; no field has such a name
_MOST_NOTES = 20
_FAR_M = 2.0**14  # float32 holds places up to here to 1 mm
_LARGEST_M = 1e9  # no place on Earth, in any projection
_SAMPLE = 1000  # points that tell where a cloud is


class CloudDecoder:
    """Decodes messages of one topic, from one thread. `scale` is None until a cloud has shown what the intensity is."""

    def __init__(
        self,
        extra_fields: Sequence[str] = (),
        intensity_max: float | None = None,
        max_points: int = MAX_POINTS,
        colours: bool = False,
        times: bool = False,
    ) -> None:
        """extra_fields: names of further fields, kept in their own type. intensity_max: the driver's full scale, None = judged.

        colours: keep those of the points as (N, 3) uint8 `rgb`. times: keep when each was measured, as the driver writes it, as
        POINT_TIME where there is a field of such a name. Raises BadPointCloud for an invalid intensity_max.
        """
        if intensity_max is not None and not is_full_scale(intensity_max):
            raise BadPointCloud(
                f"intensity_max: expected a positive number, found {intensity_max}. Give the driver's full scale, or none."
            )
        self.scale: IntensityScale | None = None
        self._extra_fields, self._colours, self._times = tuple(extra_fields), colours, times
        self._intensity_max, self._max_points = intensity_max, max_points
        self._notes: dict[str, str] = {}  # by kind
        self._doubted = False

    @property
    def notes(self) -> list[str]:
        """Oddities of the clouds so far, each once: fields left out, no intensity, far coordinates, a frame that is not metres with z up."""
        return list(self._notes.values())

    def look_at(self, messages: Iterable[object]) -> None:
        """Decide the intensity scale from several clouds of the topic, before the first is decoded; bad ones are skipped."""
        headers = []
        for message in messages:
            try:
                headers.append(checked_header(message, self._max_points))
            except BadPointCloud:
                continue
        self._decide(headers)

    def decode(self, message: object) -> PointCloud:
        """Points of any object with PointCloud2's attributes, in message order (row by row if organised).

        Fields may have any of the eight types, either endian, any order and padding; what is not finite stays in. The
        message is only read. Raises BadPointCloud.
        """
        header = checked_header(message, self._max_points)
        for note in header.notes:
            self._note(note, note)
        position = [header.field(name) for name in position_names(header.fields) or ("x", "y", "z")]
        if self.scale is None:
            self._decide([header])
        intensity = self._intensity_field(header)
        extra = {name: header.field(name, "because it was requested") for name in self._extra_fields}
        read = [*position, *([intensity] if intensity else []), *extra.values()]
        refuse_overlap(list({field.name: field for field in read}.values()))
        columns = {name: _column(header, field) for name, field in extra.items()}
        if self._colours and "rgb" not in columns:
            columns |= _colours(header)
        if self._times and (name := time_name(_single(header))) is not None:
            columns[POINT_TIME] = _column(header, header.fields[name])
        xyz_m, origin_m = _positions(header, position)
        if any(origin_m):
            self._note("origin", _far_told(origin_m))
        stamp_ns, frame_id = _stamp_and_frame(message)
        cloud = PointCloud(
            xyz_m=xyz_m,
            intensity=self._intensity(header, intensity),
            stamp_ns=stamp_ns,
            frame_id=frame_id,
            extra=columns,
            in_sensor_frame=not any(origin_m),
            origin_m=origin_m,
        )
        self._doubt(cloud)
        return cloud

    def _decide(self, headers: Sequence[CloudHeader]) -> None:
        """By the first field of an intensity's name that is not 0 throughout."""
        names = list(dict.fromkeys(name for header in headers for name in _single(header)))
        while (name := intensity_name(names)) is not None:
            told = [header.values(header.fields[name]).reshape(-1) for header in headers if name in _single(header)]
            raw = np.concatenate(told)
            largest = full_scale(raw)
            if largest is not None:
                self.scale = IntensityScale(name, self._intensity_max or largest)
                self._doubt_intensity(raw, None if self._intensity_max else largest, name)
                return
            names.remove(name)

    def _doubt_intensity(self, raw: np.ndarray, judged: float | None, name: str) -> None:
        for kind, doubt in enumerate(intensity_doubts(raw, judged, "intensity_max")):
            self._note(f"intensity {kind}", f"intensity: field {name}, {doubt}")

    def _doubt(self, cloud: PointCloud) -> None:
        """Look once, at the first cloud with points, whether its frame can be as everybody below expects it."""
        if not self._doubted and cloud.has_return().any():
            self._doubted = True
            for doubt in frame_doubts(cloud):
                self._note("frame", doubt)

    def _intensity_field(self, header: CloudHeader) -> CloudField | None:
        name = intensity_name(_single(header)) if self.scale is None else self.scale.field
        found = None if name is None else _single(header).get(name)
        if found is None and header.height * header.width:
            self._note(
                "intensity",
                f"intensity: expected {name or 'a field of a name such as intensity or reflectivity'}, found "
                f"{', '.join(header.fields)[:200]}: intensity is 0 for these points. Rename the field if there is one.",
            )
        return found

    def _intensity(self, header: CloudHeader, field: CloudField | None) -> np.ndarray:
        if field is None:
            return np.zeros(header.height * header.width, np.float32)
        if self.scale is None:
            if header.height * header.width:
                self._note("zero", f"intensity: expected values above 0 in the field {field.name}, found none so far.")
            return np.zeros(header.height * header.width, np.float32)
        return scaled_intensity(header.values(field), self.scale.largest).reshape(-1)

    def _note(self, kind: str, text: str) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.setdefault(kind, text)


def _single(header: CloudHeader) -> dict[str, CloudField]:
    """The fields with one value per point."""
    return {name: field for name, field in header.fields.items() if field.count == 1}


def _colours(header: CloudHeader) -> dict[str, np.ndarray]:
    columns = [_column(header, header.fields[name]) for name in colour_names(_single(header))]
    rgb = rgb_of_columns(columns)
    return {} if rgb is None else {"rgb": rgb}


def _positions(header: CloudHeader, position: Sequence[CloudField]) -> tuple[np.ndarray, tuple[float, float, float]]:
    """(N, 3) float32, and the origin they are told from: 0, 0, 0 but for doubles too far away for float32."""
    if all(field.dtype.itemsize == 8 for field in position):
        origin_m = _origin_of(header, position)
        if any(origin_m):
            columns = [_column(header, field) - shift for field, shift in zip(position, origin_m, strict=True)]
            with np.errstate(over="ignore", invalid="ignore"):
                return np.stack(columns, axis=1).astype(np.float32), origin_m
    return _float32_positions(header, position), (0.0, 0.0, 0.0)


def _origin_of(header: CloudHeader, position: Sequence[CloudField]) -> tuple[float, float, float]:
    """Whole metres in the middle of the points, 0, 0, 0 where that is near."""
    step = 1 + header.height * header.width // _SAMPLE
    sample = np.stack([header.values(field).reshape(-1)[::step] for field in position], axis=1).astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1) & sample.any(axis=1)]
    if not len(sample):
        return 0.0, 0.0, 0.0
    x, y, z = np.round(np.sort(sample, axis=0)[len(sample) // 2])
    return (float(x), float(y), float(z)) if _FAR_M <= max(abs(x), abs(y), abs(z)) < _LARGEST_M else (0.0, 0.0, 0.0)


def _far_told(origin_m: tuple[float, float, float]) -> str:
    x, y, z = origin_m
    return (
        f"coordinates: far from their frame's origin, at first around x {x:.0f} m, y {y:.0f} m, z {z:.0f} m: each cloud is "
        "seen from the middle of its own points, and written with the coordinates that came."
    )


def _float32_positions(header: CloudHeader, position: Sequence[CloudField]) -> np.ndarray:
    x, y, z = position
    count = header.height * header.width
    xyz_m = np.empty((count, 3), np.float32)
    together = x.dtype == y.dtype == z.dtype == np.float32 and (y.offset, z.offset) == (x.offset + 4, x.offset + 8)
    if together and (x.offset % 4 or header.point_step % 4 or header.row_step % 4):
        # Three unaligned strided copies take three times as long as one copy of 12-byte pieces.
        triple = CloudField("xyz", x.offset, np.dtype("V12"), 1)
        xyz_m.view("V12").reshape(header.height, header.width)[...] = header.values(triple)
        return xyz_m
    with np.errstate(over="ignore", invalid="ignore"):
        # A float64 beyond float32 becomes Inf: kept in the count, outside every grid.
        for axis, field in enumerate(position):
            xyz_m[:, axis].reshape(header.height, header.width)[...] = header.values(field)
    return xyz_m


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
        raise BadPointCloud(
            f"header.frame_id: expected text, found {type(frame_id).__name__}. Fix the driver that publishes it."
        )
    return seconds * NS_PER_S + nanoseconds, frame_id
