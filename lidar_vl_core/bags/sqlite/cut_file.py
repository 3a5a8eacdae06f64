"""A truncated sqlite3 file, padded to the length its header gives."""

import os
import shutil
import struct
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from lidar_vl_core.foundation.errors import BadBag

_HEADER_BYTES = 100
_LONGEST_CUT_BYTES = 1 << 26  # of the message that was being written where the file ends


def filled_up(path: Path, stack: ExitStack) -> list[Path]:
    """Two copies of a cut file, as long as it should be; SQLite refuses a short one, but reads around damaged pages."""
    missing = _missing_bytes(path)
    if not missing:
        return []
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="lidar_vl_bag_")))
    copies = [folder / f"{fill}_{path.name}" for fill in (0, 255)]
    size, tail = path.stat().st_size, min(missing, _LONGEST_CUT_BYTES)
    try:
        if shutil.disk_usage(folder).free // 2 < len(copies) * (size + tail):
            raise OSError(
                f"less than twice the {len(copies) * (size + tail)} bytes of two copies free in {folder.parent}"
            )
        for copy, fill in zip(copies, (b"\0", b"\xff"), strict=True):
            shutil.copyfile(path, copy)
            with copy.open("ab") as handle:
                handle.write(fill * tail)
            os.truncate(copy, size + missing)  # zeros that take no room on the disk
    except OSError as error:
        raise BadBag(
            f"{path}: expected room for copies of the truncated file, found: {error}. Point TMPDIR to a larger disk."
        ) from error
    return copies


def _missing_bytes(path: Path) -> int:
    """How much shorter the file is than its own header says; 0 for files so old that it does not say."""
    with path.open("rb") as handle:
        head = handle.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES:
            raise BadBag(
                f"{path}: expected an sqlite3 header of {_HEADER_BYTES} bytes, found {len(head)}. "
                "The file was cut off: copy it again."
            )
        page_size, pages = struct.unpack_from(">H", head, 16)[0], struct.unpack_from(">I", head, 28)[0]
        if page_size != 1 and (page_size < 512 or page_size & (page_size - 1)):  # sqlite will say so
            return 0
        return max((65536 if page_size == 1 else page_size) * pages - handle.seek(0, 2), 0)
