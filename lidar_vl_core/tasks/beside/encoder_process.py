"""The image tower in a process of its own that gives way: clouds in time come before newer features.

A thread cannot give way so: while it waits for a core it may hold Python's lock, and clouds wait with it.
"""

import sys

import numpy as np

from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.beside.answering_process import Answer, AnsweringProcess, answer_requests

_HEADER = np.dtype("<i4")  # the shape of what follows


class EncoderProcess:
    """As ImageEncoder, run elsewhere. A process that ended is started again by the next image."""

    def __init__(self, package: ModelPackage, threads: int) -> None:
        """Raises BadModelPackage for a package without an image tower, or with one that cannot be run."""
        self._process = AnsweringProcess(__name__, [str(package.path), str(threads)], "image encoder")
        height, width = np.frombuffer(self._process.greeting(), _HEADER)
        self.size = int(height), int(width)

    def features(self, rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 of any size -> (C, h, w) float32, cells evenly over the image.

        From any thread. Raises BadModelPackage for an image tower that does not run, or whose process ended.
        """
        answer = self._process.ask(np.array(rgb.shape[:2], _HEADER).tobytes() + rgb.tobytes())
        shape = np.frombuffer(answer, _HEADER, 3)
        return np.frombuffer(answer, np.float32, -1, shape.nbytes).reshape(shape)

    def close(self) -> None:
        """End the process; features() would start another."""
        self._process.close()


def _opened(package: str, threads: int) -> tuple[bytes, Answer]:
    """The tower's size, and what answers an image with its features."""
    encoder = ImageEncoder(load_model_package(package), threads)

    def answer(request: bytes) -> bytes:
        height, width = np.frombuffer(request, _HEADER, 2)
        features = encoder.features(
            np.frombuffer(request, np.uint8, -1, 2 * _HEADER.itemsize).reshape(height, width, 3)
        )
        return np.array(features.shape, _HEADER).tobytes() + features.tobytes()

    return np.array(encoder.size, _HEADER).tobytes(), answer


def main() -> None:
    """The process: PACKAGE THREADS FILE_DESCRIPTOR."""
    package, threads, descriptor = sys.argv[1:]
    answer_requests(int(descriptor), lambda: _opened(package, int(threads)))


if __name__ == "__main__":
    main()
