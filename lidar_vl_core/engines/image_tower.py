"""The image tower of a package, run by ONNX Runtime: an image in, text-space features of its cells out."""

from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.engines.onnx_runtime import open_onnxruntime
from lidar_vl_core.foundation.errors import BadModelPackage

if TYPE_CHECKING:
    from lidar_vl_core.model_packages.package import ModelPackage


class ImageEncoder:
    """Dense features of images of any size, which are resized to the one size the tower was exported for."""

    def __init__(self, package: "ModelPackage", threads: int) -> None:
        """Raises BadModelPackage for a package without an image tower, or with one that cannot be run."""
        content, size = package.image_encoder_bytes(), package.language.image_size
        if content is None or size is None:
            raise BadModelPackage(
                f"{package.path}: expected a package with an image encoder, found none. Export it again with one."
            )
        self.size = size  # height, width
        self.channels = package.language.channels
        try:
            self._session = open_onnxruntime(content, threads)
        except Exception as error:  # onnxruntime raises a class of its own for every cause
            raise _unusable(error) from error

    def features(self, rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 of any size -> (C, h, w) float32, cells evenly over the image. Raises BadModelPackage."""
        try:
            (features,) = self._session.run(["features"], {"image": self._input(rgb)})
        except Exception as error:
            raise _unusable(error) from error
        if features.ndim != 4 or features.shape[:2] != (1, self.channels) or features.dtype != np.float32:
            raise _unusable(f"{features.shape} {features.dtype}")
        return features[0]

    def _input(self, rgb: np.ndarray) -> np.ndarray:
        """(1, 3, H, W) float32, 0..1."""
        from PIL import Image

        height, width = self.size
        if rgb.shape[:2] != self.size:
            picture = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
            rgb = np.asarray(picture)
        return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], np.float32) / np.float32(255.0)


def _unusable(found: object) -> BadModelPackage:
    return BadModelPackage(
        "image_encoder.onnx: expected an image tower from image (1, 3, H, W) float32 to features (1, C, h, w) float32, "
        f"found: {' '.join(str(found).split())[:300]}. Export the package again."
    )
