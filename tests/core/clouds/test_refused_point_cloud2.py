"""A PointCloud2 that breaks its own header is refused by the name of what is wrong."""

from types import SimpleNamespace

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.foundation.errors import BadPointCloud
from tests.core.clouds.slow_messages import message_of, sample_columns

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
