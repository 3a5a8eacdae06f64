"""The image tower in a process of its own that gives way: clouds in time come before newer features.

A thread cannot give way so: while it waits for a core it may hold Python's lock, and clouds wait with it.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

import numpy as np

from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.foundation.errors import BadModelPackage, LidarVlError
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package

_NICENESS = 10  # a tenth of the time of a core that others want, all of one that nobody wants
_HEADER = np.dtype("<i4")  # the shape of what follows
_PROBLEM = -1  # as first number of the shape: a text follows
_STOP_TIMEOUT_S = 2.0


class EncoderProcess:
    """As ImageEncoder, run elsewhere. A process that ended is started again by the next image."""

    def __init__(self, package: ModelPackage, threads: int) -> None:
        """Raises BadModelPackage for a package without an image tower, or with one that cannot be run."""
        self._command = [sys.executable, "-m", __name__, str(package.path), str(threads)]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self.size = (0, 0)  # height, width
        self._started()

    def features(self, rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 of any size -> (C, h, w) float32, cells evenly over the image.

        From any thread. Raises BadModelPackage for an image tower that does not run, or whose process ended.
        """
        shape = np.array(rgb.shape[:2], _HEADER).tobytes()
        with self._lock:
            connection = self._connection or self._started()
            try:
                connection.send_bytes(shape + rgb.tobytes())
                return _features(connection.recv_bytes())
            except (EOFError, OSError) as error:
                raise BadModelPackage(f"image encoder: its process ended with {self._ended()}") from error

    def close(self) -> None:
        """End the process; features() would start another."""
        with self._lock:
            self._ended()

    def _started(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            # In the session of its parent: Linux shares the cores out between sessions before it looks at niceness.
            self._process = subprocess.Popen([*self._command, str(theirs.fileno())], pass_fds=[theirs.fileno()])  # noqa: S603
        self._connection = Connection(ours.detach())
        try:
            _, height, width = _features(self._connection.recv_bytes()).shape
        except (EOFError, OSError) as error:
            raise BadModelPackage(f"image encoder: its process ended with {self._ended()}") from error
        except BadModelPackage:
            self._ended()
            raise
        self.size = height, width
        return self._connection

    def _ended(self) -> int | None:
        """Close our end, which the process takes as its own; its exit code."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is None:
            return None
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _features(message: bytes) -> np.ndarray:
    """Of an answer; raises BadModelPackage with the text of a problem."""
    shape = np.frombuffer(message, _HEADER, 3)
    if shape[0] == _PROBLEM:
        raise BadModelPackage(message[shape.nbytes :].decode())
    return np.frombuffer(message, np.float32, -1, shape.nbytes).reshape(shape)


def _answer(features: np.ndarray) -> bytes:
    return np.array(features.shape, _HEADER).tobytes() + features.tobytes()


def _problem(error: LidarVlError) -> bytes:
    return np.array([_PROBLEM, 0, 0], _HEADER).tobytes() + str(error).encode()


def _serve(package: str, threads: int, connection: Connection) -> None:
    """Until the other end is closed. The first answer, features of no channel and the tower's size, says that it is ready."""
    try:
        encoder = ImageEncoder(load_model_package(package), threads)
    except LidarVlError as error:
        connection.send_bytes(_problem(error))
        return
    connection.send_bytes(_answer(np.empty((0, *encoder.size), np.float32)))
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        height, width = np.frombuffer(message, _HEADER, 2)
        rgb = np.frombuffer(message, np.uint8, -1, 2 * _HEADER.itemsize).reshape(height, width, 3)
        try:
            connection.send_bytes(_answer(encoder.features(rgb)))
        except LidarVlError as error:
            connection.send_bytes(_problem(error))


def main() -> None:
    """The process: PACKAGE THREADS FILE_DESCRIPTOR."""
    package, threads, descriptor = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C all processes hear; this one ends with its parent's end
    os.nice(_NICENESS)
    with Connection(int(descriptor)) as connection:
        _serve(package, int(threads), connection)


if __name__ == "__main__":
    main()
