"""Precomputed text embeddings from a file: only its own prompts are known. Reads files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import read_json, sha256_of
from lidar_vl_core.foundation.plain_arrays import load_plain_array
from lidar_vl_core.words.prompts import same_words, unknown_prompt
from lidar_vl_core.words.text_table_file import read_text_table
from offline_training.datasets.base.saved_arrays import as_array, load_saved_arrays

_MAX_BYTES = 1 << 30
_CLIP_LOGIT_SCALE = 100.0  # a bare array does not store one


class TextRows:
    """Embeddings of unit length, by prompt."""

    def __init__(self, prompts: Sequence[str], rows: np.ndarray, logit_scale: float, sha256: str) -> None:
        """prompts: P; rows: (P, C) of any length but zero."""
        self.channels, self.logit_scale = rows.shape[1], logit_scale
        self._prompts, self._sha256 = tuple(prompts), sha256
        self._place = {same_words(prompt): place for place, prompt in enumerate(prompts)}
        self._rows = F.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)

    def identity(self) -> dict[str, Any]:
        """The file's hash."""
        return {"model": "text_rows", "sha256": self._sha256}

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows. Raises UnknownPrompt listing the known prompts."""
        if missing := [prompt for prompt in prompts if same_words(prompt) not in self._place]:
            raise unknown_prompt(missing, self._prompts, "Use words that it contains, or write a file with these.")
        return self._rows[[self._place[same_words(prompt)] for prompt in prompts]]


def read_text_rows(path: Path, names: Path | None) -> TextRows:
    """Read a text_table.npz, or a .npy or .pt (P, C) whose prompts `names` lists as JSON.

    Raises BadDataset, or BadTextTable for an invalid .npz.
    """
    if path.suffix == ".npz":
        table = read_text_table(path)
        return TextRows(table.prompts, table.embeddings, table.logit_scale, sha256_of(path))
    try:
        rows = _matrix(path)
        listed = None if names is None else read_json(names)
    except (OSError, ValueError, EOFError) as error:
        raise BadDataset(
            f"{path}: expected text embeddings and the JSON list of their prompts, found: {error}. Check both files."
        ) from error
    return TextRows(_fitting_names(path, rows, listed), rows, _CLIP_LOGIT_SCALE, sha256_of(path))


def _matrix(path: Path) -> np.ndarray:
    if path.suffix == ".pt":
        return as_array(load_saved_arrays(path, "a matrix (P, C)"))
    return load_plain_array(path, _MAX_BYTES)


def _fitting_names(path: Path, rows: np.ndarray, names: Any) -> list[str]:  # noqa: ANN401 - whatever the file holds
    """The names; raises BadDataset unless each row has a name of its own, and is finite and not zero."""
    listed = isinstance(names, list) and all(isinstance(name, str) and name.strip() for name in names)
    shaped = rows.ndim == 2 and rows.dtype.kind == "f" and rows.size > 0
    if not listed or not shaped or len({same_words(name) for name in names}) != len(rows) or len(names) != len(rows):
        found = f"{len(names)} names" if listed else "no list of names"
        raise BadDataset(
            f"{path}: expected a matrix (P, C) of floats and a JSON list of P different prompts as text_names, found "
            f"{rows.shape} {rows.dtype} and {found}. Give both, or a text_table.npz."
        )
    length = np.linalg.norm(rows.astype(np.float64), axis=1)
    if not np.isfinite(length).all() or (length == 0).any():
        bad = names[int(np.flatnonzero(~np.isfinite(length) | (length == 0))[0])]
        raise BadDataset(
            f"{path}: expected finite rows other than zero, found an invalid one for {bad!r}. Write the file again."
        )
    return names
