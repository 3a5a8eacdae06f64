"""Results that appear completely or not at all, and replace earlier ones only on request. Touches the disk."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.processes.staged_folder import clear_staged, staged_folder


@contextmanager
def result_folder(out: Path, names: Collection[str], overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary neighbour of `out` to fill; it takes the place of `out`, at once, only when all went well.

    names: the files a finished result holds; overwrite: an earlier result may go. Raises BadRequest where it may not, and
    where `out` is a file or a folder with anything else in it: somebody's data are never replaced.
    """
    try:
        clear_staged(out)
        require_replaceable(out, names, overwrite)
        _require_movable(out)
        with staged_folder(out) as staged:
            yield staged
            require_replaceable(out, names, overwrite)  # somebody may have come first
    except OSError as error:
        raise BadRequest(f"{out}: could not be written: {error}. Free space or choose another folder.") from error


def require_no_results(out: Path, overwrite: bool, option: str = "--out") -> None:
    """Raise BadRequest where a command's results already exist: a file, or a folder that is not empty.

    overwrite: they may be replaced; option: where they were asked for.
    """
    if overwrite or not _holds_something(out):
        return
    raise BadRequest(
        f"{option} {out}: holds results of {_newest(out)}. Give --overwrite to replace them, or another {option}."
    )


def require_place(out: Path, option: str = "--out") -> None:
    """Raise BadRequest, before any work, where no file can be written: a folder at `out`, or above it none or one without permission.

    option: where it was asked for.
    """
    try:
        is_folder = _exists(out) and out.is_dir()
        above = next((each for each in out.absolute().parents if _exists(each)), out)
    except OSError as error:
        raise BadRequest(
            f"{option} {out}: expected a place for a file, found: {error.strerror}. Choose another place."
        ) from error
    if is_folder:
        raise BadRequest(f"{option} {out}: expected the name of a file, found a folder. Name a file in it.")
    if not above.is_dir():
        raise BadRequest(f"{option} {out}: expected a folder at {above}, found a file. Choose another place.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadRequest(
            f"{option} {out}: expected a writable folder at {above}, found no permission. Choose another place."
        )


def require_apart(out: Path, source: Path) -> None:
    """Raise BadRequest where a result that takes the place of `out` would remove what it is made from."""
    if Path(os.path.realpath(source)).is_relative_to(os.path.realpath(out)):
        raise BadRequest(
            f"{out}: expected a folder for results alone, found {source}, which is read, in it. Choose another folder."
        )


def require_folder_place(out: Path, option: str = "--out") -> None:
    """Raise BadRequest, before any work, where no folder can be: a file there or above it, no permission, or no name of one.

    option: where it was asked for.
    """
    try:
        nearest = next(each for each in (out.absolute(), *out.absolute().parents) if _is_there(each))
    except (OSError, ValueError) as error:
        raise BadRequest(
            f"{option} {str(out)[:80]!r}: expected the name of a folder, found: {error}. Choose another place."
        ) from error
    if not nearest.is_dir():
        raise BadRequest(f"{option} {out}: expected a folder at {nearest}, found a file. Choose another place.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BadRequest(
            f"{option} {out}: expected a writable folder at {nearest}, found no permission. Choose another place."
        )


def require_replaceable(out: Path, names: Collection[str], overwrite: bool) -> None:
    """Raise BadRequest unless `out` is new, empty, or an earlier result of these files that may be replaced."""
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
    require_no_results(out, overwrite)


def _exists(path: Path) -> bool:
    """As far as one can look: what lies in a folder without permission counts as missing."""
    try:
        return path.exists()
    except PermissionError:
        return False


def _require_movable(out: Path) -> None:
    """Raise BadRequest for a folder that no other can take the place of."""
    if out.is_dir() and (os.path.ismount(out) or Path.cwd().is_relative_to(out.resolve())):
        raise BadRequest(
            f"{out}: expected a folder that the results can take the place of, found the current folder, one above it or a "
            f"mounted one. Name a new folder in it, such as {out / 'results'}."
        )


def _is_there(path: Path) -> bool:
    """Also for a link to nothing. Raises OSError, or ValueError, for what is no name of a file."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _holds_something(out: Path) -> bool:
    """An empty file, as mktemp leaves one, is no result; what must not be looked into is told where it is written."""
    try:
        return any(out.iterdir()) if out.is_dir() else out.exists() and out.stat().st_size > 0
    except PermissionError:
        return False


def _newest(out: Path) -> str:
    """When the latest of it was written, in local time."""
    written_s = max(path.lstat().st_mtime for path in ([out] if out.is_file() else out.iterdir()))
    return datetime.fromtimestamp(written_s).isoformat(" ", "minutes")
