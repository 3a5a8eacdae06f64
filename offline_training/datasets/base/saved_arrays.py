"""Files that torch has saved with arrays of torch or numpy in them, read without running what they contain."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset

_DTYPES = ("f2", "f4", "f8", "u1", "u2", "u4", "i1", "i2", "i4", "i8", "?")
_WHAT_DAMAGE_LEADS_TO = (OSError, RuntimeError, UnpicklingError, EOFError, ValueError, KeyError, TypeError,
                         AttributeError, IndexError, zipfile.BadZipFile)  # fmt: skip


def load_saved_arrays(path: Path, expected: str) -> Any:  # noqa: ANN401 - whatever nesting the file has
    """What torch.save wrote: tensors, on the CPU wherever they were saved, numpy arrays, tuples, lists, dicts and numbers.

    expected: what the file should hold, for the error. Raises BadDataset for a damaged file, and for anything else in it.
    """
    import torch  # here, so that the data sets are listed without it

    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _WHAT_DAMAGE_LEADS_TO as error:
        found = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise BadDataset(
            f"{path}: expected {expected} saved by torch, found: {found}. It is damaged, or holds more than arrays and "
            "is not opened for that: save the arrays alone."
        ) from error


def as_array(values: Any) -> np.ndarray:  # noqa: ANN401
    """A tensor, an array or a list as an array."""
    import torch

    return values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _numpy_globals() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What pickled arrays need, also under the names that numpy had before version 2."""
    from numpy._core import multiarray

    dtypes = [type(np.dtype(name)) for name in _DTYPES]
    old = [(getattr(multiarray, name), f"numpy.core.multiarray.{name}") for name in ("_reconstruct", "scalar")]
    return [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype, *dtypes, *old]
