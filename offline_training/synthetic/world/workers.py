"""Synthetic scenes made in several processes, for the data sets that keep them."""

from collections.abc import Callable, Iterator, Sequence


def made_scenes(make: Callable[[int], None], seeds: Sequence[int], workers: int) -> Iterator[int]:
    """Make the scene of each seed and yield the seed once it is made; in `workers` processes the order may change.

    The ray caster holds Python's lock, so that only processes make it faster. `make` must be picklable.
    """
    if workers <= 1 or len(seeds) <= 1:
        for seed in seeds:
            make(seed)
            yield seed
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        seed_of = {pool.submit(make, seed): seed for seed in seeds}
        for future in as_completed(seed_of):
            future.result()
            yield seed_of[future]
