"""Clouds of one topic: one intensity scale, fields nobody reads, colours, and places far away."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.clouds.cloud_decoder import POINT_TIME, CloudDecoder
from lidar_vl_core.clouds.intensity import IntensityScale
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.point_cloud2 import decode, encode, encode_labelled
from lidar_vl_core.foundation.errors import BadPointCloud

XYZ = {name: np.arange(1, 101, dtype=np.float32) for name in "xyz"}


def message_of(columns, big=False, **changes):
    layout = encode(columns)
    fields = [SimpleNamespace(**vars(field)) for field in layout.fields]
    content = {**vars(layout), "fields": fields, "data": layout.data.tobytes()}
    if big:
        swapped = {
            name: np.asarray(values).astype(np.asarray(values).dtype.newbyteorder(">"))
            for name, values in columns.items()
        }
        rows = np.zeros(len(columns["x"]), [(name, values.dtype) for name, values in swapped.items()])
        for name, values in swapped.items():
            rows[name] = values
        content |= {"data": rows.tobytes(), "is_bigendian": True}
    return SimpleNamespace(**content | changes)


def field(name, offset, datatype=7, count=1):
    return SimpleNamespace(name=name, offset=offset, datatype=datatype, count=count)


_dark, _bright = np.linspace(1, 20, 100), np.linspace(1, 240, 100)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_reflector_in_any_cloud_changes_no_other_point(place):
    clouds = [_bright.astype(np.float32) for _ in range(3)]
    clouds[place] = clouds[place].copy()
    clouds[place][7] = 3000.0
    decoder = CloudDecoder()
    read = [decoder.decode(message_of(XYZ | {"intensity": values})).intensity for values in clouds]
    assert decoder.scale == IntensityScale("intensity", 255.0)
    others = np.arange(100) != 7
    assert_array_equal(read[0][others], read[1][others])
    assert_array_equal(read[1][others], read[2][others])
    assert read[place][7] == 1.0


def test_the_scale_is_never_decided_again_and_an_empty_or_black_cloud_decides_nothing():
    decoder = CloudDecoder()
    assert not decoder.decode(message_of({name: values[:0] for name, values in XYZ.items()})).intensity.size
    assert not decoder.decode(message_of(XYZ | {"i": np.zeros(100, np.float32)})).intensity.any()
    assert (decoder.scale, len(decoder.notes)) == (None, 1)
    assert "found none so far" in decoder.notes[0]
    decoder.decode(message_of(XYZ | {"i": np.full(100, 0.5, np.float32)}))
    bright = decoder.decode(message_of(XYZ | {"i": np.full(100, 200.0, np.float32)}))
    assert decoder.scale == IntensityScale("i", 1.0)
    assert (bright.intensity == 1.0).all()


def test_several_clouds_decide_where_they_are_there_before_the_first_is_read():
    messages = [message_of(XYZ | {"i": values.astype(np.float32)}) for values in (_dark / 20, _bright, _bright)]
    decoder = CloudDecoder()
    decoder.look_at([*messages, SimpleNamespace()])
    assert decoder.scale == IntensityScale("i", 255.0)


@pytest.mark.parametrize(
    ("columns", "field_name"),
    [
        ({"intensity": _bright, "reflectivity": _dark}, "reflectivity"),
        ({"intensity": _bright, "reflectivity": np.zeros(100)}, "intensity"),
        ({"signal": _bright, "Intensity": _dark}, "Intensity"),
        ({"remission": _bright}, "remission"),
    ],
)
def test_the_calibrated_field_goes_before_the_raw_one_unless_it_is_black(columns, field_name):
    decoder = CloudDecoder()
    decoder.decode(message_of(XYZ | {name: values.astype(np.float32) for name, values in columns.items()}))
    assert decoder.scale.field == field_name


def test_no_intensity_is_said_once_with_the_fields_there_are():
    decoder = CloudDecoder()
    for _ in range(3):
        decoder.decode(message_of(XYZ | {"brightness": _dark.astype(np.float32)}))
    assert len(decoder.notes) == 1
    assert "found x, y, z, brightness: intensity is 0" in decoder.notes[0]


def test_a_dark_raw_signal_is_told_with_what_to_do():
    decoder = CloudDecoder()
    decoder.decode(message_of(XYZ | {"signal": np.linspace(1, 2000, 100).astype(np.float32)}))
    assert "Give intensity_max" in decoder.notes[0]
    told = CloudDecoder(intensity_max=2000.0)
    assert (
        told.decode(message_of(XYZ | {"signal": np.linspace(1, 2000, 100).astype(np.float32)})).intensity.max() == 1.0
    )
    assert told.notes == []


@pytest.mark.parametrize(
    "unread",
    [
        field("ring", 16, 4), field("ring", 2**32 - 1), field("ring", 0, 7, 2**32 - 1), field("ring", 12, 0), field("ring", 12, 9),
        field("ring", -4), field(None, 0), None, field("ring", 12, 7.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_a_field_that_nobody_reads_may_be_wrong_and_is_noted(unread, big):
    message = message_of(XYZ | {"intensity": _bright.astype(np.float32)}, big)
    message.fields.append(unread)
    decoder = CloudDecoder()
    cloud = decoder.decode(message)
    assert_array_equal(cloud.xyz_m[:, 0], XYZ["x"])
    assert cloud.intensity.max() == np.float32(240 / 255)
    assert len(decoder.notes) == 1
    assert decoder.notes[0].endswith("The cloud is read without this field.")
    if unread is not None and unread.name:
        with pytest.raises(BadPointCloud, match="ring"):
            decode(message, ["ring"])


def test_unread_fields_may_overlap_and_repeat_each_other_but_not_be_asked_for():
    message = message_of(XYZ)
    message.fields += [field("a", 0), field("b", 2), field("c", 4, 2, 0), field("a", 1, 2)]
    assert len(decode(message)) == 100
    for name, said in (("a", "each name once"), ("b", "share bytes")):
        with pytest.raises(BadPointCloud, match=said):
            decode(message, [name])


@pytest.mark.parametrize("row_step", [0, 1, 1199, 2**32 - 1])
def test_a_row_step_that_cannot_be_meant_gives_way_to_the_size_of_the_data(row_step):
    decoder = CloudDecoder()
    assert_array_equal(decoder.decode(message_of(XYZ, row_step=row_step)).xyz_m[:, 2], XYZ["z"])
    assert "row_step: expected width * point_step = 1200" in decoder.notes[0]
    rows = message_of(XYZ, height=4, width=25, row_step=0)
    assert_array_equal(decode(rows).xyz_m[:, 2], XYZ["z"])
    for doubtful in (message_of(XYZ, row_step=0, data=bytes(1201)), message_of(XYZ, row_step=0, data=bytes(1199))):
        with pytest.raises(BadPointCloud, match="row_step"):
            decode(doubtful)


_rgb = np.stack([np.arange(100), np.arange(100) + 100, np.full(100, 255)], axis=1).astype(np.uint8)
_packed = (_rgb.astype(np.uint32) << np.array([16, 8, 0], np.uint32)).sum(axis=1, dtype=np.uint32)


@pytest.mark.parametrize(
    "columns",
    [
        {"r": _rgb[:, 0], "g": _rgb[:, 1], "b": _rgb[:, 2]},
        {"blue": _rgb[:, 2], "Red": _rgb[:, 0], "green": _rgb[:, 1]},
        {"rgb": _packed}, {"rgb": _packed.view(np.float32)}, {"rgba": _packed | np.uint32(0xFF000000)}, {"rgb": _packed.view(np.int32)},
        {name: _rgb[:, k].astype(np.uint16) * 257 for k, name in enumerate("rgb")},
        {name: _rgb[:, k].astype(np.float32) / 255 for k, name in enumerate("rgb")},
    ],
)  # fmt: skip
def test_colours_in_every_usual_form(columns):
    assert_array_equal(CloudDecoder(colours=True).decode(message_of(XYZ | columns)).extra["rgb"], _rgb)
    assert "rgb" not in CloudDecoder().decode(message_of(XYZ | columns)).extra


def test_doubles_far_away_keep_their_millimetres_and_are_written_as_they_came():
    middle = np.array([454_321.0, 5_412_345.0, 312.0])
    there = middle + np.random.default_rng(1).uniform(-40, 40, (100, 3))
    there[3] = np.nan
    decoder = CloudDecoder()
    cloud = decoder.decode(message_of(dict(zip("xyz", there.T, strict=True))))
    assert np.nanmax(np.abs(cloud.xyz_m)) < 100
    assert_allclose(np.stack(cloud.coordinates(), axis=1), there, atol=1e-5)
    assert sum("far from their frame's origin" in note for note in decoder.notes) == 1
    layout = encode_labelled(cloud, np.zeros(100, np.uint8), np.zeros(100, np.float32))
    again = decode(layout, ["class_id"])
    assert_allclose(np.stack(again.coordinates(), axis=1), there, atol=1e-5)
    near = decode(message_of(dict(zip("xyz", (there - middle).T, strict=True))))
    assert not any(near.origin_m)


@pytest.mark.parametrize("code", ["f4", "f8"])
def test_only_points_that_met_something_count(code):
    zeros = {name: np.array([0, -0.0, 0, np.nan, 1, np.inf, -1e-30], code) for name in "xyz"}
    zeros["x"][2] = 1e-9
    cloud = decode(message_of(zeros))
    assert_array_equal(cloud.has_return(), [False, False, True, False, True, False, True])
    assert np.isnan(cloud.measured_xyz_m()[~cloud.has_return()]).all()
    assert_array_equal(cloud.xyz_m[:2], 0.0)
    scene = PointCloud(cloud.xyz_m, cloud.intensity, 0, "map", in_sensor_frame=False)
    assert_array_equal(scene.has_return(), [True, True, True, False, True, False, True])


def test_a_requested_field_of_any_name_is_kept_beside_the_times():
    labels, times = np.arange(100, dtype=np.int32), np.linspace(0, 0.1, 100)
    for name in ("point_time", "time"):
        message = message_of({**XYZ, "time": times, name: labels if name == "point_time" else times})
        extra = CloudDecoder((name,), times=True).decode(message).extra
        assert_array_equal(extra[name], labels if name == "point_time" else times)
        assert_array_equal(extra[POINT_TIME], times)
