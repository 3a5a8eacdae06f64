"""Text tables as files: text_table.npz, plain arrays without code. Reads and writes files."""

import io
from pathlib import Path

import numpy as np

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.foundation.plain_arrays import load_plain_arrays
from lidar_vl_core.words.text_table import TextTable

_MAX_BYTES = 1 << 30  # a million prompts of CLIP's width would not fit a robot's memory either


def write_text_table(path: Path, table: TextTable) -> None:
    """Write a table, whole or not at all."""
    write_bytes(Path(path), text_table_bytes(table))


def read_text_table(path: Path) -> TextTable:
    """Read a table. Raises BadTextTable for anything that is not a text table."""
    path = Path(path)
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_BYTES else b""
    except OSError as error:
        raise BadTextTable(f"{path}: expected a text table, found: {error.strerror}. Check the path.") from error
    if size > _MAX_BYTES:
        raise BadTextTable(f"{path}: expected at most {_MAX_BYTES} bytes, found {size}. It is not a text table.")
    return text_table_of_bytes(content, str(path))


def text_table_bytes(table: TextTable) -> bytes:
    """The content of text_table.npz; equal tables give equal bytes."""
    threshold = np.nan if table.unknown_threshold is None else table.unknown_threshold
    buffer = io.BytesIO()
    np.savez(
        buffer,
        name=np.array(table.name),
        names=np.array(table.names),
        prompts=np.array(table.prompts),
        class_of_prompt=table.class_of_prompt,
        embeddings=table.embeddings,
        is_sink=table.is_sink,
        logit_scale=np.array(table.logit_scale, np.float64),
        unknown_threshold=np.array(threshold, np.float64),
        text_space=np.array(table.text_space),
        colors_rgb=table.colors_rgb,
    )
    return buffer.getvalue()


def text_table_of_bytes(content: bytes, origin: str) -> TextTable:
    """The table in the content of a text_table.npz. Raises BadTextTable naming `origin`."""
    try:
        arrays = load_plain_arrays(io.BytesIO(content), _MAX_BYTES)
        threshold = float(arrays["unknown_threshold"])
        return TextTable(
            _words(arrays["names"]),
            _words(arrays["prompts"]),
            arrays["class_of_prompt"],
            arrays["embeddings"],
            arrays["is_sink"],
            float(arrays["logit_scale"]),
            None if np.isnan(threshold) else threshold,
            str(arrays["text_space"]),
            arrays["colors_rgb"],
            str(arrays["name"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadTextTable(
            f"{origin}: expected a text table (.npz of plain arrays), found: {' '.join(str(error).split())[:160]}. "
            "Write it with write_text_table()."
        ) from error


def _words(array: np.ndarray) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError(f"words as {array.dtype} of shape {array.shape}")
    return tuple(array.tolist())
