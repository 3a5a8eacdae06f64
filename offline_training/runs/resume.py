"""From which checkpoint a run goes on. Reads files."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.runs.checkpoint import Checkpoint, load_checkpoint, require_same_config


def checkpoint_to_resume(folder: Path, config: Config, resume: str, may_differ: Collection[str]) -> Checkpoint | None:
    """The checkpoint that a run goes on from, None where it begins; `resume` as finetune() and pretrain() take it.

    Raises BadCheckpoint when there is none to go on from, one that must not be touched, or one of another configuration.
    """
    exists = (folder / "last.json").is_file()
    if resume == "never" and exists:
        raise BadCheckpoint(f"{folder}: expected no checkpoint, found one. Choose another `out`, or resume.")
    if resume in ("auto", "never") and not exists:
        return None
    path = folder / f"{'last' if resume == 'auto' else resume}.json"
    start = load_checkpoint(path)
    stored = _completed(start.config, type(config))
    require_same_config(path, stored, config.model_dump(mode="json"), may_differ)
    return start


def _completed(stored: Mapping[str, Any], model: type[Config]) -> Mapping[str, Any]:
    """A checkpoint's configuration with the defaults of keys that came after it was written."""
    try:
        return validated(model, dict(stored), "checkpoint").model_dump(mode="json")
    except BadConfig:
        return stored  # of another command or version: compared as it is
