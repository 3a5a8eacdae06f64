"""The features of a run: where they are, how its configuration is recognised, and which image model they must come from."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.words.text_table import TextTable
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_text import text_space_of
from offline_training.words.settings.vlg_config import VlgConfig

SPECIALISED = "specialised"  # folder of a run, for the features after its adapter
SPECIALISE = "lidar-vl-train specialise"  # the command that fills it
_NOT_DECIDING = {"store", "engine", "ray_workers", "ray_gpus_per_worker", "batch_size"}  # of ExtractConfig


def open_features(config: VlgConfig) -> FeatureStore:
    """The features that `extract-features` made with this configuration, for reading.

    No model is loaded: the store recognises the configuration. Raises BadDataset if there are none.
    """
    return FeatureStore(config.features_folder, alias=configuration_alias(config))


def deciding_options(config: VlgConfig) -> dict[str, Any]:
    """The options of back-projection and storage that determine the features."""
    return config.extract.model_dump(mode="json", exclude=_NOT_DECIDING)


def configuration_alias(config: VlgConfig) -> str:
    """The name by which a store recognises a configuration of model and extraction."""
    asked = {"model": config.model.model_dump(mode="json"), "extract": deciding_options(config)}
    return f"of-{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]}"


def require_features_of(features: FeatureStore, table: TextTable) -> None:
    """Raise BadTextTable for features of another image model than the one that embeds the words."""
    found = text_space_of(features.identity["model"])
    if found != table.text_space:
        raise BadTextTable(
            f"{features.folder}: expected features of the model that embeds the words, {table.text_space}, found "
            f"features of {found}: the model has changed since. Run `lidar-vl-train extract-features` with this configuration."
        )


def target_features(config: VlgConfig) -> FeatureStore:
    """The features that stage 3 learns: specialised, or unchanged.

    Raises BadDataset naming the command that makes them.
    """
    if not config.specialise.enabled:
        return open_features(config)
    return FeatureStore(Path(config.out) / SPECIALISED, command=SPECIALISE)
