"""ScanNet's .sens recordings: colour and depth images of one scan with the camera's pose for each, read one at a time.

Layout, version 4, little endian: the header; for each frame its pose, its stamps, the sizes of its two images and these.
What follows (the measurements of a motion sensor) is not read.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.rgbd.files.rgbd_view import metres

_VERSION = 4
_COLOR_KINDS = {0: "raw", 1: "png", 2: "jpeg"}
_DEPTH_KINDS = {0: "raw", 1: "zlib"}  # 2 is occi, for which no description is public
_LARGEST_SIDE_PX = 1 << 14
_LONGEST_NAME = 1 << 12
_AFTER_NAME = struct.Struct("<64f2i4IfQ")  # four 4x4 matrices, two kinds, two sizes, depth units per metre, frames
_FRAME = struct.Struct("<16f4Q")  # pose, stamps of colour and depth, bytes of colour and depth


@dataclass(frozen=True, eq=False)
class SensFrame:
    """One frame: where its images lie in the file."""

    number: int  # in the recording, from 0
    world_from_camera: np.ndarray  # (4, 4) float64 as stored; infinite where tracking was lost
    stamp_ns: int  # of the colour image
    color_at: int
    color_bytes: int
    depth_bytes: int


@dataclass(frozen=True, eq=False)
class SensFile:
    """The header and the places of the frames; images are read from the file when asked for."""

    path: Path
    color_size: tuple[int, int]  # width, height
    depth_size: tuple[int, int]
    K_color: np.ndarray  # (3, 3)
    K_depth: np.ndarray  # (3, 3)
    color_kind: str
    depth_kind: str
    depth_units_per_m: float
    frames: tuple[SensFrame, ...]

    def color_image(self, index: int) -> bytes:
        """The colour image of a frame as it is stored. Raises BadDataset."""
        frame = self.frames[index]
        return self._bytes(frame.color_at, frame.color_bytes)

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8; raises BadDataset naming file and frame when the image is damaged or of another size."""
        from PIL import Image

        stored, (width, height) = self.color_image(index), self.color_size
        if self.color_kind == "raw":
            self._require(index, "colour", len(stored) == 3 * width * height, f"{len(stored)} bytes")
            return np.frombuffer(stored, np.uint8).reshape(height, width, 3)
        try:
            with Image.open(io.BytesIO(stored), formats=[self.color_kind]) as image:
                self._require(index, "colour", image.size == (width, height), f"{image.size[0]}x{image.size[1]} pixels")
                return np.asarray(image.convert("RGB"))
        except BadDataset:
            raise
        except Exception as error:  # Pillow's decoders raise what the bytes lead them to
            raise self._damaged(index, "colour", str(error)) from error

    def depth_m(self, index: int) -> np.ndarray:
        """(H, W) float32 metres, 0 = none; raises BadDataset naming file and frame when the image is damaged."""
        frame, (width, height) = self.frames[index], self.depth_size
        needed = 2 * width * height
        stored = self._bytes(frame.color_at + frame.color_bytes, frame.depth_bytes)
        if self.depth_kind == "zlib":
            try:
                stored = zlib.decompressobj().decompress(stored, needed + 1)  # never more than an image
            except zlib.error as error:
                raise self._damaged(index, "depth", str(error)) from error
        self._require(index, "depth", len(stored) == needed, f"{len(stored)} bytes")
        return metres(np.frombuffer(stored, "<u2").reshape(height, width), self.depth_units_per_m)

    def _bytes(self, at: int, count: int) -> bytes:
        try:
            with self.path.open("rb") as handle:
                handle.seek(at)
                return handle.read(count)
        except OSError as error:
            raise BadDataset(f"{self.path}: expected a readable file, found: {error}. Copy it again.") from error

    def _require(self, index: int, image: str, right: bool, found: str) -> None:
        if not right:
            raise self._damaged(index, image, found)

    def _damaged(self, index: int, image: str, found: str) -> BadDataset:
        width, height = self.color_size if image == "colour" else self.depth_size
        return BadDataset(
            f"{self.path}: frame {self.frames[index].number}: expected a {image} image of {width}x{height} pixels, found: {found}. "
            "The file is damaged: download it again."
        )


def open_sens(path: Path, step: int = 1) -> SensFile:
    """Read the header and where every step-th frame lies.

    Raises BadDataset for another version, an unknown kind or a cut file.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            head = _read_header(path, handle)
            read = (_read_frame(path, handle, size, number, head[-1]) for number in range(head[-1]))
            frames = tuple(frame for frame in read if frame.number % step == 0)  # a data set holds millions of frames
    except OSError as error:
        raise BadDataset(f"{path}: expected a readable .sens file, found: {error}. Download it again.") from error
    numbers, count = head[:-1], len(frames)
    K_color, K_depth = (np.reshape(numbers[at : at + 16], (4, 4))[:3, :3] for at in (0, 32))
    color_kind, depth_kind, color_width, color_height, depth_width, depth_height, units = numbers[64:]
    sizes = (color_width, color_height, depth_width, depth_height)
    _require(path, color_kind in _COLOR_KINDS, "colour stored raw (0), as png (1) or jpeg (2)", f"kind {color_kind}")
    _require(path, depth_kind in _DEPTH_KINDS, "depth stored raw (0) or by zlib (1)", f"kind {depth_kind}")
    _require(path, all(0 < side <= _LARGEST_SIDE_PX for side in sizes), f"images up to {_LARGEST_SIDE_PX} px", sizes)
    _require(path, 0.0 < units < np.inf, "depth units per metre above 0", units)
    _require(path, count > 0, "at least one frame", "none")
    return SensFile(
        path, (color_width, color_height), (depth_width, depth_height), K_color, K_depth,
        _COLOR_KINDS[color_kind], _DEPTH_KINDS[depth_kind], units, frames,
    )  # fmt: skip


def _read_header(path: Path, handle: BinaryIO) -> tuple:
    version = int.from_bytes(_read(path, handle, 4, "its header"), "little")
    _require(path, version == _VERSION, f"a .sens file of version {_VERSION}", f"version {version}")
    name_bytes = int.from_bytes(_read(path, handle, 8, "its header"), "little")
    _require(path, name_bytes <= _LONGEST_NAME, f"a sensor's name of up to {_LONGEST_NAME} bytes", name_bytes)
    _read(path, handle, name_bytes, "its header")
    return _AFTER_NAME.unpack(_read(path, handle, _AFTER_NAME.size, "its header"))


def _read_frame(path: Path, handle: BinaryIO, file_size: int, number: int, count: int) -> SensFrame:
    where = f"frame {number} of {count}"
    *pose, color_us, _, color_bytes, depth_bytes = _FRAME.unpack(_read(path, handle, _FRAME.size, where))
    at = handle.tell()
    left = file_size - at
    _require(path, color_bytes + depth_bytes <= left, f"two images in the {left} bytes after the head of {where}",
             f"images of {color_bytes} and {depth_bytes} bytes")  # fmt: skip
    handle.seek(color_bytes + depth_bytes, io.SEEK_CUR)
    matrix = np.array(pose, np.float64).reshape(4, 4)
    return SensFrame(number, matrix, color_us * 1000, at, color_bytes, depth_bytes)


def _read(path: Path, handle: BinaryIO, count: int, where: str) -> bytes:
    content = handle.read(count)
    _require(path, len(content) == count, f"{count} bytes of {where}", f"{len(content)} before the end of the file")
    return content


def _require(path: Path, right: bool, expected: str, found: object) -> None:
    if not right:
        raise BadDataset(
            f"{path}: expected {expected}, found {found}. The file is truncated or not a .sens: download it again."
        )
