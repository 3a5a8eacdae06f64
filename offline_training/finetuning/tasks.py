"""Which task a configuration of a fine-tuning is of: its key `task`, without PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import load_overridden, validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import read_json
from lidar_vl_core.foundation.near_names import did_you_mean
from offline_training.finetuning.config import FinetuneConfig, ValidationConfig
from offline_training.finetuning.detection.config import DetectFinetuneConfig, DetectValidationConfig

SEGMENTATION, DETECTION = "segmentation", "detection"
TASKS = (SEGMENTATION, DETECTION)


def task_of(content: Mapping[str, Any], origin: str) -> str:
    """The task that a mapping names; segmentation where it names none. Raises BadConfig for another one."""
    task = content.get("task", SEGMENTATION)
    if task not in TASKS:
        raise BadConfig(
            f"{origin}: task: expected one of {', '.join(TASKS)}, found {task!r}.{did_you_mean(task, TASKS)}"
        )
    return str(task)


def load_finetune_config(
    path: Path, overrides: Mapping[str, Any] | None = None
) -> FinetuneConfig | DetectFinetuneConfig:
    """Read a YAML file as load_config does, into the configuration of its task."""
    return finetune_config_of(load_overridden(path, overrides or {}), str(path))


def finetune_config_of(content: dict[str, Any], origin: str) -> FinetuneConfig | DetectFinetuneConfig:
    """A mapping as the configuration of its task. Raises BadConfig naming every wrong key."""
    if task_of(content, origin) == DETECTION:
        return validated(DetectFinetuneConfig, content, origin)
    return validated(FinetuneConfig, content, origin)


def load_validation_config(
    path: Path, overrides: Mapping[str, Any] | None = None
) -> ValidationConfig | DetectValidationConfig:
    """The validation sets of a file of either task, in which nothing else need stand."""
    content, origin = load_overridden(path, overrides or {}), str(path)
    if task_of(content, origin) == DETECTION:
        return validated(DetectValidationConfig, content, origin)
    return validated(ValidationConfig, content, origin)


def checkpoint_task(path: Path) -> str:
    """The task of the run that wrote a checkpoint, from its description alone; segmentation where it does not tell."""
    described = path / "last.json" if path.is_dir() else path
    try:
        content = read_json(described)
    except (OSError, ValueError):
        return SEGMENTATION  # whoever loads it says what is wrong
    config = content.get("config") if isinstance(content, dict) else None
    return str(config.get("task", SEGMENTATION)) if isinstance(config, dict) else SEGMENTATION
