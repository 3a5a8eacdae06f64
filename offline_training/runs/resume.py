"""From which checkpoint a run resumes, and how the configuration in a checkpoint, also an older one, is read. Reads files."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.datasets.data_sources import SPECS
from offline_training.runs.checkpoint import NAMES, Checkpoint, load_checkpoint, require_same_config
from offline_training.runs.run_config import HOW_MANY_WORK

_SOURCES = ("train", "validation")
_log = logging.getLogger(__name__)
ConfigT = TypeVar("ConfigT", bound=Config)


def checkpoint_to_resume(
    folder: Path, config: Config, resume: str, may_differ: Collection[str], lengths: Collection[str] = ()
) -> Checkpoint | None:
    """The checkpoint that a run resumes from, None where it begins; `resume` as finetune() and pretrain() take it.

    may_differ: keys that decide over no number, beside how many threads and processes work; lengths: dotted keys that say how long the run is, of which another value
    makes the same run longer or shorter, and is told. Raises BadCheckpoint when there is none to resume from, one that must not be touched, or one of another configuration.
    """
    exists = (folder / "last.json").is_file()
    if resume == "never" and exists:
        raise BadCheckpoint(f"{folder}: expected no checkpoint, found one. Choose another `out`, or resume.")
    if resume in ("auto", "never") and not exists:
        _require_none(folder)
        return None
    path = folder / f"{'last' if resume == 'auto' else resume}.json"
    start = load_checkpoint(path)
    stored = _completed(start.config, type(config))
    asked = config.model_dump(mode="json")
    values = ((key, _value(stored, key), _value(asked, key)) for key in lengths)
    changed = [key for key, there, here in values if there != here and None not in (there, here)]
    for key in changed:
        _log.warning(
            "resumes at step %d with %s %s in place of %s; from here on the learning rate follows a run of that length",
            start.step, key, _value(asked, key), _value(stored, key),
        )  # fmt: skip
    require_same_config(path, _without(stored, changed), _without(asked, changed), HOW_MANY_WORK | {*may_differ})
    return start


def _require_none(folder: Path) -> None:
    """Raise BadCheckpoint for a folder that has lost its newest checkpoint: a run that began anew would replace the others."""
    if others := [name for name in NAMES if (folder / f"{name}.json").is_file()]:
        raise BadCheckpoint(
            f"{folder}: expected last.json beside {others[0]}.json, found none. Copy {others[0]}.json to last.json to resume from "
            "it, or choose another `out`."
        )


def _value(content: Mapping[str, Any], dotted: str) -> Any:  # noqa: ANN401
    for key in dotted.split("."):
        content = content.get(key, {}) if isinstance(content, Mapping) else {}
    return content


def _without(content: Mapping[str, Any], dotted_keys: Collection[str]) -> dict[str, Any]:
    """The mapping without some values, which may lie in mappings inside."""
    kept = dict(content)
    for dotted in dotted_keys:
        key, _, inner = dotted.partition(".")
        if inner and isinstance(kept.get(key), Mapping):
            kept[key] = _without(kept[key], [inner])
        else:
            kept.pop(key, None)
    return kept


def stored_config(model: type[ConfigT], stored: Mapping[str, Any], origin: str) -> ConfigT:
    """The configuration in a checkpoint, with the defaults of keys that came after it was written. Raises BadConfig.

    Checkpoints used to list the keys of all data sets at each of them, and of all methods of pre-training: what a data set
    or method does not have never did anything, and is left out; so are keys that do nothing under the others not refused.
    """
    return validated(model, _own_keys(model, stored), origin, stored=True)


def _own_keys(model: type[Config], stored: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in stored.items() if "method" not in stored or key in model.model_fields}
    return {**own, **{key: [_of_data_set(source) for source in own[key]] for key in _SOURCES if key in own}}


def _of_data_set(source: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that the data set has; all where there is no such data set."""
    known = next((spec.source.model_fields for spec in SPECS if spec.kind == source.get("kind")), source)
    return {key: value for key, value in source.items() if key in known}


def _completed(stored: Mapping[str, Any], model: type[Config]) -> Mapping[str, Any]:
    """As stored_config() reads it."""
    try:
        return stored_config(model, stored, "checkpoint").model_dump(mode="json")
    except BadConfig:
        return _own_keys(model, stored)  # of another command or version: compared as it is
