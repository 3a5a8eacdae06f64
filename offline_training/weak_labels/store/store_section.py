"""One identity's section of a label store: a folder of PNGs by layer and content, and its write lock.

Touches the disk.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadLabels, BadRequest
from lidar_vl_core.foundation.files import read_json, remove_stray_temporaries, write_text
from offline_training.weak_labels.pictures.id_picture import decode_ids, read_head

COMMAND = "lidar-vl-train weak-label"
_LAYOUT = 1  # of the store's folder; versions never read each other's entries


def content_sha256(view: CameraView) -> str:
    """Hex SHA-256 that identifies an image: of its stored bytes, or of its decoded pixels if it has none."""
    if view.read_bytes is not None:
        return hashlib.sha256(view.read_bytes()).hexdigest()
    rgb = np.ascontiguousarray(view.load_rgb())
    return hashlib.sha256(f"pixels {rgb.shape}\n".encode() + rgb.tobytes()).hexdigest()


class StoreSection:
    """Entries of one identity."""

    def __init__(self, store: Path, kind: str, identity: Mapping[str, Any]) -> None:
        self.identity = {**identity, "layout": _LAYOUT}
        text = json.dumps(self.identity, sort_keys=True)
        self._store, self._kind = store, kind
        self.folder = store / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def announce(self) -> None:
        """Record this section's identity, and make it the one that is read from now on."""
        write_text(self.folder / "identity.json", json.dumps(self.identity, indent=1, sort_keys=True) + "\n")
        write_text(self._store / f"{self._kind}.json", json.dumps({"folder": self.folder.name}) + "\n")

    def path(self, layer: str, sha256: str) -> Path:
        """The file of one layer of an image."""
        return self.folder / layer / sha256[:2] / f"{sha256}.png"

    def texts(self, layers: Mapping[str, int], sha256: str, shape: tuple[int, int]) -> dict[str, dict[str, str]] | None:
        """Texts in the files of an entry by layer; None unless all are intact and of that size and depth."""
        found = {}
        for layer, bits in layers.items():
            try:
                head = read_head(self.path(layer, sha256).read_bytes())
            except OSError:
                return None
            if head is None or head.shape != shape or head.bits != bits:
                return None
            found[layer] = head.text
        return found

    def read(self, layer: str, view: CameraView) -> np.ndarray:
        """(H, W) ids of a view's image. Raises BadLabels if they are missing or damaged."""
        path = self.path(layer, content_sha256(view))
        what = f"{self._kind} of camera {view.name}{f' ({view.file})' if view.file else ''}"
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise BadLabels(
                f"{what}: expected {path}, found none. Run `{COMMAND}` over this data set with out={self._store}."
            ) from error
        except OSError as error:
            raise BadLabels(f"{what}: expected a readable {path}, found: {error}. Fix its permissions.") from error
        head = read_head(content)
        if head is None or head.shape != (view.camera.height, view.camera.width):
            found = "a damaged file" if head is None else f"{head.shape[1]}x{head.shape[0]}"
            raise BadLabels(
                f"{what}: expected a PNG of {view.camera.width}x{view.camera.height} pixels in {path}, found {found}. "
                f"Run `{COMMAND}` again: it replaces damaged files."
            )
        return decode_ids(content, what)


def open_section(store: Path, kind: str, identity: Mapping[str, Any] | None, to_read: bool) -> StoreSection | None:
    """The section of an identity or, for reading, the one the store names; None if there is none. Raises BadRequest."""
    if identity is not None:
        return StoreSection(store, kind, identity)
    if not to_read:
        return None
    try:
        name = read_json(store / f"{kind}.json")["folder"]
        known = read_json(store / str(name) / "identity.json")
        if not isinstance(known, dict):
            raise TypeError(f"{str(known)[:40]} as identity")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadRequest(
            f"{store}: expected readable {kind}.json and identity.json, found: {error}. Run `{COMMAND}` again."
        ) from error
    return StoreSection(store, kind, known)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder, shared with other writers; a writer that starts alone removes what killed ones left.

    Raises BadRequest where it cannot be written.
    """
    with _lock_file(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # others write, or the file system has no locks: temporary files may be in use
            pass
        else:
            for place, _, _ in os.walk(folder):
                remove_stray_temporaries(Path(place))
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def _lock_file(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / ".lock").open("ab")
    except OSError as error:
        raise BadRequest(f"{folder}: expected a writable folder, found: {error}. Choose another `out`.") from error
