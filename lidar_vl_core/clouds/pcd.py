"""Point Cloud Library's .pcd files: ascii, binary and binary_compressed in, binary out. Format: PCD 0.7.

Read here and not by `pypcd4`: under its strict header (no lower-case types, no COUNT 0, versions .7 only, single blanks
between numbers), its silence about missing points and the memory it takes on a header's word, nothing of it was left to
use but `np.frombuffer` and LZF, at the same speed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS, MAX_UNPACKED_BYTES
from lidar_vl_core.clouds.formats.text_numbers import as_declared, count_words, numbers_of_text
from lidar_vl_core.clouds.point_cloud2 import PointCloud2Layout
from lidar_vl_core.clouds.point_cloud2_header import DATATYPES, MAX_FIELDS
from lidar_vl_core.foundation.errors import BadCloudFile

_MAX_HEADER_BYTES = 1 << 16
_MOST_LZF_GAIN = 88  # three bytes repeat up to 264
_SIZES = {"I": (1, 2, 4, 8), "U": (1, 2, 4, 8), "F": (4, 8)}


@dataclass(frozen=True)
class _Field:
    name: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Header:
    fields: tuple[_Field, ...]
    points: int
    encoding: str

    @property
    def point_bytes(self) -> int:
        return sum(field.dtype.itemsize * field.count for field in self.fields)

    @property
    def point_values(self) -> int:
        return sum(field.count for field in self.fields)


def read_pcd(path: Path) -> dict[str, np.ndarray]:
    """The fields of a PCD file that hold one value per point, name -> (N,) in file order. Raises BadCloudFile."""
    content = path.read_bytes()
    header, start = _read_header(path, content)
    body = memoryview(content)[start:]
    if header.encoding == "ascii":
        return _ascii(path, header, body)
    if header.encoding == "binary":
        return _binary(path, header, body)
    return _compressed(path, header, body)


def pcd_bytes(layout: PointCloud2Layout) -> bytes:
    """A binary PCD file of an encoded cloud whose fields are packed one after the other."""
    dtypes = [np.dtype(DATATYPES[field.datatype]) for field in layout.fields]
    lines = (
        "# .PCD v0.7 - Point Cloud Data file format",
        "VERSION 0.7",
        "FIELDS " + " ".join(field.name for field in layout.fields),
        "SIZE " + " ".join(str(dtype.itemsize) for dtype in dtypes),
        "TYPE " + " ".join(dtype.kind.upper() for dtype in dtypes),
        "COUNT " + " ".join("1" for _ in dtypes),
        f"WIDTH {layout.width}",
        f"HEIGHT {layout.height}",
        "VIEWPOINT 0 0 0 1 0 0 0",
        f"POINTS {layout.width * layout.height}",
        "DATA binary\n",
    )
    return "\n".join(lines).encode() + layout.data.tobytes()


def _read_header(path: Path, content: bytes) -> tuple[_Header, int]:
    entries: dict[str, list[str]] = {}
    at = 0
    while "DATA" not in entries:
        end = content.find(b"\n", at, _MAX_HEADER_BYTES)
        if end < 0:
            raise BadCloudFile(
                f"{path}: expected a PCD header that ends in a DATA line, found none in its first {len(content[:_MAX_HEADER_BYTES])} "
                "bytes. The file is empty, truncated or not a PCD."
            )
        words = content[at:end].decode("ascii", "replace").split()
        at = end + 1
        if words and not words[0].startswith("#"):
            entries[words[0].upper()] = words[1:]
    fields = _fields(path, entries)
    points = _one_number(path, entries, "POINTS") if "POINTS" in entries else _area(path, entries)
    if points > MAX_POINTS:
        raise BadCloudFile(f"{path}: expected at most {MAX_POINTS} points, found {points}. Split the file.")
    encoding = " ".join(entries["DATA"]).lower()
    if encoding not in ("ascii", "binary", "binary_compressed"):
        raise BadCloudFile(
            f"{path}: expected DATA ascii, binary or binary_compressed, found {encoding[:40]!r}. Save it again with PCL."
        )
    return _Header(fields, points, encoding), at


def _fields(path: Path, entries: Mapping[str, list[str]]) -> tuple[_Field, ...]:
    names = entries.get("FIELDS") or entries.get("COLUMNS") or []
    sizes, kinds = entries.get("SIZE", []), entries.get("TYPE", [])
    counts = entries.get("COUNT") or ["1"] * len(names)
    if not names or not len(names) == len(sizes) == len(kinds) == len(counts) <= MAX_FIELDS:
        raise BadCloudFile(
            f"{path}: expected FIELDS, SIZE, TYPE and COUNT of equal length up to {MAX_FIELDS}, "
            f"found {len(names)}, {len(sizes)}, {len(kinds)} and {len(counts)}. Its header is damaged."
        )
    twice = [name for name, number in Counter(names).items() if number > 1 and name != "_"]
    if twice:
        raise BadCloudFile(f"{path}: field {twice[0][:40]}: expected each name once, found it twice. Rename one.")
    fields = []
    for name, size, kind, count in zip(names, sizes, kinds, counts, strict=True):
        sizes_of_kind = map(str, _SIZES.get(kind.upper(), ()))
        if size not in sizes_of_kind or not (count.isdecimal() and len(count) < 6 and int(count) < 1 << 16):
            raise BadCloudFile(
                f"{path}: field {name[:40]}: expected TYPE I, U or F with a SIZE and COUNT that fit, "
                f"found {kind[:10]} {size[:10]} {count[:10]}. Its header is damaged."
            )
        fields.append(_Field(name, np.dtype(f"<{kind.lower()}{size}"), int(count)))
    return tuple(fields)


def _with_counts_that_fit(path: Path, header: _Header, there: int, per_point: Callable[[_Header], int]) -> _Header:
    """COUNT 0 says that a field has no value, or one where only that fits what is there: it is written for both."""
    if all(field.count for field in header.fields):
        return header
    with_ones = replace(header, fields=tuple(replace(field, count=max(field.count, 1)) for field in header.fields))
    for read in (header, with_ones):
        if header.points * per_point(read) == there:
            return read
    raise BadCloudFile(
        f"{path}: COUNT 0: expected {header.points * per_point(header)} bytes or numbers of points, or "
        f"{header.points * per_point(with_ones)} with one value in each such field, found {there}. Correct COUNT."
    )


def _area(path: Path, entries: Mapping[str, list[str]]) -> int:
    return _one_number(path, entries, "WIDTH") * _one_number(path, entries, "HEIGHT")


def _one_number(path: Path, entries: Mapping[str, list[str]], name: str) -> int:
    words = entries.get(name, [])
    if len(words) != 1 or not words[0].isdecimal() or len(words[0]) > 18:
        raise BadCloudFile(
            f"{path}: expected {name} and one number, found {' '.join(words)[:40]!r}. Its header is damaged."
        )
    return int(words[0])


def _ascii(path: Path, header: _Header, body: memoryview) -> dict[str, np.ndarray]:
    if not all(field.count for field in header.fields):
        header = _with_counts_that_fit(path, header, count_words(path, body), lambda header: header.point_values)
    needed = header.points * header.point_values
    numbers = numbers_of_text(path, body, needed + 1)
    if len(numbers) != needed:
        found = "more" if len(numbers) > needed else str(len(numbers))
        raise BadCloudFile(
            f"{path}: expected {header.points} points of {header.point_values} numbers, found {found} numbers. "
            "The file is truncated or its header is wrong."
        )
    rows = numbers.reshape(header.points, header.point_values)
    columns, at = {}, 0
    for field in header.fields:
        if field.count == 1:
            columns[field.name] = as_declared(rows[:, at], field.dtype)
        at += field.count
    return columns


def _binary(path: Path, header: _Header, body: memoryview) -> dict[str, np.ndarray]:
    header = _with_counts_that_fit(path, header, len(body), lambda header: header.point_bytes)
    needed = header.points * header.point_bytes
    if len(body) < needed:
        raise BadCloudFile(f"{path}: expected {needed} bytes of points, found {len(body)}. The file is truncated.")
    columns, offset = {}, 0
    for field in header.fields:
        if field.count == 1 and header.points:
            strides = (header.point_bytes,)
            columns[field.name] = np.ndarray((header.points,), field.dtype, body, offset, strides).copy()
        elif field.count == 1:
            columns[field.name] = np.empty(0, field.dtype)
        offset += field.dtype.itemsize * field.count
    return columns


def _compressed(path: Path, header: _Header, body: memoryview) -> dict[str, np.ndarray]:
    """Fields lie one after the other here, all values of the first, then all of the second."""
    from lidar_vl_core.clouds.lzf import lzf_decompress

    sizes = np.frombuffer(bytes(body[:8]).ljust(8, b"\0"), "<u4")
    packed_size, size = int(sizes[0]), int(sizes[1])
    header = _with_counts_that_fit(path, header, size, lambda header: header.point_bytes)
    needed = header.points * header.point_bytes
    if len(body) < 8 + packed_size or size != needed:
        raise BadCloudFile(
            f"{path}: expected {needed} bytes of points in {packed_size} compressed bytes, found {size} in "
            f"{max(len(body) - 8, 0)}. The file is truncated or its header is wrong."
        )
    if size > min(MAX_UNPACKED_BYTES, packed_size * _MOST_LZF_GAIN):
        raise BadCloudFile(
            f"{path}: expected at most {_MOST_LZF_GAIN} bytes of points for each compressed one and {MAX_UNPACKED_BYTES} "
            f"altogether, found {size} in {packed_size}. Its header is damaged; if not, split the file."
        )
    data = lzf_decompress(np.frombuffer(body, np.uint8, packed_size, 8), size) if size else np.empty(0, np.uint8)
    if len(data) != size:
        raise BadCloudFile(f"{path}: expected an LZF stream of {size} bytes, found a damaged one. Copy the file again.")
    columns, at = {}, 0
    for field in header.fields:
        end = at + header.points * field.dtype.itemsize * field.count
        if field.count == 1:
            columns[field.name] = data[at:end].view(field.dtype)
        at = end
    return columns
