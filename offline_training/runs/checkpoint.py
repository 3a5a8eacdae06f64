"""Training checkpoints: tensors as safetensors, everything else as JSON; never half-written, never believed unchecked. Touches the disk.

    <folder>/last.json      -> step-00001200-<hash>.safetensors     newest
    <folder>/previous.json  -> step-00001000-<hash>.safetensors     the one before, should `last` be damaged
    <folder>/best.json      -> step-00000800-<hash>.safetensors     highest score so far

The JSON is replaced after its tensors are on the disk, so at every moment each name stands for a whole checkpoint.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from lidar_vl_core.foundation.errors import BadCheckpoint, BadRequest
from lidar_vl_core.foundation.files import remove_stray_temporaries, write_bytes, write_text
from lidar_vl_core.foundation.processes.held_locks import one_at_a_time

NAMES = ("last", "previous", "best")
AVERAGED, RAW = "ema", "network"  # prefixes of the two sets of weights of a network
_FORMAT = 1
_MOST_REPLACED = 10  # times that a checkpoint is looked for anew while a run replaces it
_KEYS = {"format", "step", "config", "state", "tensors", "tensors_sha256", "sha256"}
_KINDS = {"step": int, "config": dict, "state": dict, "tensors": str, "tensors_sha256": str}


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped."""

    step: int  # optimiser steps done
    tensors: Mapping[str, Tensor]  # weights and optimiser, by dotted name
    config: Mapping[str, Any]  # the run's configuration, JSON values
    state: Mapping[str, Any]  # small numbers: best score, scaler, counters


