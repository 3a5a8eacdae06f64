"""PointCloud2 in and out: what a driver may send is read as it was meant, what breaks its own header is refused by name."""

import array
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from lidar_vl_core.clouds.intensity import normalise_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import LABELLED_FIELDS, decode, encode, encode_labelled
from lidar_vl_core.foundation.errors import BadPointCloud
from lidar_vl_core.foundation.message_types import from_cdr, message_types, to_cdr

DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
LAYOUTS = ("packed", "aligned", "padded rows", "odd order, organised")


def message_of(columns, endian="<", layout="packed", **changes):
    """A PointCloud2 written point by point with struct-like care: the slow reference of the encoder."""
    names = list(columns)
    if layout == "odd order, organised":
        names = names[::-1]
    align = layout == "aligned"
    fields, offset = [], 3 if layout == "padded rows" else 0
    for name in names:
        dtype = np.asarray(columns[name]).dtype
        offset += -offset % dtype.itemsize if align else 0
        datatype = next(number for number, code in DATATYPES.items() if np.dtype(code) == dtype)
        fields.append(SimpleNamespace(name=name, offset=offset, datatype=datatype, count=1))
        offset += dtype.itemsize
    point_step = offset + 5
    count = len(columns[names[0]])
    height = 3 if layout == "odd order, organised" and count % 3 == 0 else 1
    width = count // height
    row_step = width * point_step + (7 if layout in ("padded rows", "odd order, organised") else 0)
    data = bytearray(b"\xaa" * (row_step * height))
    for index in range(count):
        start = (index // width) * row_step + (index % width) * point_step
        for field in fields:
            raw = np.array(columns[field.name][index], f"{endian}{DATATYPES[field.datatype]}").tobytes()
            data[start + field.offset : start + field.offset + len(raw)] = raw
    header = SimpleNamespace(stamp=SimpleNamespace(sec=12, nanosec=345), frame_id="lidar_top")
    message = SimpleNamespace(
        header=header, height=height, width=width, fields=fields, is_bigendian=endian == ">",
        point_step=point_step, row_step=row_step, data=bytes(data), is_dense=True,
    )  # fmt: skip
    vars(message).update(changes)
    return message


def sample_columns(code="f4", count=12, seed=0):
    generator = np.random.default_rng(seed)
    low = 0 if code.startswith("u") else -100
    return {name: generator.integers(low, 100, count).astype(code) for name in ("x", "y", "z", "tag")}


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


HUGE = [2**32, 2**63, -1, None, "4", 1.5, float("nan"), True, [], 2**200]
BAD_HEADERS = [
    *[
        ({name: value}, f"^{name}: expected")
        for name in ("height", "width", "point_step", "row_step")
        for value in HUGE
    ],
    ({"height": 2**31 - 1}, "height . width: expected at most 10000000 points"),
    ({"width": 2**32 - 1}, "height . width"),
    ({"point_step": 0}, "point_step: expected 1"),
    ({"row_step": 11, "data": bytes(999)}, "row_step: expected at least"),
    ({"is_bigendian": 2}, "is_bigendian: expected true or false"),
    ({"is_bigendian": None}, "is_bigendian"),
    ({"data": b""}, "data: expected row_step . height"),
    ({"data": None}, "data: expected contiguous bytes"),
    ({"data": [1, 2]}, "data: expected contiguous bytes .* found list"),
    ({"data": np.zeros(400, np.uint8)[::2]}, "data: expected contiguous"),
    ({"data": np.zeros(50, np.float32)}, "data: expected contiguous"),
    ({"fields": None}, "fields: expected a list"),
    ({"fields": []}, "field x: expected to decode this cloud, found only no field at all"),
    ({"fields": [None]}, r"fields\[0\].name: expected text"),
    ({"fields": [SimpleNamespace(name="f", offset=0, datatype=2, count=1)] * 257}, "fields: expected at most 256"),
    ({"header": 4}, "header.stamp.sec: expected an integer"),
    ({"header": SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=-1), frame_id="a")}, "header.stamp.nanosec"),
    ({"header": SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id=None)}, "header.frame_id"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_HEADERS)
def test_a_wrong_header_is_refused_by_the_name_of_what_is_wrong(changes, message):
    with pytest.raises(BadPointCloud, match=message):
        decode(message_of(sample_columns(), **changes))


BAD_FIELDS = [
    *[({name: value}, f"field .*x.*{name}: expected") for name in ("offset", "datatype", "count") for value in HUGE],
    ({"datatype": 0}, "datatype: expected 1 to 8, found 0"),
    ({"datatype": 9}, "datatype: expected 1 to 8, found 9"),
    ({"offset": 2**31 - 1}, "offset: expected offset . size within point_step"),
    ({"offset": 20}, "offset"),
    ({"count": 2**32 - 1}, "within point_step"),
    ({"count": 2}, "field x: expected count 1"),
    ({"offset": 2}, "field y: offset: expected 6 or more, after field x, found 4"),
    ({"name": "y"}, "field .*y.*: expected each name once"),
    ({"name": "abscissa"}, "field x: expected to decode this cloud, found only abscissa, y, z, tag"),
    ({"name": 3}, r"fields\[0\].name: expected text"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_FIELDS)
def test_a_wrong_field_is_refused_by_name(changes, message):
    bad = message_of(sample_columns())
    vars(bad.fields[0]).update(changes)
    with pytest.raises(BadPointCloud, match=message):
        decode(bad)


def test_an_asked_field_that_is_missing_is_named():
    with pytest.raises(BadPointCloud, match="field ring: expected because it was requested, found only x, y, z, tag"):
        decode(message_of(sample_columns()), extra_fields=["ring"])


def test_the_limit_on_points_can_be_changed():
    with pytest.raises(BadPointCloud, match="at most 11 points"):
        decode(message_of(sample_columns()), max_points=11)


def test_a_row_longer_than_any_buffer_is_refused_before_memory_is_taken():
    with pytest.raises(BadPointCloud, match=r"row_step . height: expected at most"):
        decode(message_of(sample_columns(), height=3, width=4, row_step=2**32 - 1))


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
