"""PCD files: every encoding gives the same points, damaged ones are refused with what is wrong."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.lzf import lzf_decompress
from lidar_vl_core.foundation.errors import BadCloudFile


def lzf_compress(data):
    """A slow compressor of the format: literals, and references to what was seen at most 8 KiB before."""
    out, literals, at = bytearray(), bytearray(), 0

    def flush():
        for start in range(0, len(literals), 32):
            part = literals[start : start + 32]
            out.append(len(part) - 1)
            out.extend(part)
        literals.clear()

    while at < len(data):
        origin = data.rfind(data[at : at + 3], max(0, at - 8191), at + 2) if at + 3 <= len(data) else -1
        if 0 <= origin < at:
            length = 3
            while length < 264 and at + length < len(data) and data[origin + length] == data[at + length]:
                length += 1
            flush()
            distance, code = at - origin - 1, length - 2
            out.append((min(code, 7) << 5) | (distance >> 8))
            if code >= 7:
                out.append(code - 7)
            out.append(distance & 255)
            at += length
        else:
            literals.append(data[at])
            at += 1
    flush()
    return bytes(out)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30).map(lambda parts: b"".join(parts * 3)))
@settings(deadline=None)
def test_lzf_gives_back_what_was_compressed(data):
    packed = np.frombuffer(lzf_compress(data), np.uint8)
    assert lzf_decompress(packed, len(data)).tobytes() == data


@given(st.binary(max_size=200), st.integers(0, 500))
@settings(deadline=None)
def test_lzf_survives_any_bytes(packed, size):
    assert len(lzf_decompress(np.frombuffer(packed, np.uint8), size)) in (0, size)


FIELDS = {"x": "f4", "y": "f4", "z": "f4", "intensity": "u1", "ring": "u2", "timestamp": "f8"}


def pcd(kind, columns, body=None, **changes):
    lines = {
        "VERSION": "0.7",
        "FIELDS": " ".join([*columns, "pad"]),
        "SIZE": " ".join([*(str(v.dtype.itemsize) for v in columns.values()), "1"]),
        "TYPE": " ".join([*(v.dtype.kind.upper() for v in columns.values()), "U"]),
        "COUNT": " ".join([*("1" for _ in columns), "3"]),
        "WIDTH": "7",
        "HEIGHT": "1",
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": "7",
        "DATA": kind,
    } | changes
    header = "# .PCD v0.7\n" + "".join(f"{name} {value}\n" for name, value in lines.items() if value is not None)
    if body is None and kind == "ascii":
        body = "".join(
            " ".join([*(repr(v[i].item()) for v in columns.values()), "0 0 0"]) + "\n" for i in range(7)
        ).encode()
    elif body is None and kind == "binary":
        body = b"".join(b"".join(v[i].tobytes() for v in columns.values()) + b"\0\0\0" for i in range(7))
    elif body is None:
        flat = b"".join(v.tobytes() for v in columns.values()) + b"\0" * 21
        packed = lzf_compress(flat)
        body = np.array([len(packed), len(flat)], "<u4").tobytes() + packed
    return header.encode() + body


def pcd_columns():
    generator = np.random.default_rng(1)
    columns = {name: generator.uniform(0, 200, 7).astype(code) for name, code in FIELDS.items()}
    columns["x"][2] = np.nan
    return columns


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_a_pcd_of_each_encoding_gives_the_same_points(tmp_path, kind):
    columns = pcd_columns()
    (tmp_path / "a.pcd").write_bytes(pcd(kind, columns))
    read = read_cloud(tmp_path / "a.pcd")
    assert_array_equal(read.xyz_m, np.stack([columns[name] for name in "xyz"], axis=1))
    assert_array_equal(read.intensity, columns["intensity"] / np.float32(255))
    assert_array_equal(read.extra["ring"], columns["ring"])
    assert_array_equal(read.extra["timestamp"], columns["timestamp"])
    assert "pad" not in read.extra


BAD_PCD = {
    "empty header": (b"# .PCD\n", "expected a PCD header that ends in a DATA line"),
    "another file": (b"\x89PNG" * 30_000, "expected a PCD header"),
    "unknown encoding": (
        pcd("zip", pcd_columns(), b""),
        "expected DATA ascii, binary or binary_compressed, found 'zip'",
    ),
    "cut binary": (pcd("binary", pcd_columns())[:-1], "expected 182 bytes of points, found 181"),
    "cut ascii": (pcd("ascii", pcd_columns())[:-3], "expected 7 points of 9 numbers, found 62"),
    "text in ascii": (pcd("ascii", pcd_columns(), b"a " * 63), "expected numbers"),
    "cut compressed": (pcd("binary_compressed", pcd_columns())[:-9], "is truncated"),
    "no compressed sizes": (pcd("binary_compressed", pcd_columns(), b"\1\2"), "is truncated"),
    "damaged compressed": (
        pcd("binary_compressed", pcd_columns(), np.array([3, 182], "<u4").tobytes() + b"\xff\xff\xff"),
        "expected an LZF stream of 182 bytes",
    ),
    "bomb": (pcd("binary", pcd_columns(), POINTS="4000000000"), "expected at most 10000000 points"),
    "negative points": (pcd("binary", pcd_columns(), POINTS="-7"), "expected POINTS and one number, found '-7'"),
    "no number of points": (pcd("binary", pcd_columns(), POINTS=None, WIDTH=None), "expected WIDTH and one number"),
    "lists of unequal length": (pcd("binary", pcd_columns(), SIZE="4 4"), "of equal length"),
    "float of two bytes": (pcd("binary", pcd_columns(), SIZE="2 4 4 1 2 8 1"), "field x: expected TYPE I, U or F"),
    "unknown type": (pcd("binary", pcd_columns(), TYPE="X F F U U F U"), "field x: expected TYPE"),
    "count of zero that fits nothing": (
        pcd("binary", pcd_columns(), COUNT="0 1 1 1 1 1 2"),
        "COUNT 0: expected 147 bytes or numbers of points, or 175 with one value in each such field, found 182",
    ),
    "a name twice": (
        pcd("binary", pcd_columns(), FIELDS="x y z x ring timestamp pad"),
        "field x: expected each name once",
    ),
    "no coordinates": (
        pcd("binary", pcd_columns(), FIELDS="a b c intensity ring timestamp pad"),
        "expected fields x, y and z",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD_PCD.values(), ids=BAD_PCD)
def test_a_damaged_pcd_is_refused_with_what_is_wrong(tmp_path, content, message):
    (tmp_path / "a.pcd").write_bytes(content)
    with pytest.raises(BadCloudFile, match=message):
        read_cloud(tmp_path / "a.pcd")


@given(
    st.integers(0, 10**6), st.sampled_from(["ascii", "binary", "binary_compressed"]), st.binary(min_size=1, max_size=4)
)
@settings(deadline=None, max_examples=200)
def test_a_pcd_with_overwritten_bytes_is_read_or_refused(tmp_path_factory, at, kind, noise):
    content = bytearray(pcd(kind, pcd_columns()))
    content[at % len(content) : at % len(content) + len(noise)] = noise
    path = tmp_path_factory.mktemp("pcd") / "a.pcd"
    path.write_bytes(content)
    with suppress(BadCloudFile):
        read_cloud(path)
