"""Loads the configuration of a pre-training method without PyTorch; keys/ defines the keys.

Recipes: configs/pretrain/*.yaml.
"""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import load_overridden, validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean
from offline_training.pretraining import keys
from offline_training.pretraining.base.config import PretrainConfig

METHOD_NAMES = tuple(
    sorted(module.name for module in pkgutil.iter_modules(keys.__path__))
)  # one module each, with this name
_UNNAMED = "olivine"  # of a configuration without `method`
_RENAMED = {"picture_cache": "image_cache", "pictures_every": "images_every"}  # since 0.2.0

# A run may resume with these changed: they say where and how it runs, not what it computes.
FREE_ON_RESUME = frozenset({"out", "checkpoint_every", "images_every", "progress", "pair_cache", "image_cache"})


def load_pretrain_config(path: Path, overrides: Mapping[str, Any] | None = None) -> PretrainConfig:
    """Read a YAML file, like load_config, into the configuration of its method."""
    return pretrain_config_of(load_overridden(path, overrides or {}), str(path))


def pretrain_config_of(content: dict[str, Any], origin: str) -> PretrainConfig:
    """The configuration of the method that a mapping names.

    Raises BadConfig naming every wrong key, including keys of other methods.
    """
    name = content.get("method", _UNNAMED)
    if name not in METHOD_NAMES:
        raise BadConfig(
            f"{origin}: method: expected one of {', '.join(METHOD_NAMES)}, found {name!r}."
            f"{did_you_mean(name, METHOD_NAMES)}"
        )
    model = _config_of(name)
    foreign = [key for key in content if key not in model.model_fields]
    if foreign:
        told = "; ".join(f"{key}: {_who_has(key)}" for key in foreign)
        raise BadConfig(
            f"{origin}: expected keys of method {name}, found others: {told}. Remove them; the keys of {name} are "
            f"{', '.join(sorted(model.model_fields))}."
            f"{'' if foreign[0] in _RENAMED else did_you_mean(foreign[0], model.model_fields)}"
        )
    return validated(model, content, origin)


def _config_of(name: str) -> type[PretrainConfig]:
    """The configuration class of one method, without importing the others."""
    config: type[PretrainConfig] = import_module(f"{keys.__name__}.{name}").CONFIG
    return config


def _who_has(key: str) -> str:
    if key in _RENAMED:
        return f"now {_RENAMED[key]}"
    having = [name for name in METHOD_NAMES if key in _config_of(name).model_fields]
    return f"only a key of {', '.join(having)}" if having else "no method has such a key"
