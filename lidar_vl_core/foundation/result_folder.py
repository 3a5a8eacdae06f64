"""A folder of results that appears whole or not at all. Touches the disk."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lidar_vl_core.foundation.errors import BadRequest


@contextmanager
def result_folder(out: Path, names: Collection[str]) -> Iterator[Path]:
    """Give a temporary neighbour of `out` to fill; it takes the place of `out` only when all went well.

    names: the files a finished result holds. Raises BadRequest where `out` is a file, or a folder with anything else in
    it: only an earlier result is replaced, never somebody's data.
    """
    _require_replaceable(out, names)
    prefix = f".{out.name}."
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_strays(out.parent, prefix)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=prefix, suffix=".tmp"))
    except OSError as error:
        raise BadRequest(
            f"{out}: expected a place that can be written, found: {error}. Choose another folder."
        ) from error
    try:
        staged = temporary / "new"
        staged.mkdir()
        yield staged
        if out.exists():
            os.replace(out, temporary / "old")
        os.replace(staged, out)
    except OSError as error:
        raise BadRequest(f"{out}: could not be written: {error}. Free space or choose another folder.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _require_replaceable(out: Path, names: Collection[str]) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir() or out.is_symlink():
        raise BadRequest(
            f"{out}: expected a new folder for the results, found a file or a link. Choose another folder."
        )
    others = sorted(entry.name for entry in out.iterdir() if entry.name not in names)
    if others:
        raise BadRequest(
            f"{out}: expected a new folder or an earlier result ({', '.join(sorted(names))}), "
            f"found {', '.join(others[:4])}. Choose another folder."
        )


def _remove_strays(parent: Path, prefix: str) -> None:
    """What a killed run left here, unless that run may still be at work: then it is younger than a day."""
    import time

    for stray in parent.glob(f"{prefix}*.tmp"):
        if stray.is_dir() and time.time() - stray.stat().st_mtime > 86_400:
            shutil.rmtree(stray, ignore_errors=True)
