"""Files that torch has saved with arrays of torch or numpy in them, read without running what they contain."""

from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset


def load_saved_arrays(path: Path, expected: str) -> Any:  # noqa: ANN401 - whatever nesting the file has
    """What torch.save wrote: tensors, on the CPU wherever they were saved, numpy arrays, tuples, lists, dicts and numbers.

    expected: what the file should hold, for the error. Raises BadDataset for a damaged file, and for anything else in it.
    """
    from offline_training.networks.base.torch_files import (
        load_as_data,  # here, so that data sets are listed without torch
    )

    try:
        return load_as_data(path)
    except Exception as error:  # a damaged file calls for whatever its bytes say, unknown encodings among it
        found = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise BadDataset(
            f"{path}: expected {expected} saved by torch, found: {found}. It is damaged, or holds more than arrays and "
            "is not opened for that: save the arrays alone."
        ) from error


def as_array(values: Any) -> np.ndarray:  # noqa: ANN401
    """A tensor, an array or a list as an array of the same shape."""
    import torch

    return values.detach().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
