"""Paired scans cached on disk, so that later epochs neither decode images nor project points. Touches the disk.

A PandaSet frame with weak labels and superpixels takes 300 ms to load and pair, 10 ms from this cache at a width of 480
pixels.

    FOLDER/<hash of the identity>/
      identity.json what the scans were made from, for human readers
      <hash of the key>.npz
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lidar_vl_core.foundation.files import atomic_writer, write_text
from offline_training.pretraining.views.bounded_folder import BoundedFolder
from offline_training.pretraining.views.paired_scan import PairedScan

_VERSION = 1  # increase it when the same identity yields other scans, so that cached ones are replaced
_ARRAYS = ("xyz_m", "intensity", "point_index", "image_index", "pixel_uv", "weak_class")
_OPTIONAL = ("class_id", "segment")
_PICTURES = ("images", "superpixels")


class PairCache:
    """Caches the results of `make` by key; a damaged file is replaced.

    Once the folder holds max_bytes, further scans are made each time.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], max_bytes: int = 20_000_000_000) -> None:
        """identity: everything that determines the scans besides their key, as JSON: data set, options of pair_scan, label store."""
        self._identity = json.dumps({"version": _VERSION, **identity}, sort_keys=True, indent=1)
        self._folder = Path(folder) / _short_hash(self._identity)
        self._room = BoundedFolder(self._folder, "*.npz", max_bytes)

    def scan(self, key: str, make: Callable[[], PairedScan]) -> PairedScan:
        """The scan of that key, made now if it is not cached. key: unique within an identity, for instance the sample's name."""
        path = self._folder / f"{_short_hash(key)}.npz"
        kept = _read(path)
        if kept is not None:
            return kept
        made = make()
        if self._room.takes(_bytes_of(made)):
            self._write(path, made)
            self._room.wrote(path)
        return made

    def _write(self, path: Path, scan: PairedScan) -> None:
        if not self._folder.exists():
            write_text(self._folder / "identity.json", self._identity + "\n")
        with atomic_writer(path) as handle:
            np.savez(handle, allow_pickle=False, **_arrays_of(scan))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _bytes_of(scan: PairedScan) -> int:
    return sum(array.nbytes for array in _arrays_of(scan).values())


def _arrays_of(scan: PairedScan) -> dict[str, np.ndarray]:
    """The arrays of a scan by name; its images, which may differ in size, one by one."""
    arrays = {name: getattr(scan, name) for name in (*_ARRAYS, *_OPTIONAL) if getattr(scan, name) is not None}
    for name in _PICTURES:
        for number, picture in enumerate(getattr(scan, name) or ()):
            arrays[f"{name}_{number}"] = picture
    return arrays | {"has_superpixels": np.array(scan.superpixels is not None)}


def _read(path: Path) -> PairedScan | None:
    """The scan in a file; None if it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        images, superpixels = (_pictures(arrays, name) for name in _PICTURES)
        known: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        known |= {name: arrays.get(name) for name in _OPTIONAL}
        return PairedScan(**known, images=images, superpixels=superpixels if arrays["has_superpixels"] else None)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _pictures(arrays: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, ...]:
    count = sum(key.startswith(f"{name}_") for key in arrays)
    return tuple(arrays[f"{name}_{number}"] for number in range(count))
