"""Weak labels against pictures, and against workers of Ray. Needs the recordings that tests use (LIDAR_VL_TEST_DATA)."""

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation.config import validated
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.weak_labels.job_parts import all_views, open_labeler, open_sources, open_store
from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.ray_job import ray_rows
from offline_training.weak_labels.store.label_store import LabelStore
from tests.bench.scaling.axis import Axis, Ratio, speed_up
from tests.bench.scaling.recordings import ESPNET
from tests.bench.training.label_cache import Brightest, make_pictures

_PICTURES = (1, 2, 3, 5, 7)
_MANY_PICTURES = 600
_RAY_SAMPLES = (200, 400, 800, 1600, 3200)
_RAY_WORKERS, _RAY_REPEATS = 2, 4


def pictures(folder: Path) -> list[Axis]:
    """Time and bytes of ESPNet's labels of PandaSet's pictures, by the local engine with one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds, stored = [], []
    try:
        with tempfile.TemporaryDirectory() as out:
            for number, count in enumerate((1, *_PICTURES)):  # the first one warms up
                job = _espnet_job(folder, Path(out) / str(number))
                started_s = time.process_time()
                made = _label(job, count)
                seconds.append(time.process_time() - started_s)
                stored.append(sum(path.stat().st_size for path in Path(job.out).rglob("*") if path.is_file()) / 1e6)
                if made != count:
                    raise RuntimeError(f"expected {count} pictures labelled, found {made}.")
    finally:
        torch.set_num_threads(threads)
    x = tuple(map(float, _PICTURES))
    how = "weak-label with ESPNet on PandaSet's pictures of 1920 x 1080, one thread, from opening the data to the last PNG"
    return [
        Axis("pictures labelled: time", "pictures", "CPU s", x, tuple(seconds[1:]), how),
        Axis("pictures labelled: bytes", "pictures", "MB of labels", x, tuple(stored[1:]), how),
    ]


def memory_of_pictures() -> list[Axis]:
    """Resident memory while many small pictures go through the label store."""
    resident_mb: list[float] = []

    def note() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident_mb.append(pages * os.sysconf("SC_PAGESIZE") / 2**20)

    with tempfile.TemporaryDirectory() as folder:
        views, labeler = make_pictures(Path(folder) / "pictures", _MANY_PICTURES), Brightest()
        store = LabelStore(Path(folder) / "labels", labeler.identity(), load_ontology("nuscenes16"))
        label_views(views, labeler, store, threads=1, on_progress=note)
    steps = np.linspace(_MANY_PICTURES // 4, _MANY_PICTURES, 10).astype(int)
    y = tuple(float(np.median(resident_mb[step - 30 : step])) for step in steps)
    how = f"label_views() over {_MANY_PICTURES} pictures of 160 x 90 with a labeler that costs nothing"
    return [Axis("pictures labelled: memory", "pictures", "MB", tuple(map(float, steps)), y, how)]


def ray_samples() -> list[Axis]:
    """What Ray Data itself takes for each sample and task."""
    wall_s = [_ray_seconds(count, 1, 0.0) for count in (_RAY_SAMPLES[0], *_RAY_SAMPLES)][1:]
    how = "ray_rows() as the engine `ray` calls it, one worker that does nothing, four samples a task"
    return [Axis("samples by Ray: time", "samples", "s", tuple(map(float, _RAY_SAMPLES)), tuple(wall_s), how)]


def ray_workers() -> Ratio:
    """Two workers against one, with work of 50 ms of processor time a sample."""
    samples, work_s = 64, 0.05
    alone, together = [], []
    for _ in range(_RAY_REPEATS):
        alone.append(_ray_seconds(samples, 1, work_s))
        together.append(_ray_seconds(samples, _RAY_WORKERS, work_s))
    how = f"{samples} samples of {1e3 * work_s:.0f} ms by ray_rows(), {_RAY_REPEATS} times each in turn; wall time"
    return speed_up("Ray workers", alone, together, _RAY_WORKERS, how)


def _ray_seconds(samples: int, workers: int, work_s: float) -> float:
    """From the first to the last row, so that starting actors does not count."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    moments_s = [time.perf_counter() for _ in ray_rows(_Busy, (work_s,), [samples], workers)]
    return (moments_s[-1] - moments_s[0]) * samples / max(len(moments_s) - _first_task(samples), 1)


def _first_task(samples: int) -> int:
    """Rows that were there when the clock began."""
    return min(4, samples - 1)


class _Busy:
    """A worker that takes so much processor time for each sample."""

    def __init__(self, work_s: float) -> None:
        self._work_s = work_s

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        ends_s = time.process_time() + self._work_s * len(batch["sample"])
        while self._work_s and time.process_time() < ends_s:
            np.sin(np.arange(2000.0))
        return {"sample": batch["sample"]}


def _espnet_job(folder: Path, out: Path) -> WeakLabelConfig:
    return validated(
        WeakLabelConfig,
        {
            "out": str(out),
            "source": [{"kind": "pandaset", "folder": str(folder / "pandaset_002")}],
            "labeler": {"kind": "espnet", "weights": str(folder / ESPNET)},
            "batch_size": 2,
            "progress": False,
        },
        "benchmark",
    )


def _label(job: WeakLabelConfig, count: int) -> int:
    views = [view for view, _ in zip(all_views(open_sources(job)), range(count), strict=False)]
    labeler = open_labeler(job)
    store = open_store(job, labeler, None)
    return label_views(views, labeler, store, None, job.batch_size, 1).made
