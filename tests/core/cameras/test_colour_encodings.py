"""YUV and Bayer mosaics become RGB, as the standard and a slow reference have it."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.cameras.image import decode_image
from tests.core.cameras.driver_pictures import compressed, png, raw, yuv


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv", "yuy2", "nv12", "nv21"])
@pytest.mark.parametrize(
    ("y", "u", "v", "expected"),
    [
        (16, 128, 128, (0, 0, 0)),
        (235, 128, 128, (255, 255, 255)),
        (126, 128, 128, (128, 128, 128)),
        (81, 90, 240, (255, 0, 0)),
        (145, 54, 34, (0, 255, 0)),
        (41, 240, 110, (0, 0, 255)),
        (76, 84, 84, (0, 123, 0)),
    ],
)
def test_yuv_has_the_colours_of_bt_601(encoding, y, u, v, expected):
    picture = decode_image(yuv(encoding, y, u, v))
    assert picture.shape == (2, 4, 3)
    assert_allclose(picture.astype(int), np.broadcast_to(expected, (2, 4, 3)), atol=1)


@pytest.mark.parametrize(
    ("encoding", "row"), [("uyvy", [90, 16, 240, 81, 54, 145, 34, 235]), ("yuyv", [16, 90, 81, 240, 145, 54, 235, 34])]
)
def test_two_neighbours_share_their_colour_and_padding_is_passed_over(encoding, row):
    message = yuv(encoding, height=1, step=11, data=bytes([*row, 1, 2, 3]))
    seen = decode_image(message)[0].astype(int)
    assert_allclose(seen[1], (255, 0, 0), atol=1)  # the second pixel's own Y with the first pair's U and V
    assert_allclose(seen[2], (0, 255, 0), atol=1)
    assert seen[0].max() < 200 < seen[3].max()


def test_planes_may_have_padded_rows_or_a_step_that_counts_all_planes():
    rows = [[81] * 4, [81] * 4, [90, 240] * 2]
    padded = yuv("nv12", step=6, data=b"".join(bytes(row) + b"xx" for row in rows))
    counted = yuv("nv12", step=6, data=b"".join(map(bytes, rows)))
    for message in (padded, counted):
        assert_allclose(decode_image(message).astype(int), np.broadcast_to((255, 0, 0), (2, 4, 3)), atol=1)


def mosaic(order, rgb):
    """What a sensor behind such a mosaic sees of a picture."""
    height, width, _ = rgb.shape
    row, column = np.mgrid[:height, :width]
    seen_by = np.array(["rgb".index(letter) for letter in order]).reshape(2, 2)[row % 2, column % 2]
    return np.take_along_axis(rgb, seen_by[..., None], axis=2)[..., 0]


def slow_debayered(order, cells):
    """Each missing colour is the mean of those of the eight neighbours that see it; the border is mirrored."""
    height, width = cells.shape
    colour = np.array(list(order)).reshape(2, 2)
    rgb = np.empty((height, width, 3))
    for v, u, channel in np.ndindex(rgb.shape):
        if colour[v % 2, u % 2] == "rgb"[channel]:
            rgb[v, u, channel] = cells[v, u]
            continue
        around = [(v + dv, u + du) for dv in (-1, 0, 1) for du in (-1, 0, 1)]
        mirrored = [(height - 1 - abs(height - 1 - abs(y)), width - 1 - abs(width - 1 - abs(x))) for y, x in around]
        rgb[v, u, channel] = np.mean([cells[y, x] for y, x in mirrored if colour[y % 2, x % 2] == "rgb"[channel]])
    return rgb


BAYER = ("rggb", "bggr", "gbrg", "grbg")


@pytest.mark.parametrize("order", BAYER)
@pytest.mark.parametrize("size", [(2, 2), (5, 7), (6, 4)])
def test_a_mosaic_is_interpolated_as_a_slow_reference_does(order, size):
    cells = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    message = SimpleNamespace(
        height=size[0], width=size[1], encoding=f"bayer_{order}8", step=size[1], data=cells.tobytes()
    )
    assert_allclose(decode_image(message), slow_debayered(order, cells), atol=0.51)


@pytest.mark.parametrize("order", BAYER)
@pytest.mark.parametrize("kind", ["8", "16", "16 big endian", "8 in a png", "16 in a png"])
def test_a_mosaic_of_one_colour_has_that_colour_everywhere(order, kind):
    cells = mosaic(order, np.broadcast_to(np.uint8([200, 120, 40]), (3, 5, 3)))
    deep = cells.astype(np.uint16) * 256 + 99
    message = {
        "8": lambda: raw(f"bayer_{order}8", cells, padding=3),
        "16": lambda: raw(f"bayer_{order}16", deep.astype("<u2")),
        "16 big endian": lambda: raw(f"bayer_{order}16", deep.astype(">u2"), is_bigendian=1),
        "8 in a png": lambda: compressed(png(cells), f"bayer_{order}8; png compressed "),
        "16 in a png": lambda: compressed(png(deep), f"bayer_{order}16; png compressed "),
    }[kind]()
    assert_array_equal(decode_image(message), np.broadcast_to([200, 120, 40], (3, 5, 3)))
