"""How loops are compiled: without the GIL, and cached on disk where possible."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

LoopT = TypeVar("LoopT", bound=Callable)


def compiled(loop: LoopT) -> LoopT:
    """Compile a function with numba, from its first call on; later processes load what this one compiled.

    A service without a home, run from a read-only installation, has no place for that: it compiles at each start.
    """
    try:
        return cast(LoopT, njit(cache=True, nogil=True)(loop))
    except RuntimeError:  # numba: "no locator available"
        return cast(LoopT, njit(nogil=True)(loop))
