"""A Ray Data job over the samples of some data sets, and an end to it when workers keep dying. Touches the network.

While a task is under way, OUT/.attempts/TASK holds a byte for each time it was begun.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import EngineUnavailable
from lidar_vl_core.foundation.optional_imports import require_packages

_SAMPLES_PER_TASK = 4  # done again when a worker dies; more where there would be more than _MOST_TASKS
_MOST_TASKS = 10_000  # that Ray Data keeps account of with ease
_ATTEMPTS_FOLDER = ".attempts"
_ATTEMPTS = 5  # at a task, by workers that die of it: Ray itself would go on for ever


def ray_rows(
    worker: type,
    arguments: Sequence[Any],
    samples: Sequence[int],
    workers: int,
    cpus_per_worker: float = 1,
    gpus_per_worker: float = 0.0,
) -> Iterator[dict[str, Any]]:
    """Rows of the columns that workers make of batches {"source": (n,), "sample": (n,)} of numbers, as they are done.

    worker: a class that is called with a batch; arguments: of its constructor. samples: of each data set, how many it
    has. Connects to the cluster of RAY_ADDRESS, else starts one on this machine. Raises EngineUnavailable.
    """
    require_packages("engine: ray", "ray")
    import ray
    import ray.data

    if not ray.is_initialized():
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
    """Where attempts are counted; every run counts anew."""
    shutil.rmtree(out / _ATTEMPTS_FOLDER, ignore_errors=True)
    (out / _ATTEMPTS_FOLDER).mkdir(exist_ok=True)
    try:
        yield
    finally:
        shutil.rmtree(out / _ATTEMPTS_FOLDER, ignore_errors=True)


def count_attempt(out: Path, samples: Sequence[tuple[int, int]]) -> Path:
    """Count one more attempt at a task, in the file that is returned; the worker removes it. Raises EngineUnavailable."""
    source, first = samples[0]
    attempts = out / _ATTEMPTS_FOLDER / f"{source}-{first}"
    with attempts.open("ab") as file:
        file.write(b".")
    if attempts.stat().st_size > _ATTEMPTS:
        raise EngineUnavailable(
            f"engine: ray: expected workers that keep running, found {_ATTEMPTS} that died of samples {first} to {samples[-1][1]} "
            f"of source {source}. To continue with the others, leave these out, or look at them with engine: local."
        )
    return attempts
