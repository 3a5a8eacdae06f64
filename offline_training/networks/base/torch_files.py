"""Files that torch has saved, read as data: tensors, arrays and numbers. What would run code is refused by torch itself."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

_DTYPES = ("f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "?")


def load_as_data(path: Path) -> Any:  # noqa: ANN401 - whatever nesting the file has
    """What torch.save wrote, on the CPU: tensors, numpy's arrays and scalars, containers, and the options of a command line.

    Raises what torch raises for a file that is damaged or holds anything else.
    """
    with torch.serialization.safe_globals([*_numpy_globals(), argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _numpy_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What pickled arrays and scalars need, under the names of numpy 2 and of numpy 1."""
    from numpy._core import multiarray  # numpy 1.26 has it too

    dtypes = [type(np.dtype(name)) for name in _DTYPES]
    functions = [
        (getattr(multiarray, name), f"numpy.{core}.multiarray.{name}")
        for name in ("_reconstruct", "scalar")
        for core in ("core", "_core")
    ]
    return [np.ndarray, np.dtype, *dtypes, *functions]
