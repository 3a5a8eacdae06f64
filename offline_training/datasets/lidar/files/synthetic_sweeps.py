"""A synthetic sweep on disk: one file, coordinates in steps of 4 mm. Touches the disk."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import atomic_writer

FRAME = "lidar_top"
_STEP_M = 0.004  # coordinates are kept as int16 steps: +-131 m, error at most 2 mm


def write_sweep(path: Path, cloud: PointCloud) -> None:
    """Keep a sweep with its labels and rings."""
    with atomic_writer(path) as handle:
        np.savez(
            handle,
            xyz_steps=np.clip(np.round(cloud.xyz_m / _STEP_M), -32767, 32767).astype(np.int16),
            intensity=np.round(cloud.intensity * 255).astype(np.uint8),
            label=cloud.extra["label"],
            ring=cloud.extra["ring"].astype(np.uint8),
            stamp_ns=np.int64(cloud.stamp_ns),
        )


def read_sweep(path: Path) -> PointCloud:
    """A kept sweep; raises BadDataset, naming the file, when it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return PointCloud(
                xyz_m=stored["xyz_steps"].astype(np.float32) * np.float32(_STEP_M),
                intensity=stored["intensity"].astype(np.float32) / np.float32(255),
                stamp_ns=int(stored["stamp_ns"]),
                frame_id=FRAME,
                extra={"label": stored["label"], "ring": stored["ring"].astype(np.uint16)},
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadDataset(
            f"{path}: expected a cached synthetic sweep, found: {error}. Delete the file; it will be made again."
        ) from error
