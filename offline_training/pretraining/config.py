"""From keys to the configuration of a pre-training method, without PyTorch; keys/ has them. Recipes: configs/pretrain/*.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.config import load_overridden, validated
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.folder_members import by_name, folder_members
from lidar_vl_core.foundation.near_names import did_you_mean
from offline_training.pretraining import keys
from offline_training.pretraining.base.config import PretrainConfig

CONFIG_OF: Mapping[str, type[PretrainConfig]] = by_name(
    folder_members(keys, "CONFIG", type), lambda config: str(config.model_fields["method"].default)
)
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
    if not isinstance(name, str) or name not in CONFIG_OF:
        raise BadConfig(
            f"{origin}: method: expected one of {', '.join(CONFIG_OF)}, found {name!r}. Choose one of them."
            f"{did_you_mean(name, CONFIG_OF)}"
        )
    model = CONFIG_OF[name]
    foreign = [key for key in content if key not in model.model_fields]
    if foreign:
        told = "; ".join(f"{key}: {_who_has(key)}" for key in foreign)
        raise BadConfig(
            f"{origin}: expected keys of method {name}, found others: {told}. Remove them; {name} has "
            f"{', '.join(sorted(model.model_fields))}.{did_you_mean(foreign[0], model.model_fields)}"
        )
    return validated(model, content, origin)


def _who_has(key: str) -> str:
    having = [name for name, config in CONFIG_OF.items() if key in config.model_fields]
    return f"a key of {', '.join(having)} only" if having else "no method has such a key"
