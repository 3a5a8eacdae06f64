"""Clouds as others read and write them: struct, value by value, and ROS's own sensor_msgs_py where it is installed."""

import importlib.util
import struct
import sys

import numpy as np
import pytest
from lidar_vl_ros.messages.sensor_data import point_cloud2
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from lidar_vl_core.clouds.cloud_decoder import CloudDecoder

HAS_SENSOR_MSGS_PY = importlib.util.find_spec("sensor_msgs_py") is not None
_CODES = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 8: "d"}
_POINTS = 24
# Names with their datatype and offset, then bytes of a point, and bytes that each row has beside its points.
_LAYOUTS = {
    "packed": ({"x": (7, 0), "y": (7, 4), "z": (7, 8), "intensity": (7, 12)}, 16, 0),
    "padded as by PCL": ({"x": (7, 0), "y": (7, 4), "z": (7, 8), "intensity": (7, 16)}, 32, 0),
    "unaligned as by Velodyne": (
        {"x": (7, 0), "y": (7, 4), "z": (7, 8), "intensity": (7, 12), "ring": (4, 16), "time": (7, 18)},
        22,
        0,
    ),
    "double, other order, padded rows": ({"intensity": (2, 0), "z": (8, 1), "y": (8, 9), "x": (8, 17)}, 25, 7),
}


def _message(layout: str, is_bigendian: bool, height: int) -> PointCloud2:
    """Values that tell their point and their field, written with struct."""
    fields, point_step, row_padding = _LAYOUTS[layout]
    width = _POINTS // height
    row_step = width * point_step + row_padding
    data = bytearray(height * row_step)
    for point in range(_POINTS):
        start = point // width * row_step + point % width * point_step
        for column, (datatype, offset) in enumerate(fields.values()):
            code = (">" if is_bigendian else "<") + _CODES[datatype]
            struct.pack_into(code, data, start + offset, point + 10 * column)
    made = [PointField(name=name, offset=at, datatype=kind, count=1) for name, (kind, at) in fields.items()]
    return PointCloud2(
        header=Header(frame_id="lidar"),
        height=height,
        width=width,
        fields=made,
        is_bigendian=is_bigendian,
        point_step=point_step,
        row_step=row_step,
        data=bytes(data),
        is_dense=True,
    )


def _by_struct(message: PointCloud2, name: str) -> np.ndarray:
    (field,) = (each for each in message.fields if each.name == name)
    code = (">" if message.is_bigendian else "<") + _CODES[field.datatype]
    data = bytes(message.data)
    starts = [
        row * message.row_step + column * message.point_step + field.offset
        for row in range(message.height)
        for column in range(message.width)
    ]
    return np.array([struct.unpack_from(code, data, start)[0] for start in starts])


def _by_sensor_msgs_py(message: PointCloud2, name: str) -> np.ndarray:
    from sensor_msgs_py.point_cloud2 import read_points

    return read_points(message, field_names=[name])[name].reshape(-1)


_ORACLES = [_by_struct] + ([_by_sensor_msgs_py] if HAS_SENSOR_MSGS_PY else [])
_WITH_EACH = pytest.mark.parametrize("read", _ORACLES, ids=lambda read: read.__name__.removeprefix("_by_"))


@_WITH_EACH
@pytest.mark.parametrize("layout", _LAYOUTS)
@pytest.mark.parametrize("is_bigendian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("height", [1, 4])
def test_a_cloud_is_read_as_the_oracle_reads_it(read, layout, is_bigendian, height):
    message = _message(layout, is_bigendian, height)
    if message.row_step != message.width * message.point_step:
        read = _by_struct  # sensor_msgs_py passes over row_step
    cloud = CloudDecoder(intensity_max=100.0).decode(message)
    for axis, values in zip("xyz", cloud.coordinates(), strict=True):
        np.testing.assert_array_equal(values, read(message, axis))
    np.testing.assert_allclose(cloud.intensity, read(message, "intensity") / 100.0, rtol=1e-6)


@_WITH_EACH
def test_a_cloud_that_is_written_is_read_by_the_oracle(read):
    rng = np.random.default_rng(5)
    columns = {axis: rng.normal(size=50).astype(np.float32) for axis in "xyz"}
    columns |= {"class_id": np.arange(50, dtype=np.uint8), "probability": rng.random(50).astype(np.float32)}
    message = point_cloud2(Header(frame_id="lidar"), columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(read(message, name), values)


def test_a_cloud_written_by_ros_own_function_is_read():
    """By create_cloud where it is installed, else by a message of the same form."""
    xyz_m = np.random.default_rng(6).normal(size=(50, 3)).astype(np.float32)
    fields = [PointField(name=name, offset=4 * i, datatype=7, count=1) for i, name in enumerate("xyz")]
    if HAS_SENSOR_MSGS_PY:
        from sensor_msgs_py.point_cloud2 import create_cloud

        message = create_cloud(Header(frame_id="lidar"), fields, xyz_m)
    else:
        form = {"height": 1, "width": 50, "point_step": 12, "row_step": 600, "is_dense": False}
        message = PointCloud2(fields=fields, is_bigendian=sys.byteorder != "little", data=xyz_m.tobytes(), **form)
    cloud = CloudDecoder().decode(message)
    np.testing.assert_array_equal(np.stack(cloud.coordinates(), axis=1), xyz_m)
