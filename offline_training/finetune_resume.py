"""From which checkpoint a fine-tuning goes on. Reads files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.config import validated
from lidar_vl_core.errors import BadCheckpoint, BadConfig
from offline_training.checkpoint import Checkpoint, load_checkpoint, require_same_config
from offline_training.finetune_config import FREE_ON_RESUME, FinetuneConfig


def checkpoint_to_resume(folder: Path, config: FinetuneConfig, resume: str) -> Checkpoint | None:
    """The checkpoint that a run goes on from, None where it begins; `resume` as finetune() takes it.

    Raises BadCheckpoint when there is none to go on from, one that must not be touched, or one of another configuration.
    """
    exists = (folder / "last.json").is_file()
    if resume == "never" and exists:
        raise BadCheckpoint(f"{folder}: expected no checkpoint, found one. Choose another `out`, or resume.")
    if resume in ("auto", "never") and not exists:
        return None
    path = folder / f"{'last' if resume == 'auto' else resume}.json"
    start = load_checkpoint(path)
    require_same_config(path, _completed(start.config), config.model_dump(mode="json"), FREE_ON_RESUME)
    return start


def _completed(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A checkpoint's configuration with the defaults of keys that came after it was written."""
    try:
        return validated(FinetuneConfig, dict(stored), "checkpoint").model_dump(mode="json")
    except BadConfig:
        return stored  # of another command or version: compared as it is
