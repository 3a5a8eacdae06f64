"""PointCloud2 out: what is encoded is decoded, and labelled clouds have one label per point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import LABELLED_FIELDS, decode, encode, encode_labelled
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.message_types import from_cdr, message_types, to_cdr
from tests.core.clouds.slow_messages import DATATYPES, message_of, sample_columns


@given(
    st.lists(st.sampled_from(["ring", "time", "label", "intensity"]), unique=True),
    st.lists(st.sampled_from(list(DATATYPES.values())), min_size=7, max_size=7),
    st.integers(0, 20),
    st.booleans(),
)
def test_what_is_encoded_is_decoded(names, codes, count, aligned):
    columns = {name: np.arange(count).astype(code) for name, code in zip([*"xyz", *names], codes, strict=False)}
    layout = encode(columns, aligned)
    cloud = decode(layout, extra_fields=names)
    assert [field.name for field in layout.fields] == list(columns)
    assert_array_equal(cloud.xyz_m, np.stack([columns[n] for n in "xyz"], axis=1).astype(np.float32))
    for name in names:
        assert_array_equal(cloud.extra[name], columns[name])
        assert cloud.extra[name].dtype == columns[name].dtype
    if aligned:
        assert all(field.offset % np.dtype(DATATYPES[field.datatype]).itemsize == 0 for field in layout.fields)


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True),
    st.sampled_from(["<f4", ">f4", "<f8", "<u2"]),
    st.integers(0, 20),
    st.booleans(),
    st.booleans(),
)
def test_columns_of_one_table_are_encoded_as_columns_by_themselves(letters, dtype, count, aligned, backwards):
    """Whatever order and selection of a table's columns: side by side in memory or not."""
    table = np.random.default_rng(0).integers(0, 1000, (2 * count, 8)).astype(dtype)[:: -2 if backwards else 2]
    views = {letter: table[:, "abcdefgh".index(letter)] for letter in letters}
    alone = {letter: view.copy() for letter, view in views.items()} | {"last": np.arange(count, dtype=np.uint8)}
    found, expected = encode(views | {"last": alone["last"]}, aligned), encode(alone, aligned)
    assert_array_equal(found.data, expected.data)
    assert (found.fields, found.point_step) == (expected.fields, expected.point_step)


def test_the_encoder_agrees_with_the_slow_reference():
    columns = sample_columns("f4")
    message = message_of(columns)
    step, stride = encode(columns), message.point_step
    slow = np.frombuffer(message.data, np.uint8).reshape(-1, stride)[:, : step.point_step]
    assert_array_equal(step.data.reshape(-1, step.point_step), slow)


@pytest.mark.parametrize(
    "columns",
    [
        {"x": np.zeros(3, "f2")},
        {"x": np.zeros(3), "y": np.zeros(4)},
        {"x": np.zeros((3, 2))},
        {"x": np.array(["a"])},
        {"x": 5},
    ],
)
def test_columns_that_fit_no_field_are_refused(columns):
    with pytest.raises(BadPointCloud, match="Convert it before encoding"):
        encode(columns)


def labelled_sample(count=5):
    cloud = PointCloud(np.ones((count, 3), np.float32), np.full(count, 0.5, np.float32), 5, "lidar")
    return cloud, np.arange(count, dtype=np.uint8), np.linspace(0, 1, count, dtype=np.float32)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_labelled_cloud_has_its_fields_in_order_and_one_label_per_point(count):
    cloud, class_id, probability = labelled_sample(count)
    layout = encode_labelled(cloud, class_id, probability)
    assert tuple(field.name for field in layout.fields) == LABELLED_FIELDS
    assert [field.datatype for field in layout.fields] == [7, 7, 7, 7, 2, 7]
    back = decode(layout, extra_fields=["class_id", "probability"])
    assert_array_equal(back.xyz_m, cloud.xyz_m)
    assert_array_equal(back.extra["class_id"], class_id)
    assert_array_equal(back.extra["probability"], probability)


def test_is_dense_tells_the_truth():
    cloud, class_id, probability = labelled_sample()
    assert encode_labelled(cloud, class_id, probability).is_dense
    cloud.xyz_m[2, 1] = np.nan
    assert not encode_labelled(cloud, class_id, probability).is_dense


def test_labels_that_are_not_one_per_point_are_refused():
    cloud, class_id, probability = labelled_sample()
    with pytest.raises(BadPointCloud, match="class_id: expected"):
        encode_labelled(cloud, class_id[:-1], probability)
    with pytest.raises(BadPointCloud, match="class_id: expected"):
        encode_labelled(cloud, class_id.astype(np.int64), probability)
    with pytest.raises(BadPointCloud, match="probability: expected"):
        encode_labelled(cloud, class_id, probability.astype(np.float64))


def test_a_layout_fills_a_message_that_survives_cdr():
    types = message_types().types
    layout = encode(sample_columns())
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](3, 4), "lidar")
    fields = [types["sensor_msgs/msg/PointField"](f.name, f.offset, f.datatype, f.count) for f in layout.fields]
    message = types["sensor_msgs/msg/PointCloud2"](
        header, layout.height, layout.width, fields, layout.is_bigendian, layout.point_step, layout.row_step, layout.data, layout.is_dense
    )  # fmt: skip
    name = "sensor_msgs/msg/PointCloud2"
    cloud = decode(from_cdr(to_cdr(message, name), name, "/lidar"))
    assert_array_equal(cloud.xyz_m, decode(layout).xyz_m)
    assert (cloud.stamp_ns, cloud.frame_id) == (3_000_000_004, "lidar")
