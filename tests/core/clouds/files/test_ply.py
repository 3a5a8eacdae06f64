"""PLY files: every encoding gives the same vertices, faces are left alone, damaged files are refused with a reason."""

import contextlib
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.clouds.cloud_files import read_cloud, write_labelled_cloud
from lidar_vl_core.clouds.ply import ply_bytes, read_ply
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCloudFile

HEADER = (
    "ply\nformat {encoding} 1.0\ncomment a scan\nobj_info none\nelement vertex 3\nproperty float x\nproperty float y\n"
    "property float z\nproperty uchar red\nproperty uint8 green\nproperty uchar blue\nproperty ushort label\n"
    "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
)
ROWS = [(0.5, -1.0, 2.0, 1, 2, 3, 14), (1.5, 0.0, -2.0, 4, 5, 6, 39), (2.5, 1.0, 0.25, 255, 0, 7, 0)]
KINDS = ("f4", "f4", "f4", "u1", "u1", "u1", "u2")


def _binary(order: str) -> bytes:
    dtype = np.dtype([(f"f{k}", order + kind) for k, kind in enumerate(KINDS)])
    return np.array(ROWS, dtype).tobytes() + b"\x03" + np.array([0, 1, 2], order + "i4").tobytes()


FILES = {
    "ascii": "\n".join(" ".join(map(str, row)) for row in ROWS).encode() + b"\n3 0 1 2\n",
    "binary_little_endian": _binary("<"),
    "binary_big_endian": _binary(">"),
}


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", FILES)
def test_every_encoding_gives_the_vertices_and_leaves_the_faces_alone(encoding, line_end, tmp_path):
    header = HEADER.format(encoding=encoding).replace("\n", line_end).encode()
    columns = read_ply(_write(tmp_path / "a.ply", header + FILES[encoding]))
    assert list(columns) == ["x", "y", "z", "red", "green", "blue", "label"]
    assert [columns[name].dtype for name in columns] == [np.dtype(kind) for kind in KINDS]
    assert [tuple(column[k] for column in columns.values()) for k in range(3)] == ROWS


def test_a_cloud_file_has_the_colours_beside_the_points(tmp_path):
    path = _write(tmp_path / "A.PLY", HEADER.format(encoding="ascii").encode() + FILES["ascii"])
    cloud = read_cloud(path)
    assert cloud.xyz_m.tolist() == [list(row[:3]) for row in ROWS]
    assert cloud.extra["rgb"].tolist() == [list(row[3:6]) for row in ROWS]
    assert cloud.extra["label"].tolist() == [14, 39, 0]


@given(st.integers(0, 50), st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8"]))
def test_what_is_written_is_read_again(count, kind):
    values = np.random.default_rng(count).integers(0, 100, count).astype(kind)
    with tempfile.TemporaryDirectory() as folder:
        columns = read_ply(_write(Path(folder) / "a.ply", ply_bytes({"x": values, "odd_name": values[::-1]})))
    assert columns["x"].tolist() == values.tolist()
    assert columns["odd_name"].tolist() == values[::-1].tolist()


def test_a_labelled_cloud_is_written_with_its_colours_and_read_again(tmp_path):
    rgb = np.array([[1, 2, 3], [250, 0, 9]], np.uint8)
    cloud = PointCloud(np.ones((2, 3), np.float32), np.array([0.25, 0.5], np.float32), 0, "", {"rgb": rgb})

    class Labels:
        class_id = np.array([3, 255], np.uint8)
        probability = np.array([0.75, 0.0], np.float32)

    write_labelled_cloud(tmp_path / "out.ply", cloud, Labels())
    again = read_cloud(tmp_path / "out.ply")
    assert np.array_equal(again.extra["rgb"], rgb)
    assert again.intensity.tolist() == [0.25, 0.5]
    assert again.extra["class_id"].tolist() == [3, 255]
    assert again.extra["probability"].tolist() == [0.75, 0.0]


GOOD = HEADER.format(encoding="binary_little_endian")
DAMAGED = {
    "empty": (b"", "from `ply` to `end_header`"),
    "no ply": (b"PK\x03\x04" * 40, "from `ply` to `end_header`"),
    "header cut": (GOOD[:90].encode(), "from `ply` to `end_header`"),
    "vertices cut": (GOOD.encode() + FILES["binary_little_endian"][:30], "expected 51 bytes of 3 vertices, found 30"),
    "ascii cut": (HEADER.format(encoding="ascii").encode() + b"1 2 3", "3 vertices of 7 numbers, found 3"),
    "more vertices than bytes": (
        GOOD.replace("vertex 3", "vertex 900").encode() + FILES["binary_little_endian"],
        "expected 15300 bytes of 900 vertices",
    ),
    "too many vertices": (GOOD.replace("vertex 3", "vertex 99999999999").encode(), "at most 10000000 vertices"),
    "unknown type": (GOOD.replace("ushort", "half").encode(), "found 'half label'"),
    "unknown format": (GOOD.replace("binary_little_endian", "zipped").encode(), "found 'format zipped 1.0'"),
    "no format": (GOOD.replace("format binary_little_endian 1.0\n", "").encode(), "expected a line `format`"),
    "a property twice": (GOOD.replace(" blue", " red").encode() + b"\0" * 99, "found red twice"),
    "no properties": (b"ply\nformat ascii 1.0\nelement vertex 3\nend_header\n", "found none"),
    "no vertices": (b"ply\nformat ascii 1.0\nend_header\n", "found no elements"),
    "a list in the vertices": (GOOD.replace("ushort label", "list uchar int label").encode(), "vertex with lists"),
    "faces before vertices": (
        b"ply\nformat ascii 1.0\nelement face 1\nproperty list uchar int i\nelement vertex 1\nproperty float x\nend_header\n",
        "vertices first",
    ),
    "more before the vertices than can be counted": (
        b"ply\nformat ascii 1.0\nelement a 999999999999999999\n"
        + b"property float x%d\n" * 11 % (*range(11),)
        + b"element vertex 1\nproperty float x\nend_header\n1 2 3\n",
        "1 vertices of 1 numbers, found 0",
    ),
    "words for numbers": (HEADER.format(encoding="ascii").encode() + b"a " * 21, "expected numbers"),
    "no z": (ply_bytes({"x": np.zeros(2), "y": np.zeros(2)}), "expected fields x, y and z"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_what_is_wrong(name, tmp_path):
    content, told = DAMAGED[name]
    path = _write(tmp_path / "a.ply", content or b"\n")
    with pytest.raises(BadCloudFile, match=re.escape(told)):
        read_cloud(path)


@given(st.binary(max_size=60), st.integers(0, 400))
def test_no_garbage_in_or_behind_a_header_raises_anything_else(garbage, place):
    whole = GOOD.encode() + FILES["binary_little_endian"]
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(BadCloudFile):
        read_ply(_write(Path(folder) / "a.ply", whole[:place] + garbage + whole[place + len(garbage) :]))
