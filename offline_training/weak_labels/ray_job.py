"""A Ray Data job over the samples of some data sets, which ends if workers keep dying. Touches the network.

While a task is running, OUT/.attempts/TASK holds one byte for each time it was started.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.foundation.optional_imports import require_packages

_SAMPLES_PER_TASK = 4  # samples per task, repeated if a worker dies; more if there would be more than _MOST_TASKS
_MOST_TASKS = 10_000  # number of tasks that Ray Data can manage easily
_ATTEMPTS_FOLDER = ".attempts"
_ATTEMPTS = 5  # attempts at a task whose workers die; Ray itself would never stop


def ray_rows(
    worker: type,
    arguments: Sequence[Any],
    samples: Sequence[int],
    workers: int,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Yield rows of the columns that workers return for batches {"source": (n,), "sample": (n,)} of numbers, as they finish.

    worker: a class that is called with a batch; arguments: of its constructor. samples: number of samples of each data
    set. Connects to the cluster of RAY_ADDRESS, else starts one on this machine. Raises EngineUnavailable.
    """
    require_packages("engine: ray", "ray")
    import ray
    import ray.data

    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else a cluster reports its use to Ray's maker
        ray.init(include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    items = [{"source": source, "sample": sample} for source, count in enumerate(samples) for sample in range(count)]
    tasks = min(-(-len(items) // _SAMPLES_PER_TASK), _MOST_TASKS)
    done = ray.data.from_items(items, override_num_blocks=tasks).map_batches(
        worker,
        fn_constructor_args=tuple(arguments),
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=min(workers, tasks)),
        num_cpus=cpus_per_worker,
        num_gpus=gpus_per_worker,
    )
    try:
        yield from done.iter_rows()
    except ray.exceptions.RayError as error:
        raise EngineUnavailable(
            f"engine: ray: expected workers that keep running, found: {str(error).strip().splitlines()[-1]}. What they had made "
            "is kept: run the command again; engine: local shows what one sample does."
        ) from error


@contextmanager
def attempts_folder(out: Path) -> Iterator[None]:
    """The folder in which attempts are counted, emptied by every run."""
    shutil.rmtree(out / _ATTEMPTS_FOLDER, ignore_errors=True)
    (out / _ATTEMPTS_FOLDER).mkdir(exist_ok=True)
    try:
        yield
    finally:
        shutil.rmtree(out / _ATTEMPTS_FOLDER, ignore_errors=True)


def count_attempt(out: Path, samples: Sequence[tuple[int, int]]) -> Path:
    """Count an attempt at a task in the returned file, which the worker removes at the end.

    Raises EngineUnavailable.
    """
    source, first = samples[0]
    attempts = out / _ATTEMPTS_FOLDER / f"{source}-{first}"
    with attempts.open("ab") as file:
        file.write(b".")
    if attempts.stat().st_size > _ATTEMPTS:
        raise EngineUnavailable(
            f"engine: ray: expected workers that keep running, found {_ATTEMPTS} that died of samples {first} to "
            f"{samples[-1][1]} "
            f"of source {source}. Leave these out to continue with the others, or examine them with engine: local."
        )
    return attempts
