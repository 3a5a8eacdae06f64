"""Cloud files that somebody made to hang, to fill the memory or to break a reader: one line of BadCloudFile each, at little cost."""

import tempfile
import time
import tracemalloc
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.clouds import cloud_files
from lidar_vl_core.clouds.cloud_files import read_cloud
from lidar_vl_core.clouds.formats import text_numbers
from lidar_vl_core.clouds.formats.text_numbers import count_words, numbers_of_text
from lidar_vl_core.foundation.errors import BadCloudFile
from tests.core.clouds.files.cloud_file_bytes import DIGITS, XYZ, compressed, described, npy, npz, pcd, ply, saved

MOST_BYTES = 64 << 20  # of Python's and numpy's memory for any of these files, all of them small
HOSTILE = {
    "digits in COUNT.pcd": pcd(COUNT=f"1 1 {DIGITS}"),
    "digits in SIZE.pcd": pcd(SIZE=f"4 4 {DIGITS}"),
    "digits in POINTS.pcd": pcd(POINTS=DIGITS),
    "digits in WIDTH.pcd": pcd(WIDTH=DIGITS).replace(b"POINTS 2\n", b""),
    "digits of another script.pcd": pcd(POINTS="٢"),
    "a power.pcd": pcd(POINTS="1e999999"),
    "two widths make too many.pcd": pcd(WIDTH="9" * 18, HEIGHT="9" * 18).replace(b"POINTS 2\n", b""),
    "many values.pcd": pcd(b"1 2 3", POINTS="10000000", COUNT="1 1 65535"),
    "many values that may be none.pcd": pcd(b"1 2 3", POINTS="10000000", COUNT="1 0 65535"),
    "many binary values.pcd": pcd(b"1 2 3", POINTS="10000000", COUNT="1 1 65535", DATA="binary"),
    "4 GB from 9 bytes.pcd": compressed(10_000_000, 9, 1_200_000_000 % 2**32, COUNT="1 1 28"),
    "no bytes at all.pcd": compressed(10_000_000, 0, 120_000_000),
    "a header without end.pcd": b"FIELDS x\n" * 20_000,
    "one word.pcd": pcd(b"1" * 3_000_000),
    "zeros.pcd": pcd(bytes(30)),
    "digits in a count.ply": ply(vertices=f"element vertex {DIGITS}"),
    "a large count.ply": ply(vertices="element vertex 999999999999999999"),
    "a negative count.ply": ply(vertices="element vertex -1"),
    "much before the vertices.ply": ply(
        b"1 2 3", vertices="element camera 999999999999999999\nproperty float a\nelement vertex 9999999"
    ),
    "much binary before.ply": ply(
        b"1 2 3",
        encoding="binary_little_endian",
        vertices="element camera 999999999999999999\nproperty double a\nelement vertex 9",
    ),
    "properties twice.ply": ply(b"1 2 3 4 1 2 3 4", properties="x y z x"),
    "many properties.ply": ply(properties=" ".join(f"p{k}" for k in range(300))),
    "a header without end.ply": b"ply\nformat ascii 1.0\n" + b"comment a\n" * 20_000,
    "one word.ply": ply(b"1" * 3_000_000),
    "70 dimensions.npz": npz([("xyz_m", npy(described("(" + "2, " * 70 + ")"), bytes(48)))]),
    "70 dimensions of nothing.npz": npz([("xyz_m", npy(described("(" + "1, " * 70 + ")"), bytes(4)))]),
    "a side of 5,000 digits.npz": npz([("xyz_m", npy(described(f"({DIGITS}, 3)"), bytes(48)))]),
    "a side of 30 digits.npz": npz([("xyz_m", npy(described(f"({10**30}, 3)"), bytes(48)))]),
    "no side and a large one.npz": npz([("xyz_m", npy(described(f"(0, {10**30})")))]),
    "negative sides.npz": npz([("xyz_m", npy(described("(-4, -3)"), bytes(48)))]),
    "more than is there.npz": npz([("xyz_m", npy(described("(100000000, 3)"), bytes(48)))]),
    "less than is there.npz": npz([("xyz_m", npy(described("(1, 3)"), bytes(48)))]),
    "items of no bytes.npz": npz([("xyz_m", XYZ), ("a", npy(described("(4000000000,)", "'|S0'")))]),
    "objects.npz": npz([("xyz_m", npy(described("(4, 3)", "'|O'"), b"cos\nsystem\n(S'true'\ntR."))]),
    "objects within.npz": npz([("xyz_m", npy(described("(4,)", "[('x', '<f4'), ('y', '|O')]"), bytes(48)))]),
    "fields.npz": npz([("xyz_m", npy(described("(4,)", "[('x', '<f4'), ('y', '<f4'), ('z', '<f4')]"), bytes(48)))]),
    "items in items.npz": npz([("xyz_m", npy(described("(4, 3)", "('<f4', (1000000, 1000000))"), bytes(48)))]),
    "a deep header.npz": npz([("xyz_m", npy("(" * 9000, bytes(48)))]),
    "a header of code.npz": npz([("xyz_m", npy("__import__('os').getcwd()", bytes(48)))]),
    "a header as long as it likes.npz": npz([("xyz_m", npy(" " * 3_000_000, bytes(48), version=2))]),
    "half of a header.npz": npz([("xyz_m", XYZ[:9])]),
    "another version.npz": npz([("xyz_m", npy(described("(4, 3)"), bytes(48), version=9))]),
    "LZMA.npz": npz([("xyz_m", XYZ)], zipfile.ZIP_LZMA),
    "bzip2.npz": npz([("xyz_m", XYZ)], zipfile.ZIP_BZIP2),
    "a name twice.npz": npz([("xyz_m", XYZ), ("xyz_m", XYZ)]),
    "thousands of members.npz": npz([("xyz_m", XYZ)] + [(f"a{k}", b"") for k in range(3000)]),
    "a bomb.npz": npz([("xyz_m", npy(described("(25000000, 3)"), bytes(300_000_000)))]),
    "an intensity of another shape.npz": saved(xyz_m=np.ones((4, 3)), intensity=np.ones((4, 4))),
    "an intensity for fewer points.npz": saved(xyz_m=np.ones((4, 3)), Reflectivity=np.ones(3)),
    "a word among numbers.pcd": pcd(b"1 2 3 4 VIEWPOINT 6"),
    "words as intensity.npz": saved(xyz_m=np.ones((4, 3)), intensity=np.array(["0.5"] * 4, "S")),
    "complex intensity.npz": saved(xyz_m=np.ones((4, 3)), intensity=np.ones(4, complex)),
    "dates as intensity.npz": saved(xyz_m=np.ones((4, 3)), intensity=np.zeros(4, "M8[s]")),
    "words as points.npz": saved(xyz_m=np.array([["1"] * 3] * 4)),
    "words apart.npz": saved(x=np.array(["1"] * 4), y=np.ones(4), z=np.ones(4)),
    "no zip.npz": b"PK\3\4" + bytes(100),
    "an end alone.npz": b"PK\5\6" + b"\xff" * 18,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line_with_its_name_at_little_cost(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    size = len(HOSTILE[name])
    tracemalloc.start()
    start_s = time.monotonic()
    try:
        with pytest.raises(BadCloudFile) as told:
            read_cloud(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 600 + len(str(path))
    assert most < MOST_BYTES + 2 * size
    assert time.monotonic() - start_s < 10


@pytest.mark.parametrize("suffix", [".pcd", ".ply", ".npz", ".bin", ".pcd.bin"])
def test_a_file_that_has_room_for_anything_but_holds_nothing_is_refused(suffix, tmp_path):
    path = tmp_path / f"sparse{suffix}"
    with path.open("wb") as file:
        file.truncate((1 << 29) + 1)
    with pytest.raises(BadCloudFile, match="expected a file of 1 to 536870912 bytes, found 536870913"):
        read_cloud(path)


@pytest.mark.parametrize("error", [ValueError("a\nb"), OverflowError(), MemoryError(), RecursionError(), KeyError("x"),
                                   UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), zipfile.BadZipFile("c")])  # fmt: skip
def test_what_no_check_foresaw_is_told_with_the_files_name(error, tmp_path, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(cloud_files, "_fields_and_origin", fail)
    (tmp_path / "a.pcd").write_bytes(b"x")
    with pytest.raises(BadCloudFile, match=rf"a\.pcd: expected a point cloud, found: {type(error).__name__}") as told:
        read_cloud(tmp_path / "a.pcd")
    assert "\n" not in str(told.value)


def test_numbers_beyond_all_floats_and_none_at_all_are_no_returns(tmp_path):
    (tmp_path / "a.pcd").write_bytes(pcd(f"1e999999 nan -inf {DIGITS} 0.{DIGITS} 1e-{DIGITS}".encode()))
    with pytest.warns(UserWarning, match="no intensity"):
        assert not read_cloud(tmp_path / "a.pcd").has_return().any()


def test_arrays_in_the_order_of_columns_are_read_right(tmp_path):
    xyz_m = np.arange(12.0).reshape(4, 3) + 1
    (tmp_path / "a.npz").write_bytes(saved(xyz_m=np.asfortranarray(xyz_m), intensity=np.ones(4, ">f4")))
    assert read_cloud(tmp_path / "a.npz").xyz_m.tolist() == xyz_m.tolist()


def test_a_damaged_checksum_is_noticed(tmp_path):
    content = bytearray(npz([("xyz_m", XYZ)], zipfile.ZIP_STORED))
    content[content.index(bytes(48)) + 5] = 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BadCloudFile, match=r"expected an \.npz of plain arrays, found: BadZipFile"):
        read_cloud(tmp_path / "a.npz")


@given(st.lists(st.sampled_from(["1", "-2.5", "1e3", "1.#QNAN", "inf"]), max_size=40), st.integers(0, 50), st.integers(0, 9),
       st.integers(1, 12), st.sampled_from([" ", "\n", " \r\n\t"]))  # fmt: skip
@settings(deadline=None)
def test_numbers_read_in_blocks_are_those_of_the_whole_text(words, most, skipped, block, gap):
    text = memoryview(gap.join(words).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_numbers, "_BLOCK_BYTES", block)
        found = numbers_of_text(Path("a"), text, most, skipped)
        assert count_words(Path("a"), text) == len(words)
    slow = [np.nan if "#" in word else float(word) for word in words][skipped : skipped + most]
    np.testing.assert_array_equal(found, slow)


SEEDS = {
    ".pcd": [pcd(b"1 2 3 4 5 6"), pcd(bytes(24), DATA="binary"), compressed(2, 9, 24)],
    ".ply": [ply(b"1 2 3 4 5 6"), ply(bytes(24), encoding="binary_big_endian")],
    ".npz": [npz([("xyz_m", XYZ), ("intensity", npy(described("(4,)", "'|u1'"), b"1234"))], zipfile.ZIP_STORED)],
}
PIECES = [
    b"-1",
    b"\0",
    DIGITS.encode(),
    b"1e999999",
    b"9" * 18,
    b"\xd9\xa2",
    b"O",
    b"'|S0'",
    b"((((",
    b"\xff\xff\xff\xff",
    b"nan",
]


@given(st.sampled_from(list(SEEDS)), st.data())
@settings(deadline=None, max_examples=100)
def test_a_file_with_pieces_put_in_or_taken_out_is_read_or_refused(suffix, data):
    content = data.draw(st.sampled_from(SEEDS[suffix]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content = content[:at] + data.draw(st.sampled_from(PIECES)) + content[at + data.draw(st.integers(0, 12)) :]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), suppress(BadCloudFile):
        warnings.simplefilter("ignore")
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(content)
        read_cloud(path)


def test_the_name_of_a_field_does_not_steer_the_terminal(tmp_path):
    np.savez(tmp_path / "a.npz", **{"xyz_m": np.ones((5, 3), "f4"), "\x1b[2J\nwarning: forged": np.ones(5)})
    remarks = cloud_files.read_cloud_file(tmp_path / "a.npz").remarks
    assert "x1b[2J" in remarks[0]
    assert all(remark.isprintable() for remark in remarks)


def test_a_word_among_numbers_is_shown(tmp_path):
    (tmp_path / "a.pcd").write_bytes(pcd(b"1 2 3 4 1.#QNAN \x1b[2J"))
    with pytest.raises(BadCloudFile, match=r"expected numbers, found '\\x1b\[2J'\. The file is damaged"):
        read_cloud(tmp_path / "a.pcd")


def test_an_intensity_stored_as_a_column_is_read(tmp_path):
    (tmp_path / "a.npz").write_bytes(saved(xyz_m=np.ones((4, 3)), intensity=np.full((4, 1), 0.5)))
    assert read_cloud(tmp_path / "a.npz").intensity.tolist() == [0.5] * 4
