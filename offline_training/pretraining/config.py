"""From keys to the configuration of a pre-training method; the methods are the modules of methods/. Recipes: configs/pretrain/*.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import load_overridden, validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.folder_members import by_name, folder_members
from offline_training.pretraining import methods
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.base.method import Method

METHODS: Mapping[str, Method[Any]] = by_name(folder_members(methods, "METHOD", Method), lambda method: method.name)
_UNNAMED = "olivine"  # of a configuration without `method`

# A checkpoint may go on with these changed: they say where and how a run is made, not what comes out.
FREE_ON_RESUME = frozenset({"out", "workers", "checkpoint_every", "pictures_every", "progress", "pair_cache"})


def load_pretrain_config(path: Path, overrides: Mapping[str, Any] | None = None) -> PretrainConfig:
    """Read a YAML file as load_config does, into the configuration of its method."""
    return pretrain_config_of(load_overridden(path, overrides or {}), str(path))


def pretrain_config_of(content: dict[str, Any], origin: str) -> PretrainConfig:
    """The configuration of the method that a mapping names.

    Raises BadConfig naming every wrong key, also those that this method does not have.
    """
    name = content.get("method", _UNNAMED)
    if not isinstance(name, str) or name not in METHODS:
        raise BadConfig(f"{origin}: method: expected one of {', '.join(METHODS)}, found {name!r}. Choose one of them.")
    model = METHODS[name].config
    foreign = [key for key in content if key not in model.model_fields]
    if foreign:
        told = "; ".join(f"{key}: {_who_has(key)}" for key in foreign)
        raise BadConfig(
            f"{origin}: expected keys of method {name}, found others: {told}. Remove them; {name} has "
            f"{', '.join(sorted(model.model_fields))}."
        )
    return validated(model, content, origin)


def _who_has(key: str) -> str:
    having = [name for name, method in METHODS.items() if key in method.config.model_fields]
    return f"a key of {', '.join(having)} only" if having else "no method has such a key"
