"""sensor_msgs/msg/Image and CompressedImage to (H, W, 3) uint8 RGB, for rclpy and rosbags messages alike."""

from io import BytesIO

import numpy as np

from lidar_vl_core.cameras.encodings.compressed_image import decode_compressed
from lidar_vl_core.cameras.encodings.message_fields import bytes_of, refuse
from lidar_vl_core.cameras.encodings.raw_image import decode_raw


def decode_image(message: object) -> np.ndarray:
    """The image of any object with Image's or CompressedImage's attributes, as sent: (H, W, 3) uint8 RGB.

    Grey becomes three equal channels, alpha is dropped, a bayer mosaic is interpolated. Raises BadImage.
    """
    if hasattr(message, "encoding"):
        return decode_raw(message)
    if hasattr(message, "format"):
        return decode_compressed(message)
    refuse("message", "an Image or a CompressedImage", type(message).__name__, "Subscribe to an image topic")


def stored_bytes(message: object) -> bytes:
    """Identifies an image without decoding it: equal for equal images, whenever they were sent.

    Of a CompressedImage its JPEG or PNG, of an Image a line with its layout and then its bytes. Raises BadImage.
    """
    data = bytes_of(message)
    if not hasattr(message, "encoding"):
        return bytes(data)
    layout = [getattr(message, name, None) for name in ("encoding", "width", "height", "step", "is_bigendian")]
    return " ".join(map(str, layout)).encode() + b"\n" + bytes(data)


def encode_jpeg(rgb: np.ndarray, quality: int = 90) -> bytes:
    """A JPEG of an (H, W, 3) uint8 RGB image, for CompressedImage.data. Raises BadImage."""
    from PIL import Image

    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
        refuse("image", "(H, W, 3) of uint8", f"{rgb.shape} of {rgb.dtype}", "Convert it first")
    stream = BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    return stream.getvalue()
