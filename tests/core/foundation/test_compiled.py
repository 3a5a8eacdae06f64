"""Compiled loops also run where nothing can be kept on disk."""

import numba

from lidar_vl_core.foundation.compiled import compiled


def _double(value: int) -> int:
    return 2 * value


def test_a_loop_is_kept_on_disk_where_there_is_a_place():
    assert compiled(_double)._cache.cache_path is not None


def test_without_a_place_to_keep_it_a_loop_is_compiled_at_each_start(monkeypatch):
    as_it_is = numba.njit

    def njit(cache: bool = False, **settings: bool):
        if cache:
            raise RuntimeError("cannot cache function '_double': no locator available for file 'x.py'")
        return as_it_is(**settings)

    monkeypatch.setattr(numba, "njit", njit)
    doubled = compiled(_double)
    monkeypatch.undo()  # numba compiles parts of its own by it
    assert doubled(21) == 42
    assert doubled._cache.cache_path is None
