"""Images as they come from drivers; every damaged one is refused by name, so that only its camera is skipped."""

import struct
import zlib
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
from tests.core.cameras.driver_pictures import RGB, compressed, png, raw, stored, yuv
from tests.recordings import recording

GREY = RGB[..., 0]
SMOOTH = np.dstack([np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))] * 3) // np.array([1, 2, 4], np.uint8)
ALPHA = np.full((3, 5, 1), 9, np.uint8)
GREY_RGB = np.dstack([GREY] * 3)
GREY_FROM_0_TO_255 = np.linspace(0, 255, 15).round().astype(np.uint8).reshape(3, 5)
GREY_16 = GREY.astype(np.uint16) * 256 + 77
GOOD = {
    "rgb8": (raw("rgb8", RGB), RGB),
    "bgr8": (raw("bgr8", RGB[..., ::-1]), RGB),
    "rgba8": (raw("rgba8", np.dstack([RGB, ALPHA])), RGB),
    "bgra8": (raw("bgra8", np.dstack([RGB[..., ::-1], ALPHA])), RGB),
    "mono8": (raw("mono8", GREY), GREY_RGB),
    "8UC1": (raw("8UC1", GREY), GREY_RGB),
    "names in capitals": (raw("BGR8", RGB[..., ::-1]), RGB),
    "rgb16": (raw("rgb16", RGB.astype("<u2") * 256 + 9), RGB),
    "bgra16 big endian": (
        raw("bgra16", (np.dstack([RGB[..., ::-1], ALPHA]) * np.uint16(256)).astype(">u2"), is_bigendian=1),
        RGB,
    ),
    "16UC1 on its own scale": (
        raw("16UC1", GREY_FROM_0_TO_255.astype("<u2") * 3 + 7000),
        np.dstack([GREY_FROM_0_TO_255] * 3),
    ),
    "16UC1 of one value": (raw("16UC1", np.full((3, 5), 9, "<u2")), np.zeros((3, 5, 3))),
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
    "webp that the format does not name": (compressed(stored(RGB, "WEBP", lossless=True), ""), RGB),
    "tiff": (compressed(stored(RGB, "TIFF"), "rgb8; tiff compressed "), RGB),
    "format of image_transport": (compressed(png(RGB), "rgb8; png compressed bgr8"), RGB),
    "grey called a mosaic of 1 row": (compressed(png(GREY[:1]), "bayer_rggb8; png compressed "), GREY_RGB[:1]),
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
    "unknown encoding": (raw("h264", RGB), "encoding: expected one of mono8"),
    "depth image": (raw("32FC1", RGB), "measurements, not a photograph"),
    "yuv of an odd width": (raw("yuv422", np.zeros((3, 5, 2), np.uint8)), "width: expected an even number"),
    "yuv that was cut": (yuv("yuyv", data=b"\0" * 15), "data: expected step . height = 16 bytes, found 15"),
    "yuv with the step of grey": (yuv("uyvy", step=4), "step: expected at least 8 bytes for 4 pixels of uyvy"),
    "a mosaic of one row": (raw("bayer_rggb8", GREY, height=1, data=bytes(5)), "at least 2 x 2 cells"),
    "16 bit cells with the step of 8": (raw("bayer_gbrg16", GREY), "step: expected at least 10 bytes"),
    "nv12 that was cut": (yuv("nv12", step=4, data=bytes(11)), "data: expected 12 bytes"),
    "nv12 with a short step": (yuv("nv12", step=3, data=bytes(12)), "data: expected 12 bytes"),
    "nv21 of odd size": (raw("nv21", GREY), "size: expected even numbers"),
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
    "empty jpeg": (compressed(b""), "data: expected a JPEG, PNG, WebP or TIFF, found 0 bytes"),
    "only the first bytes of a jpeg": (compressed(JPEG[:3]), "expected a complete JPEG"),
    "truncated jpeg": (compressed(JPEG[: len(JPEG) // 2]), "expected a complete JPEG"),
    "truncated png": (compressed(png(RGB)[:60]), "expected a complete PNG"),
    "noise called jpeg": (
        compressed(b"\x01\x02" * 100),
        "expected a JPEG, PNG, WebP or TIFF, found 200 bytes of format 'jpeg' that start with 01 02",
    ),
    "compressed depth": (
        compressed(bytes(12) + png(GREY_16), "16UC1; compressedDepth png"),
        "a depth image, not a photograph",
    ),
    "video": (compressed(b"\0\0\0\1\x67" + bytes(40), "h264"), "format 'h264'.*Video transports are not supported"),
    "truncated webp": (compressed(stored(RGB, "WEBP")[:30]), "expected a complete WEBP"),
    "gif": (compressed(b"GIF89a" + bytes(40)), "expected a JPEG, PNG"),
    "no image at all": (SimpleNamespace(data=b""), "message: expected an Image or a CompressedImage"),
}


@pytest.mark.parametrize(("message", "expected"), BAD.values(), ids=BAD)
def test_a_damaged_image_is_refused_by_name(message, expected):
    with pytest.raises(BadImage, match=expected):
        decode_image(message)


@pytest.mark.parametrize("picture", [GREY, RGB.astype(np.float32), np.zeros((0, 4, 3), np.uint8)])
def test_only_rgb_pictures_become_jpegs(picture):
    with pytest.raises(BadImage, match="image: expected"):
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


def test_a_picture_of_more_pixels_than_any_camera_has_is_refused_without_a_word_of_the_library(recwarn):
    header = stored(RGB, "PNG")[:16] + (10_000).to_bytes(4, "big") + (9_500).to_bytes(4, "big") + b"\x08\x02\0\0\0"
    sized = header + zlib.crc32(header[12:]).to_bytes(4, "big") + stored(RGB, "PNG")[33:]
    with pytest.raises(BadImage, match="size: expected 1 to 64000000 pixels, found 10000 x 9500"):
        decode_image(compressed(sized, "png"))
    assert not recwarn.list


def test_a_picture_that_claims_more_than_the_library_would_open_is_refused_by_its_size():
    header = stored(RGB, "PNG")[:16] + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    sized = header + zlib.crc32(header[12:]).to_bytes(4, "big") + stored(RGB, "PNG")[33:]
    with pytest.raises(BadImage, match=r"^size: expected 1 to 64000000 pixels, found more\. Fix the driver"):
        decode_image(compressed(sized, "png"))


def test_bytes_that_only_begin_like_a_picture_are_told_without_a_word_of_the_library():
    with pytest.raises(BadImage, match=r"^data: expected a complete PNG, found 20 bytes that only begin like one\."):
        decode_image(compressed(stored(RGB, "PNG")[:8] + bytes(12), "png"))


def test_a_tiff_whose_tags_point_nowhere_costs_no_warning_of_the_library(recwarn):
    data = bytearray(stored(RGB, "TIFF"))
    at = struct.unpack_from("<I", data, 4)[0] + 2
    for place in range(at, at + 12 * struct.unpack_from("<H", data, at - 2)[0], 12):
        if struct.unpack_from("<H", data, place)[0] in (273, 279):  # where the strips are, and how long
            struct.pack_into("<I", data, place + 4, 2**30)
    with pytest.raises(BadImage):
        decode_image(compressed(bytes(data), "tiff"))
    assert not recwarn.list


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK"])
def test_a_picture_of_many_strips_is_that_of_the_library(mode):
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (1100, 7, 3), np.uint8)).convert(mode)
    stream = BytesIO()
    picture.save(stream, "TIFF")
    expected = np.array(picture.convert("RGB"))
    assert_array_equal(decode_image(compressed(stream.getvalue(), "tiff")), expected)


@pytest.mark.parametrize("values", [np.float32([[0.5, 90.0]]), np.int32([[0, 70_000]]), np.int32([[-1, 5]])])
def test_a_tiff_of_measurements_is_no_picture(values):
    with pytest.raises(BadImage, match=r"an image of 8 or 16 bits a pixel, found values .*These are measurements"):
        decode_image(compressed(stored(values, "TIFF"), "tiff"))
