"""Clouds under the names, colours, places and spellings that other programs give them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.clouds.cloud_files import read_cloud, read_cloud_file, write_labelled_cloud
from lidar_vl_core.clouds.colours import rgb_of_columns
from lidar_vl_core.clouds.ply import ply_bytes
from lidar_vl_core.foundation.errors import BadCloudFile

XYZ = {name: np.array(values, np.float32) for name, values in zip("xyz", np.arange(9.0).reshape(3, 3) + 1, strict=True)}
RAW = np.array([0, 51, 255], np.float32)


def ply(tmp_path, **fields):
    (tmp_path / "a.ply").write_bytes(ply_bytes(XYZ | fields))
    return read_cloud_file(tmp_path / "a.ply")


def ascii_pcd(tmp_path, body, fields="x y z intensity", kinds="F F F F", counts="1 1 1 1", sep=" ", **changes):
    lines = {
        "VERSION": ".7",
        "FIELDS": fields,
        "SIZE": " ".join(["4"] * len(fields.split())),
        "TYPE": kinds,
        "COUNT": counts,
        "WIDTH": str(len(body.splitlines())),
        "HEIGHT": "1",
        "DATA": "ascii",
    } | changes
    header = "\n".join(f"{key} {value}".replace(" ", sep) for key, value in lines.items())
    (tmp_path / "a.pcd").write_bytes(f"{header}\n{body}".encode())
    return read_cloud_file(tmp_path / "a.pcd")


@pytest.mark.parametrize("name", ["Intensity", "scalar_Intensity", "scalar_Reflectance", "remission", "REFLECTIVITY"])
def test_an_intensity_is_found_under_every_name(tmp_path, name):
    read = ply(tmp_path, **{name: RAW})
    assert_allclose(read.cloud.intensity, RAW / 255)
    assert read.remarks == ()
    assert name not in read.cloud.extra


def test_no_intensity_an_empty_one_and_a_choice_are_told(tmp_path):
    assert ply(tmp_path, ring=RAW).remarks == ("found no intensity field; used 0 (fields: x, y, z, ring).",)
    assert ply(tmp_path, intensity=RAW * 0).remarks == ("the intensity field intensity has no value above 0.",)
    both = ply(tmp_path, intensity=RAW / 9, reflectivity=RAW)
    assert_allclose(both.cloud.intensity, RAW / 255)
    assert both.remarks == ("took reflectivity as the intensity (also found: intensity).",)
    unfilled = ply(tmp_path, intensity=RAW, reflectivity=RAW * 0)
    assert_allclose(unfilled.cloud.intensity, RAW / 255)
    assert unfilled.remarks == ("took intensity as the intensity (also found: reflectivity).",)
    ply(tmp_path, ring=RAW)
    with pytest.warns(UserWarning, match="found no intensity field"):
        read_cloud(tmp_path / "a.ply")


def test_a_full_scale_that_is_given_is_divided_by(tmp_path):
    ply(tmp_path, intensity=RAW)
    assert_allclose(read_cloud(tmp_path / "a.ply", intensity_max=100).intensity, [0, 0.51, 1])
    for wrong in (0, -1, float("nan"), 1e-320, 1e300):
        with pytest.raises(BadCloudFile, match="expected a positive number"):
            read_cloud(tmp_path / "a.ply", intensity_max=wrong)


def test_coordinates_in_capitals_are_coordinates(tmp_path):
    (tmp_path / "a.ply").write_bytes(ply_bytes({name.upper(): values for name, values in XYZ.items()}))
    assert_array_equal(read_cloud_file(tmp_path / "a.ply").cloud.xyz_m, np.stack(list(XYZ.values()), axis=1))


EIGHT = np.array([[200, 100, 50], [0, 255, 3], [1, 2, 250]], np.uint8)
PACKED = (EIGHT.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(axis=1, dtype=np.uint32)
CHANNELS = {
    "8 bits": EIGHT,
    "8 bits in 16": EIGHT.astype(np.uint16),
    "16 bits, times 256": EIGHT.astype(np.uint16) * 256,
    "16 bits, times 257": EIGHT.astype(np.uint16) * 257,
    "shares": EIGHT.astype(np.float32) / 255,
    "floats to 255": EIGHT.astype(np.float64),
}
ONE_FIELD = {
    "uint": PACKED,
    "uint with alpha": PACKED | np.uint32(0xFF000000),
    "int with alpha": (PACKED | np.uint32(0xFF000000)).view(np.int32),
    "bits of floats": PACKED.view(np.float32),
    "bits of floats with alpha": (PACKED | np.uint32(0xFF000000)).view(np.float32),
    "whole floats": PACKED.astype(np.float32),
    "bits of floats, as doubles": PACKED.view(np.float32).astype(np.float64),
    "three in one": EIGHT,
}


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("names", ["r g b", "red green blue", "diffuse_red diffuse_green diffuse_blue", "R G B"])
def test_three_channels_become_eight_bits(tmp_path, kind, names):
    read = ply(tmp_path, intensity=RAW, **dict(zip(names.split(), CHANNELS[kind].T, strict=True)))
    assert_array_equal(read.cloud.extra["rgb"], EIGHT)
    assert read.cloud.extra["rgb"].dtype == np.uint8
    assert read.remarks == ()


@pytest.mark.parametrize("kind", ONE_FIELD)
def test_one_field_becomes_eight_bits(kind):
    assert_array_equal(rgb_of_columns([ONE_FIELD[kind]]), EIGHT)


def test_colours_that_are_none_are_told_and_left_out(tmp_path):
    read = ply(tmp_path, intensity=RAW, red=RAW - 9, green=RAW, blue=RAW)
    assert "rgb" not in read.cloud.extra
    assert read.remarks[0].startswith("left out the colours: expected 8 or 16 bits a channel")


class Labels:
    class_id = np.array([3, 255, 1], np.uint8)
    probability = np.array([0.5, 0.0, 1.0], np.float32)


def test_packed_colours_of_a_pcd_are_kept_in_a_ply(tmp_path):
    lines = ["# .PCD v0.7", "VERSION 0.7", "FIELDS x y z rgb", "SIZE 4 4 4 4", "TYPE F F F F", "COUNT 1 1 1 1"]
    header = "\n".join([*lines, "WIDTH 3", "HEIGHT 1", "POINTS 3", "DATA binary\n"])
    rows = np.column_stack([*XYZ.values(), PACKED.view(np.float32)]).astype("<f4")
    (tmp_path / "a.pcd").write_bytes(header.encode() + rows.tobytes())
    cloud = read_cloud_file(tmp_path / "a.pcd").cloud
    for name in ("out.ply", "out.npz"):
        write_labelled_cloud(tmp_path / name, cloud, Labels())
        assert_array_equal(read_cloud_file(tmp_path / name).cloud.extra["rgb"], EIGHT)


FAR = np.array([450_123.123, 5_400_987.456, 343.5]) + np.array([[0, 0, 0], [1.001, -2.002, 0.5], [-30.25, 40.125, 2]])


@pytest.mark.parametrize("kind", ["ply", "npz", "pcd"])
def test_places_on_a_map_keep_their_millimetres(tmp_path, kind):
    if kind == "ply":
        ply(tmp_path, intensity=RAW, **dict(zip("xyz", FAR.T, strict=True)))
    elif kind == "npz":
        np.savez(tmp_path / "a.npz", points=FAR, intensity=RAW)
    else:
        ascii_pcd(tmp_path, "\n".join(f"{x:.3f} {y:.3f} {z:.3f} 9" for x, y, z in FAR))
    read = read_cloud_file(tmp_path / f"a.{kind}")
    assert read.cloud.origin_m == (450_120.0, 5_400_990.0, 340.0)
    assert_allclose(read.cloud.xyz_m + np.array(read.cloud.origin_m), FAR, atol=1e-3)
    assert read.remarks == (
        "the coordinates are far from zero; they are stored relative to the origin x 450120, y 5400990, z 340 m.",
    )
    for out in ("out.npz", "out.ply", "out.pcd"):
        write_labelled_cloud(tmp_path / out, read.cloud, Labels())
        again = read_cloud_file(tmp_path / out).cloud
        assert again.origin_m == read.cloud.origin_m
        assert_allclose(again.xyz_m, read.cloud.xyz_m, atol=1e-4)


def test_zeros_among_places_on_a_map_are_no_points_and_float32_is_told(tmp_path):
    far = FAR.astype(np.float32)
    far[0] = 0
    read = ply(tmp_path, intensity=RAW, **dict(zip("xyz", far.T, strict=True)))
    assert_array_equal(read.cloud.has_return(), [False, True, True])
    assert "resolves such coordinates only to 0.5 m" in read.remarks[0]


NANS = ["nan", "-nan", "NaN", "1.#QNAN", "-1.#IND", "1.#QNAN0", "-1.#IND00", "1.#R", "nan(ind)", "-nan(snan)"]


@pytest.mark.parametrize("word", [*NANS, "1.#INF", "-1.#INF00", "1.#J", "inf", "-Infinity"])
def test_every_spelling_of_no_number_is_no_return(tmp_path, word):
    body = f"{word} {word} {word} 0\r\n1 2 3 4\r\n"
    assert_array_equal(ascii_pcd(tmp_path, body).cloud.has_return(), [False, True])
    header = "ply\r\nformat ascii 1.0\r\nelement vertex 2\r\n" + "".join(
        f"property float {name}\r\n" for name in ("x", "y", "z", "intensity")
    )
    (tmp_path / "a.ply").write_bytes((header + "end_header\r\n" + body).encode())
    assert_array_equal(read_cloud_file(tmp_path / "a.ply").cloud.has_return(), [False, True])


@pytest.mark.parametrize("word", ["1.#", "#", "nan(", "1,5", "12a"])
def test_a_word_that_is_no_number_is_refused(tmp_path, word):
    with pytest.raises(BadCloudFile, match="expected numbers"):
        ascii_pcd(tmp_path, f"{word} 2 3 4\n1 2 3 4\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"kinds": "f f f u"},
        {"kinds": "f F f i"},
        {"sep": "\t"},
        {"FIELDS": "X Y Z Intensity"},
        {"counts": "0 0 0 0"},
        {"fields": "x y z _ intensity", "kinds": "F F F U F", "counts": "1 1 1 0 1"},
        {"DATA": "ASCII"},
    ],
)
def test_headers_of_other_writers_are_read(tmp_path, changes):
    cloud = ascii_pcd(tmp_path, "1 2 3 51 \n4  5\t6 255 \n", **changes).cloud
    assert_array_equal(cloud.xyz_m, [[1, 2, 3], [4, 5, 6]])
    assert_allclose(cloud.intensity, [0.2, 1])


def test_lower_case_keywords_are_keywords(tmp_path):
    header = "version .7\nfields x y z\nsize 4 4 4\ntype f f f\ncount 1 1 1\nwidth 1\nheight 1\npoints 1\ndata ascii\n"
    (tmp_path / "a.pcd").write_text(header + "1 2 3\n")
    assert_array_equal(read_cloud_file(tmp_path / "a.pcd").cloud.xyz_m, [[1, 2, 3]])


def test_a_ply_with_old_line_ends_is_not_read_from_the_wrong_place(tmp_path):
    content = ply_bytes(XYZ).replace(b"\n", b"\r", 6)
    rows = np.stack(list(XYZ.values()), axis=1)
    (tmp_path / "a.ply").write_bytes(content[: content.index(b"end_header")] + b"end_header\r" + rows.tobytes())
    assert_array_equal(read_cloud_file(tmp_path / "a.ply").cloud.xyz_m, rows)


def test_an_npz_of_columns_and_colours_is_a_cloud(tmp_path):
    np.savez(tmp_path / "a.npz", **{name.upper(): values for name, values in XYZ.items()}, Remission=RAW, colors=EIGHT)
    cloud = read_cloud_file(tmp_path / "a.npz").cloud
    assert_array_equal(cloud.xyz_m, np.stack(list(XYZ.values()), axis=1))
    assert_allclose(cloud.intensity, RAW / 255)
    assert_array_equal(cloud.extra["rgb"], EIGHT)
