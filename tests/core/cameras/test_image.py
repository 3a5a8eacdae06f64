"""Images as they come from drivers; every damaged one is refused by name, so that only its camera is skipped."""

from contextlib import suppress
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.cameras.image import decode_image, encode_jpeg
from lidar_vl_core.foundation.errors import BadImage
from tests.recordings import recording

RGB = np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8)
GREY = RGB[..., 0]


def raw(encoding, pixels, padding=0, is_bigendian=0, **changes):
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(3, -1)
    data = np.pad(rows, ((0, 0), (0, padding))).tobytes()
    message = SimpleNamespace(
        height=3, width=5, encoding=encoding, is_bigendian=is_bigendian, step=rows.shape[1] + padding, data=data
    )
    vars(message).update(changes)
    return message


def compressed(data, name="jpeg"):
    return SimpleNamespace(format=name, data=data)


def png(picture):
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


SMOOTH = np.dstack([np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))] * 3) // np.array([1, 2, 4], np.uint8)
ALPHA = np.full((3, 5, 1), 9, np.uint8)
GREY_RGB = np.dstack([GREY] * 3)
GREY_16 = GREY.astype(np.uint16) * 256 + 77

GOOD = {
    "rgb8": (raw("rgb8", RGB), RGB),
    "bgr8": (raw("bgr8", RGB[..., ::-1]), RGB),
    "rgba8": (raw("rgba8", np.dstack([RGB, ALPHA])), RGB),
    "bgra8": (raw("bgra8", np.dstack([RGB[..., ::-1], ALPHA])), RGB),
    "mono8": (raw("mono8", GREY), GREY_RGB),
    "8UC1": (raw("8UC1", GREY), GREY_RGB),
    "8UC3 in OpenCV's order": (raw("8UC3", RGB[..., ::-1]), RGB),
    "mono16": (raw("mono16", GREY_16.astype("<u2")), GREY_RGB),
    "mono16 big endian": (raw("mono16", GREY_16.astype(">u2"), is_bigendian=1), GREY_RGB),
    "padded rows": (raw("bgr8", RGB[..., ::-1], padding=7), RGB),
    "last row without padding": (raw("rgb8", RGB, padding=7, data=raw("rgb8", RGB, padding=7).data[:-7]), RGB),
    "uint8 array": (raw("rgb8", RGB, data=RGB.reshape(-1)), RGB),
    "png": (compressed(png(RGB), "png"), RGB),
    "png called jpeg": (compressed(png(RGB), "jpeg"), RGB),
    "png with alpha": (compressed(png(np.dstack([RGB, ALPHA]))), RGB),
    "grey png": (compressed(png(GREY)), GREY_RGB),
    "16 bit png": (compressed(png(GREY_16)), GREY_RGB),
}


@pytest.mark.parametrize(("message", "expected"), GOOD.values(), ids=GOOD)
def test_every_usual_encoding_becomes_rgb(message, expected):
    picture = decode_image(message)
    assert picture.dtype == np.uint8
    assert_array_equal(picture, expected)


def test_a_jpeg_comes_back_nearly_as_it_was():
    assert_allclose(decode_image(compressed(encode_jpeg(SMOOTH, quality=95))).astype(int), SMOOTH, atol=12)


JPEG = encode_jpeg(SMOOTH)

BAD = {
    "unknown encoding": (raw("yuv422", RGB), "encoding: expected one of rgb8"),
    "bayer": (raw("bayer_rggb8", GREY), "encoding: expected one of"),
    "depth image": (raw("32FC1", RGB), "encoding"),
    "no encoding": (raw(None, RGB), "encoding"),
    "step too short": (raw("rgb8", RGB, step=14), "step: expected at least 15 bytes"),
    "step of text": (raw("rgb8", RGB, step="15"), "step: expected an integer"),
    "negative height": (raw("rgb8", RGB, height=-1), "height"),
    "boolean width": (raw("rgb8", RGB, width=True), "width"),
    "no rows": (raw("rgb8", RGB, height=0), "size: expected 1 to"),
    "huge": (raw("rgb8", RGB, height=2**31, width=2**31), "size: expected 1 to"),
    "too few bytes": (raw("rgb8", RGB, data=b"\0" * 44), "data: expected step . height = 45 bytes, found 44"),
    "too many bytes": (raw("rgb8", RGB, data=b"\0" * 46), "data: expected step . height"),
    "empty": (raw("rgb8", RGB, data=b""), "data"),
    "list instead of bytes": (raw("rgb8", RGB, data=[0] * 45), "data: expected contiguous bytes, found list"),
    "empty jpeg": (compressed(b""), "data: expected a JPEG or PNG, found 0 bytes"),
    "only the first bytes of a jpeg": (compressed(JPEG[:3]), "expected a whole JPEG"),
    "truncated jpeg": (compressed(JPEG[: len(JPEG) // 2]), "expected a whole JPEG"),
    "truncated png": (compressed(png(RGB)[:60]), "expected a whole PNG"),
    "noise called jpeg": (
        compressed(b"\x01\x02" * 100),
        "expected a JPEG or PNG, found 200 bytes that start with 01 02",
    ),
    "compressed depth": (compressed(bytes(12) + png(GREY_16), "16UC1; compressedDepth png"), "expected a JPEG or PNG"),
    "gif": (compressed(b"GIF89a" + bytes(40)), "expected a JPEG or PNG"),
    "no image at all": (SimpleNamespace(data=b""), "message: expected an Image or a CompressedImage"),
}


@pytest.mark.parametrize(("message", "expected"), BAD.values(), ids=BAD)
def test_a_damaged_image_is_refused_by_name(message, expected):
    with pytest.raises(BadImage, match=expected):
        decode_image(message)


@pytest.mark.parametrize("picture", [GREY, RGB.astype(np.float32), np.zeros((0, 4, 3), np.uint8)])
def test_only_rgb_pictures_become_jpegs(picture):
    with pytest.raises(BadImage, match="picture: expected"):
        encode_jpeg(picture)


@pytest.mark.parametrize("at", range(0, len(JPEG), 97))
def test_a_flipped_bit_in_a_jpeg_gives_a_picture_or_bad_image(at):
    damaged = bytearray(JPEG)
    damaged[at] ^= 0x10
    with suppress(BadImage):
        assert decode_image(compressed(bytes(damaged))).dtype == np.uint8


def test_recorded_images_of_both_kinds_are_read(test_data):
    with open_bag(recording(test_data, "bags/*/sample.db3")) as bag:
        messages = [message.message for message in bag.messages(["/image", "/image/compressed"])]
    pictures = [decode_image(message) for message in messages]
    assert [picture.shape for picture in pictures] == [(messages[0].height, messages[0].width, 3)] * 2
