"""Clouds to measure with: those of a recording, or the cloud files of a folder. Reads files."""

import sys
from collections.abc import Iterator
from pathlib import Path

from lidar_vl_core.clouds.cloud_files import READABLE, read_cloud_file
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCloudFile, BadRequest

MOST_CLOUDS = 200  # spread evenly over what is given


def clouds_at(path: Path, most: int = MOST_CLOUDS) -> Iterator[PointCloud]:
    """At most so many clouds of a folder of cloud files, of one such file, or of a recording, from all over it.

    What cannot be read is told on stderr and left out. Raises BadRequest, BadBag where there is nothing to read.
    """
    files = _cloud_files(path)
    if not files:
        yield from _recorded(path, most)
        return
    for file in _spread(files, most):
        try:
            yield read_cloud_file(file).cloud
        except BadCloudFile as error:
            print(f"warning: left out: {error}", file=sys.stderr)


def _cloud_files(path: Path) -> list[Path]:
    if not path.exists():
        raise BadRequest(f"--clouds {path}: expected a folder of clouds or a recording, found nothing. Check the path.")
    if path.is_file():
        return [path] if path.name.lower().endswith(READABLE) else []
    try:
        return sorted(file for file in path.iterdir() if file.is_file() and file.name.lower().endswith(READABLE))
    except OSError as error:
        raise BadRequest(
            f"--clouds {path}: expected a readable folder, found: {error.strerror}. Check its permissions."
        ) from error


def _recorded(path: Path, most: int) -> Iterator[PointCloud]:
    from lidar_vl_core.bags.recording import open_recording

    with open_recording(path) as recording:
        step = max(1, -(-recording.cloud_count // most))
        for frame in recording.frames(with_views=False):
            if frame.index % step == 0:
                yield frame.cloud


def _spread(files: list[Path], most: int) -> list[Path]:
    step = max(1, -(-len(files) // most))
    return files[::step]
