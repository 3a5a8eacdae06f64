"""How loops are compiled: without the GIL, cached on disk where possible, once for arrays of a type."""

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import DTypeLike

LoopT = TypeVar("LoopT", bound=Callable)


def compiled(loop: LoopT) -> LoopT:
    """Compile a function with numba, from its first call on; later processes load what this one compiled.

    A service without a home, run from a read-only installation, has no place for that: it compiles at each start.
    """
    from numba import njit  # here, as configurations are read without it

    try:
        return cast(LoopT, njit(cache=True, nogil=True)(loop))
    except RuntimeError:  # numba: "no locator available"
        return cast(LoopT, njit(nogil=True)(loop))


def read_only(array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """The array, in its shape, contiguous, as a view that cannot be written.

    Loops are compiled anew for arrays that differ in this. A decoded message is read-only: without this view its first
    arrival would wait for the compiler.
    """
    view = np.require(array, dtype, ("C_CONTIGUOUS", "ALIGNED")).view()
    view.flags.writeable = False
    return view
