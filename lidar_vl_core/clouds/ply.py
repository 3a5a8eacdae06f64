"""Stanford's .ply files: the vertices of ascii and binary ones of both byte orders in, binary little endian out.

Format: PLY 1.0. Faces and other elements behind the vertices are left alone.
Read here and not by `plyfile`: it is GPL, takes seven times as long for text and two thousand times for a mesh, whose
faces it walks one by one, reserves memory on a header's word, and knows no NaN of Windows programs.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS
from lidar_vl_core.clouds.formats.text_numbers import as_declared, numbers_of_text
from lidar_vl_core.clouds.point_cloud2_header import MAX_FIELDS
from lidar_vl_core.foundation.errors import BadCloudFile

_MAX_HEADER_BYTES = 1 << 16
_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4", "double": "f8",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "float32": "f4",
    "float64": "f8",
}  # fmt: skip
_NAME_OF_TYPE = {kind: name for name, kind in list(_TYPES.items())[:8]}  # the older names, which every reader knows
_BYTE_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class _Element:
    name: str
    count: int
    names: list[str]
    kinds: list[str]  # numpy's, without byte order
    has_list: bool = False


def read_ply(path: Path) -> dict[str, np.ndarray]:
    """The properties of the vertices, name -> (N,) in file order and native byte order. Raises BadCloudFile."""
    content = path.read_bytes()
    encoding, elements, start = _read_header(path, content)
    at = next((place for place, element in enumerate(elements) if element.name == "vertex"), None)
    if at is None or elements[at].has_list or any(element.has_list for element in elements[:at]):
        told = ", ".join(f"{element.name}{' with lists' if element.has_list else ''}" for element in elements)
        raise BadCloudFile(
            f"{path}: expected vertices of plain numbers before all elements with lists, found {told or 'no elements'}. "
            "Save it again with the vertices first."
        )
    vertices = elements[at]
    if encoding == "ascii":
        before = sum(element.count * len(element.kinds) for element in elements[:at])
        return _ascii(path, vertices, memoryview(content)[start:], before)
    for element in elements[:at]:
        start += element.count * _row(element, _BYTE_ORDERS[encoding]).itemsize
    return _binary(path, vertices, _row(vertices, _BYTE_ORDERS[encoding]), memoryview(content)[start:])


def ply_bytes(properties: Mapping[str, np.ndarray], comments: Sequence[str] = ()) -> bytes:
    """A binary .ply whose vertices have these properties, name -> (N,) numbers; 64-bit integers become 32-bit ones."""
    columns = {name: np.asarray(values) for name, values in properties.items()}
    columns = {name: values.astype("i4") if values.dtype.itemsize == 8 and values.dtype.kind in "iu" else values
               for name, values in columns.items()}  # fmt: skip
    count = len(next(iter(columns.values())))
    dtype = np.dtype([(name, values.dtype.newbyteorder("<")) for name, values in columns.items()])
    rows = np.empty(count, dtype)
    for name, values in columns.items():
        rows[name] = values
    lines = ["ply", "format binary_little_endian 1.0", *(f"comment {comment}" for comment in comments)]
    lines.append(f"element vertex {count}")
    lines += [f"property {_NAME_OF_TYPE[values.dtype.str[1:]]} {name}" for name, values in columns.items()]
    return "\n".join([*lines, "end_header\n"]).encode() + rows.tobytes()


def _read_header(path: Path, content: bytes) -> tuple[str, list[_Element], int]:
    """Encoding, elements, and where the data begin."""
    lines, start = _header_lines(path, content)
    encoding, elements = "", list[_Element]()
    for words in lines:
        if words[:1] == ["format"] and len(words) == 3 and words[1] in _BYTE_ORDERS and words[2] == "1.0":
            encoding = words[1]
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdecimal() and len(words[2]) < 19:
            elements.append(_Element(words[1], int(words[2]), [], []))
        elif words[:1] == ["property"] and elements:
            _add_property(path, elements[-1], words[1:])
        elif words and words[0] not in ("comment", "obj_info"):
            raise BadCloudFile(
                f"{path}: expected `format {'|'.join(_BYTE_ORDERS)} 1.0`, elements and their properties, "
                f"found {' '.join(words)[:60]!r}. Its header is damaged."
            )
    if not encoding:
        raise BadCloudFile(f"{path}: expected a line `format`, found none. Its header is damaged.")
    return encoding, elements, start


def _header_lines(path: Path, content: bytes) -> tuple[list[list[str]], int]:
    head = content[:_MAX_HEADER_BYTES]
    line_end = re.match(rb"ply[ \t]*(\r\n|\n|\r)", head)
    last = line_end and re.search(rb"[\r\n]end_header[ \t]*" + line_end[1], head)
    if last is None:
        raise BadCloudFile(
            f"{path}: expected a PLY header from `ply` to `end_header`, found none in its first {len(head)} bytes. "
            "The file is empty, truncated or not a PLY."
        )
    return [line.split() for line in head[3 : last.start()].decode("ascii", "replace").splitlines()], last.end()


def _add_property(path: Path, element: _Element, words: list[str]) -> None:
    words = [*map(str.lower, words[:-1]), *words[-1:]]
    if len(words) == 4 and words[0] == "list" and words[1] in _TYPES and words[2] in _TYPES:
        element.has_list = True
        return
    if len(words) != 2 or words[0] not in _TYPES or len(element.names) == MAX_FIELDS:
        raise BadCloudFile(
            f"{path}: expected up to {MAX_FIELDS} properties `type name` of {', '.join(_TYPES)}, found "
            f"{' '.join(words)[:60]!r}. Its header is damaged."
        )
    element.names.append(words[1])
    element.kinds.append(_TYPES[words[0]])


def _row(element: _Element, byte_order: str) -> np.dtype:
    return np.dtype([(f"f{place}", byte_order + kind) for place, kind in enumerate(element.kinds)])


def _require_vertices(path: Path, vertices: _Element) -> None:
    if vertices.count > MAX_POINTS:
        raise BadCloudFile(f"{path}: expected at most {MAX_POINTS} vertices, found {vertices.count}. Split the file.")
    twice = [name for name, number in Counter(vertices.names).items() if number > 1]
    if twice or not vertices.names:
        raise BadCloudFile(
            f"{path}: expected different properties of the vertices, found {twice[0][:40] + ' twice' if twice else 'none'}. "
            "Its header is damaged."
        )


def _binary(path: Path, vertices: _Element, row: np.dtype, body: memoryview) -> dict[str, np.ndarray]:
    _require_vertices(path, vertices)
    needed = vertices.count * row.itemsize
    if len(body) < needed:
        raise BadCloudFile(
            f"{path}: expected {needed} bytes of {vertices.count} vertices, found {len(body)}. The file is truncated."
        )
    rows = np.frombuffer(body, row, vertices.count)
    return {
        name: rows[f"f{place}"].astype(kind)
        for place, (name, kind) in enumerate(zip(vertices.names, vertices.kinds, strict=True))
    }


def _ascii(path: Path, vertices: _Element, body: memoryview, skipped: int) -> dict[str, np.ndarray]:
    """The vertices of a text, whose first so many words belong to other elements."""
    _require_vertices(path, vertices)
    needed = vertices.count * len(vertices.names)
    numbers = numbers_of_text(path, body, needed, skipped)
    if len(numbers) != needed:
        raise BadCloudFile(
            f"{path}: expected {vertices.count} vertices of {len(vertices.names)} numbers, found {len(numbers)} numbers. "
            "The file is truncated or its header is wrong."
        )
    numbers = numbers.reshape(vertices.count, len(vertices.names))
    kinds = zip(vertices.names, vertices.kinds, strict=True)
    return {name: as_declared(numbers[:, k], np.dtype(kind)) for k, (name, kind) in enumerate(kinds)}
