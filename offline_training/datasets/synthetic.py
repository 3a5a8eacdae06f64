"""SyntheticDataset: labelled LiDAR sweeps of synthetic streets, cached on disk. Touches the disk."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.errors import BadDataset
from lidar_vl_core.files import atomic_writer
from lidar_vl_core.labels import NUSCENES_16, ClassTable
from lidar_vl_core.point_cloud import PointCloud
from offline_training.datasets.sample import Sample
from offline_training.datasets.synthetic_lidar import LidarSpec, sweep

VERSION = 2  # raise it when the same seed gives other points, so that cached frames are made anew
_STEP_M = 0.004  # coordinates are kept as int16 steps: +-131 m, error at most 2 mm


class SyntheticDataset:
    """`frames_per_seed` sweeps, `gap_s` apart, of the street of every seed; the LiDAR is random per frame unless given."""

    classes: ClassTable = NUSCENES_16

    def __init__(
        self,
        seeds: Sequence[int],
        frames_per_seed: int,
        cache_folder: Path,
        lidar: LidarSpec | None = None,
        gap_s: float = 1.2,
    ) -> None:
        self._seeds, self._frames_per_seed, self._gap_s = tuple(seeds), frames_per_seed, gap_s
        self._folder, self._lidar = cache_folder, lidar

    def __len__(self) -> int:
        return len(self._seeds) * self._frames_per_seed

    def __getitem__(self, index: int) -> Sample:
        """The sweep with its labels; a street that is not in the cache yet is made and kept."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index}: the data set has {len(self)}")
        seed, frame = self._seeds[index // self._frames_per_seed], index % self._frames_per_seed
        path = self._path(seed, frame)
        if not path.exists():
            self._make(seed)
        cloud = _read(path)
        return Sample(f"synthetic_{seed:05d}_{frame:03d}", cloud, np.asarray(cloud.extra["label"]), self.classes)

    def prepare(self, workers: int = 1, on_progress: Callable[[int], None] | None = None) -> None:
        """Make all missing sweeps, in `workers` processes; `on_progress` hears how many sweeps a finished street has."""
        missing = [
            seed
            for seed in self._seeds
            if not all(self._path(seed, frame).exists() for frame in range(self._frames_per_seed))
        ]
        if on_progress:
            on_progress((len(self._seeds) - len(missing)) * self._frames_per_seed)
        if workers <= 1 or len(missing) <= 1:
            for seed in missing:
                self._make(seed)
                if on_progress:
                    on_progress(self._frames_per_seed)
            return
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from multiprocessing import get_context

        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(self._make, seed) for seed in missing]):
                future.result()
                if on_progress:
                    on_progress(self._frames_per_seed)

    def _spec(self, seed: int, frame: int) -> LidarSpec:
        return self._lidar or LidarSpec.random(np.random.default_rng([seed, 3, frame]))

    def _path(self, seed: int, frame: int) -> Path:
        identity = json.dumps([VERSION, seed, frame, self._gap_s, asdict(self._spec(seed, frame))], sort_keys=True)
        return self._folder / f"{seed:05d}_{frame:03d}_{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"

    def _make(self, seed: int) -> None:
        from offline_training.datasets.synthetic_layout import build_world
        from offline_training.datasets.synthetic_scene import Scene

        scene = Scene(build_world(seed))
        for frame in range(self._frames_per_seed):
            path = self._path(seed, frame)
            if path.exists():
                continue
            time_s = frame * self._gap_s
            rng = np.random.default_rng([seed, 2, frame])
            _write(path, sweep(scene, self._spec(seed, frame), time_s, round(time_s * 1e9), rng))


def _write(path: Path, cloud: PointCloud) -> None:
    with atomic_writer(path) as handle:
        np.savez(
            handle,
            xyz_steps=np.clip(np.round(cloud.xyz_m / _STEP_M), -32767, 32767).astype(np.int16),
            intensity=np.round(cloud.intensity * 255).astype(np.uint8),
            label=cloud.extra["label"],
            ring=cloud.extra["ring"].astype(np.uint8),
            stamp_ns=np.int64(cloud.stamp_ns),
        )


def _read(path: Path) -> PointCloud:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return PointCloud(
                xyz_m=stored["xyz_steps"].astype(np.float32) * np.float32(_STEP_M),
                intensity=stored["intensity"].astype(np.float32) / np.float32(255),
                stamp_ns=int(stored["stamp_ns"]),
                frame_id="lidar_top",
                extra={"label": stored["label"], "ring": stored["ring"].astype(np.uint16)},
            )
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BadDataset(
            f"{path}: expected a cached synthetic sweep, found: {error}. Delete the file; it is made anew."
        ) from error
