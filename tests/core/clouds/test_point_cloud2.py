"""PointCloud2 in: what a driver may send is read as it was meant, whatever its layout."""

import array
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lidar_vl_core.clouds.intensity import normalise_intensity
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.errors import BadPointCloud
from tests.core.clouds.slow_messages import DATATYPES, message_of, sample_columns

LAYOUTS = ("packed", "aligned", "padded rows", "odd order, organised")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("code", DATATYPES.values())
def test_all_datatypes_endians_and_layouts_give_the_same_points(code, endian, layout):
    columns = sample_columns(code)
    cloud = decode(message_of(columns, endian, layout), extra_fields=["tag"])
    assert_array_equal(cloud.xyz_m, np.stack([columns[name] for name in "xyz"], axis=1).astype(np.float32))
    assert_array_equal(cloud.extra["tag"], columns["tag"])
    assert cloud.extra["tag"].dtype == np.dtype(code)
    assert (cloud.stamp_ns, cloud.frame_id) == (12_000_000_345, "lidar_top")


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_read_gives_the_same_points_and_the_bytes_are_untouched(endian, layout):
    message = message_of(sample_columns("f8"), endian, layout)
    message.data = array.array("B", message.data)
    before = bytes(message.data)
    first, second = decode(message), decode(message)
    assert_array_equal(first.xyz_m, second.xyz_m)
    first.xyz_m[:] = 7.0
    assert bytes(message.data) == before


@pytest.mark.parametrize(
    "kind",
    [bytes, bytearray, memoryview, lambda b: array.array("B", b), lambda b: np.frombuffer(b, np.uint8), lambda b: array.array("b", b)],
)  # fmt: skip
def test_every_byte_container_is_read(kind):
    message = message_of(sample_columns())
    expected = decode(message).xyz_m
    message.data = kind(message.data)
    assert_array_equal(decode(message).xyz_m, expected)


def test_non_finite_points_are_kept_in_the_count():
    columns = sample_columns()
    columns["x"][:4] = np.nan, np.inf, -np.inf, -0.0
    cloud = decode(message_of(columns))
    assert len(cloud) == 12
    assert_array_equal(cloud.has_return(), [False] * 3 + [True] * 9)


def test_float64_beyond_float32_becomes_infinite_without_a_warning():
    columns = sample_columns("f8")
    columns["z"][0] = 1e300
    with np.errstate(all="raise"):
        assert np.isinf(decode(message_of(columns)).xyz_m[0, 2])


@pytest.mark.parametrize(("height", "width"), [(0, 0), (1, 0), (0, 7), (5, 0)])
def test_a_cloud_without_points_is_no_error(height, width):
    message = message_of(sample_columns(), height=height, width=width, data=b"")
    message.row_step = width * message.point_step
    cloud = decode(message, extra_fields=["tag"])
    assert len(cloud) == 0
    assert len(cloud.extra["tag"]) == 0


def test_the_padding_of_the_last_row_may_be_missing():
    message = message_of(sample_columns(), layout="odd order, organised")
    expected = decode(message).xyz_m
    message.data = message.data[: -(message.row_step - message.width * message.point_step)]
    assert_array_equal(decode(message).xyz_m, expected)
    message.data = message.data[:-1]
    with pytest.raises(BadPointCloud, match="data: expected"):
        decode(message)


def test_organised_clouds_come_row_by_row():
    columns = {"x": np.arange(6, dtype="f4"), "y": np.zeros(6, "f4"), "z": np.zeros(6, "f4")}
    message = message_of(columns, layout="odd order, organised")
    assert (message.height, message.width) == (3, 2)
    assert_array_equal(decode(message).xyz_m[:, 0], np.arange(6))


@pytest.mark.parametrize("name", ["intensity", "i", "reflectivity", "intensities"])
def test_intensity_is_found_under_the_names_drivers_give_it(name):
    columns = sample_columns() | {name: np.arange(12, dtype="u1") * 20}
    assert_array_equal(decode(message_of(columns)).intensity, (np.arange(12) * 20 / 255).astype(np.float32))


def test_a_missing_intensity_is_zero():
    assert_array_equal(decode(message_of(sample_columns())).intensity, np.zeros(12))


def test_a_given_full_scale_divides_the_intensity():
    columns = sample_columns() | {"intensity": np.array([0, 50, 100, 400, -3, np.nan] * 2, "f4")}
    assert_array_equal(
        decode(message_of(columns), intensity_max=100.0).intensity, np.array([0, 0.5, 1, 1, 0, 0] * 2, "f4")
    )
    for wrong in (0.0, -1.0, float("nan"), float("inf"), 1e-320, 1e300):
        with pytest.raises(BadPointCloud, match="intensity_max"):
            decode(message_of(columns), intensity_max=wrong)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=20))
def test_normalised_intensity_is_finite_and_within_zero_and_one(values):
    raw = np.array(values, np.float32)
    before = raw.copy()
    result = normalise_intensity(raw)
    assert result.shape == raw.shape
    assert ((result >= 0) & (result <= 1)).all()
    assert_array_equal(raw, before)


def test_repeated_padding_fields_are_passed_over():
    message = message_of(sample_columns())
    message.fields += [SimpleNamespace(name="_", offset=0, datatype=2, count=3)] * 2
    assert len(decode(message)) == 12


def test_a_count_of_zero_means_one_value_as_in_pcl():
    message = message_of(sample_columns())
    for field in message.fields:
        field.count = 0
    assert len(decode(message)) == 12


def test_a_message_without_header_has_no_stamp():
    message = message_of(sample_columns())
    del message.header
    assert (decode(message).stamp_ns, decode(message).frame_id) == (0, "")
