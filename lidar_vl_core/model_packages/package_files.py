"""Folders whose files are verified by hashes in a manifest that contains its own hash. Touches the disk."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lidar_vl_core.foundation.config import load_yaml
from lidar_vl_core.foundation.errors import BadModelPackage, LidarVlError, shortened
from lidar_vl_core.model_packages.manifest_text import steering_character

MANIFEST = "manifest.yaml"
REPAIR = "Copy the package again, or export it again with `lidar-vl-train export`."
_SEAL = "manifest_sha256: "  # last line of the manifest: hash of all bytes above it
_MAX_MANIFEST_BYTES = 200_000  # parsed in seconds
_MAX_TEXT_BYTES = 1_000_000  # of a card: a thousand pages
_MAX_FILE_BYTES = 2_000_000_000  # a protobuf cannot be larger


@contextmanager
def as_bad_package(origin: object) -> Iterator[None]:
    """Any error inside that a damaged or hostile package causes becomes BadModelPackage naming `origin`."""
    try:
        yield
    except (LidarVlError, ImportError):
        raise
    except Exception as error:
        raise BadModelPackage(
            f"{origin}: expected a readable, runnable package, found: {type(error).__name__}: {shortened(error)}. "
            f"{REPAIR}"
        ) from error


def sealed_manifest(fields: dict[str, Any]) -> bytes:
    """The content of a manifest file, its own hash in the last line."""
    body = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=120).encode()
    return body + _seal(body)


def read_sealed_manifest(path: Path) -> dict[str, Any]:
    """Fields of a manifest file. Raises BadModelPackage where it changed after export, BadConfig where it is not a mapping."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_MANIFEST_BYTES + 1)
        if len(content) > _MAX_MANIFEST_BYTES:
            raise BadModelPackage(f"{path}: expected at most {_MAX_MANIFEST_BYTES} bytes, found more. {REPAIR}")
        body = content[: content.rindex(_SEAL.encode())]
    except (OSError, ValueError) as error:
        raise BadModelPackage(
            f"{path}: expected a manifest with its own hash in the last line, found none. {REPAIR}"
        ) from error
    expected, found = _seal(body), content[len(body) :]
    if found != expected:
        raise BadModelPackage(
            f"{path}: expected the last line {expected.decode().strip()!r}, found {found[:90]!r}: the manifest changed "
            f"after export. {REPAIR}"
        )
    fields = load_yaml(path)
    fields.pop(_SEAL.split(":")[0], None)
    return fields


def require_plain_files(path: Path) -> None:
    """Raise BadModelPackage for links and folders inside, and where there is no manifest."""
    entries = list(path.iterdir())
    odd = sorted(entry.name for entry in entries if entry.is_symlink() or not entry.is_file())
    if odd:
        raise BadModelPackage(f"{path}: expected plain files, found links or folders {shortened(odd)}. {REPAIR}")
    names = sorted(entry.name for entry in entries)
    if MANIFEST not in names:
        raise BadModelPackage(f"{path}: expected {MANIFEST}, found {shortened(names[:8])}. {REPAIR}")


def require_exact_files(path: Path, expected: frozenset[str]) -> None:
    """Raise BadModelPackage for a file that is missing or additional."""
    found = {entry.name for entry in path.iterdir()}
    if found != expected:
        raise BadModelPackage(
            f"{path}: expected exactly {sorted(expected)}, found missing {sorted(expected - found)} and "
            f"additional {shortened(sorted(found - expected))}. {REPAIR}"
        )


def verified(path: Path, sha256: str) -> bytes:
    """The content of a file. Raises BadModelPackage unless it has this hash."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise BadModelPackage(f"{path}: expected less than 2 GB, found {path.stat().st_size} bytes. {REPAIR}")
        content = path.read_bytes()
    except OSError as error:
        raise BadModelPackage(f"{path}: expected a readable file, found: {error.strerror}. {REPAIR}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise BadModelPackage(
            f"{path}: expected sha256 {sha256[:12]}..., found {found[:12]}...: the file changed after export. {REPAIR}"
        )
    return content


def text_of(content: bytes, path: Path) -> str:
    """The text of a file. Raises BadModelPackage where it is too long, not UTF-8, or contains control characters."""
    if len(content) > _MAX_TEXT_BYTES:
        raise BadModelPackage(f"{path}: expected at most {_MAX_TEXT_BYTES} bytes, found {len(content)}. {REPAIR}")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BadModelPackage(f"{path}: expected text in UTF-8, found: {shortened(error)}. {REPAIR}") from error
    steering = steering_character(text, prose=True)
    if steering is not None:
        raise BadModelPackage(f"{path}: expected text without control characters, found {steering}. {REPAIR}")
    return text


def require_equal(pairs: Mapping[str, tuple[object, object]], origin: str) -> None:
    """Raise BadModelPackage where an entry of the manifest differs from the model file."""
    for name, (expected, found) in pairs.items():
        if expected != found:
            raise BadModelPackage(
                f"{origin}: expected, from the manifest, {name} {shortened(expected)}, found {shortened(found)} in model.onnx. {REPAIR}"
            )


def _seal(body: bytes) -> bytes:
    return f"{_SEAL}{hashlib.sha256(body).hexdigest()}\n".encode()
