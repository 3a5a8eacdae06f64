"""Which files of a folder in KITTI's layout are scans and labels, in what order, and which row of other files is a scan's."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from lidar_vl_core.foundation.errors import BadDataset

_MOST_FRAMES = 1_000_000  # of a sequence, more than a day; a longer number is a time, not a place


def scan_files(folder: Path, columns: int) -> list[Path]:
    """The *.bin of a folder in the order of their numbers, without hidden ones; [] where there are none.

    columns: of a row. Raises BadDataset for files of nuScenes, whose rows hold five.
    """
    found = sorted((path for path in _visible(folder) if path.suffix == ".bin"), key=_natural_order)
    if columns == 4 and (of_nuscenes := [path.name for path in found if path.name.endswith(".pcd.bin")]):
        raise BadDataset(
            f"{folder}: expected scans of 4 float32 a point, found {of_nuscenes[0]}, which nuScenes' scans of 5 are called. "
            "Write them with 4 columns, or give them names that end in .bin alone."
        )
    return found


def other_files(folder: Path) -> str:
    """What lies in a folder in which no scan was found, for an error."""
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in _visible(folder))
    rest = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"only {', '.join(names[:3])}{rest}" if names else "an empty folder"


def require_labels_fit(labels: Path, scans: Collection[str]) -> None:
    """Raise BadDataset where there are labels and none of them is named as a scan: they would all be passed over."""
    files = _visible(labels)
    known = set(scans)
    if any(path.suffix == ".label" and path.stem in known for path in files):
        return
    if meant := sorted(path.name for path in files if path.suffix == ".label" or path.stem in known):
        raise BadDataset(
            f"{labels}: expected labels named as the scans, such as {min(known)}.label, found {meant[0]}. "
            "Rename them, or move them away to read the scans without labels."
        )


def rows_of(scans: Sequence[str]) -> dict[str, int]:
    """Scan -> its row in times.txt and poses.txt: its number where every name is one, else its place among the scans."""
    if not are_numbered(scans):
        return {scan: row for row, scan in enumerate(scans)}
    return {scan: int(scan) for scan in scans}


def are_numbered(scans: Sequence[str]) -> bool:
    """Whether every scan has the number of its frame as its name, as KITTI's have."""
    if not all(scan.isdecimal() for scan in scans):
        return False
    numbers = {int(scan) for scan in scans}
    return len(numbers) == len(scans) and max(numbers, default=0) < _MOST_FRAMES


def _visible(folder: Path) -> list[Path]:
    """Files of a folder without those that systems put there, such as ._000000.bin; [] where there is no folder."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()]


def _natural_order(path: Path) -> tuple[list[str | int], str]:
    """frame_2 before frame_10."""
    parts = re.split(r"(\d+)", path.stem)
    return [int(part) if part.isdecimal() else part for part in parts], path.name
