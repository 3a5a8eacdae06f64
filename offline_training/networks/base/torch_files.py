"""Files that torch has saved, read as data: tensors, arrays and numbers. What would run code is refused by torch itself."""

import argparse
import datetime
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

_MOST_MEMBERS = 50_000  # a tensor each
_DTYPES = ("f2", "f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "?")
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
# What programs keep beside weights and cannot run anything: options, times and paths.
_HARMLESS: tuple[Callable[..., Any] | tuple[Callable[..., Any], str], ...] = (
    argparse.Namespace, datetime.datetime, datetime.date, datetime.timedelta,
    *((PurePosixPath, f"{module}.{name}") for name in _PATHS for module in ("pathlib", "pathlib._local")),
)  # fmt: skip


def load_as_data(path: Path) -> Any:  # noqa: ANN401 - whatever nesting the file has
    """What torch.save wrote, on the CPU: tensors, numpy's arrays and scalars, containers, options, times and paths.

    Raises what torch raises for a file that is damaged or holds anything else, and ValueError for an archive that unpacks to
    more than it is long.
    """
    _require_plain_archive(path)
    globals_of_data = [*_numpy_globals(), *_HARMLESS]
    with warnings.catch_warnings(), torch.serialization.safe_globals(globals_of_data):
        warnings.simplefilter("ignore")  # torch's, of kinds of tensors that it will give up
        return torch.load(path, map_location="cpu", weights_only=True)


def _require_plain_archive(path: Path) -> None:
    """torch stores its archives uncompressed; one that is not, or whose members overlap, could fill the memory."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > _MOST_MEMBERS or size > path.stat().st_size:
        raise ValueError(f"an archive of {len(members)} members that unpacks to {size} bytes")


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