def save_checkpoint(folder: Path, checkpoint: Checkpoint, is_best: bool = False) -> Path:
    """Write a checkpoint as `last` (the former `last` becomes `previous`), and as `best` too where it is. Returns last.json.

    Raises BadRequest with the bytes needed when the disk is full or the folder cannot be written; what was there stays.
    """
    content = tensors_to_bytes(
        {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()}
    )
    digest = hashlib.sha256(content).hexdigest()
    tensors_path = folder / f"step-{checkpoint.step:08d}-{digest[:12]}.safetensors"
    described = {
        "format": _FORMAT,
        "step": checkpoint.step,
        "config": dict(checkpoint.config),
        "state": dict(checkpoint.state),
        "tensors": tensors_path.name,
        "tensors_sha256": digest,
    }
    described["sha256"] = _hash_of(described)
    text = json.dumps(described, indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(folder):
            write_bytes(tensors_path, content)
            last = folder / "last.json"
            if last.is_file() and last.read_text() != text:
                write_text(folder / "previous.json", last.read_text())
            write_text(last, text)
            if is_best:
                write_text(folder / "best.json", text)
            _remove_unreferenced(folder)
    except (OSError, BadRequest) as error:
        raise BadRequest(f"{folder}: a checkpoint needs {len(content)} bytes: {error}") from error
    return folder / "last.json"


def load_checkpoint(
    path: Path, config: Mapping[str, Any] | None = None, may_differ: Collection[str] = ()
) -> Checkpoint:
    """Read and verify a checkpoint by its JSON file, or the `last` one of a folder.

    Raises BadCheckpoint when a file is missing, cut or altered, saying which other checkpoint is whole; and, where
    `config` is given, when the checkpoint was made with another one, listing the differing keys; `may_differ` are free.
    """
    path = path / "last.json" if path.is_dir() else path
    try:
        checkpoint = _read_still_named(path)
    except BadCheckpoint as error:
        raise BadCheckpoint(f"{error} {_offer(path)}") from error.__cause__
    if config is not None:
        require_same_config(path, checkpoint.config, config, may_differ)
    return checkpoint


def weights_of(checkpoint: Checkpoint, prefix: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint under a prefix, without it; shapes as stored."""
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(f"{prefix}.")
    }


def clean_checkpoint_folder(folder: Path) -> int:
    """Remove what a killed writer left; returns how many files went. A folder that does not exist is clean.

    Raises BadCheckpoint.
    """
    if not folder.is_dir():
        return 0
    with one_at_a_time(folder):
        return remove_stray_temporaries(folder) + _remove_unreferenced(folder)


def _read_still_named(path: Path) -> Checkpoint:
    """Read a checkpoint, and the newer one when a writer has replaced it and removed its tensors meanwhile."""
    for _ in range(_MOST_REPLACED):
        before = _content(path)
        try:
            return _read(path)
        except BadCheckpoint:
            if _content(path) == before:
                raise
    return _read(path)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _read(path: Path) -> Checkpoint:
    described = _read_description(path)
    tensors_path = path.parent / described["tensors"]
    try:
        content = tensors_path.read_bytes()
    except OSError as error:
        raise BadCheckpoint(f"{tensors_path}: expected a readable file, found: {error.strerror}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != described["tensors_sha256"]:
        raise BadCheckpoint(
            f"{tensors_path}: expected sha256 {described['tensors_sha256'][:12]}..., found {found[:12]}... in "
            f"{len(content)} bytes: the file is truncated or altered."
        )
    try:
        tensors = tensors_from_bytes(content)
    except SafetensorError as error:
        raise BadCheckpoint(f"{tensors_path}: expected safetensors, found: {error}.") from error
    return Checkpoint(described["step"], tensors, described["config"], described["state"])


def _read_description(path: Path) -> dict[str, Any]:
    try:
        described = json.loads(path.read_bytes())
    except OSError as error:
        raise BadCheckpoint(f"{path}: expected a readable checkpoint, found: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{path}: expected JSON, found: {error}.") from error
    if not isinstance(described, dict) or set(described) != _KEYS or described["format"] != _FORMAT:
        raise BadCheckpoint(
            f"{path}: expected a checkpoint of format {_FORMAT} with the keys {', '.join(sorted(_KEYS))}."
        )
    expected = described.pop("sha256")
    if wrong := [key for key, kind in _KINDS.items() if not isinstance(described[key], kind)]:
        raise BadCheckpoint(f"{path}: {wrong[0]}: expected a value of another kind: the file was altered.")
    if expected != _hash_of(described) or Path(described["tensors"]).name != described["tensors"]:
        raise BadCheckpoint(f"{path}: expected sha256 {str(expected)[:12]}..., found another: the file was altered.")
    return described


def _hash_of(described: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _offer(path: Path) -> str:
    for name in NAMES:
        other = path.with_name(f"{name}.json")
        if other == path or not other.is_file():
            continue
        try:
            step = _read(other).step
        except BadCheckpoint:
            continue
        return f"{other} is intact (step {step}): use it instead."
    return "There is no intact checkpoint next to it: start again, or copy the folder again."


def require_same_config(
    path: Path, stored: Mapping[str, Any], asked: Mapping[str, Any], may_differ: Collection[str]
) -> None:
    """Raise BadCheckpoint listing the keys that differ between a checkpoint's configuration and the one asked for."""
    keys = sorted(key for key in {*stored, *asked} - {*may_differ} if stored.get(key) != asked.get(key))
    if keys:
        differences = "; ".join(f"{key}: {stored.get(key)!r} there, {asked.get(key)!r} here" for key in keys)
        raise BadCheckpoint(
            f"{path}: expected a checkpoint of this configuration, found one of another: {differences}. "
            "Use the configuration it was made with, or another output folder."
        )


def _remove_unreferenced(folder: Path) -> int:
    """Remove tensors that no checkpoint names, while nobody writes. The names are read last: what is written later stays."""
    found = list(folder.glob("step-*.safetensors"))
    kept = set()
    for name in NAMES:
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                kept.add(_read_description(path)["tensors"])
            except BadCheckpoint:
                return 0  # a damaged description: whose tensors are whose is for a person to find out
    unreferenced = [path for path in found if path.name not in kept]
    for path in unreferenced:
        path.unlink(missing_ok=True)
    return len(unreferenced)
