"""The features of a run: where they lie, how its configuration is known again, and of which image model they have to be."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.words.text_table import TextTable
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_text import text_space_of
from offline_training.words.settings.vlg_config import VlgConfig

SPECIALISED = "specialised"  # folder of a run with the features that passed its adapter
SPECIALISE = "lidar-vl-train specialise"  # what fills it
_NOT_DECIDING = {"store", "engine", "ray_workers", "ray_gpus_per_worker", "batch_size"}  # of ExtractConfig


def open_features(config: VlgConfig) -> FeatureStore:
    """The features that `extract-features` has made with this configuration, for reading.

    No model is loaded: the store knows the configuration again. Raises BadDataset where there are none.
    """
    return FeatureStore(config.features_folder, alias=configuration_alias(config))


def deciding_options(config: VlgConfig) -> dict[str, Any]:
    """The options of the back-projection and the storage that decide over the features."""
    return config.extract.model_dump(mode="json", exclude=_NOT_DECIDING)


def configuration_alias(config: VlgConfig) -> str:
    """The name by which a store knows the configuration of model and extraction again."""
    asked = {"model": config.model.model_dump(mode="json"), "extract": deciding_options(config)}
    return f"of-{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]}"


def require_features_of(features: FeatureStore, table: TextTable) -> None:
    """Raise BadTextTable for features of another image model than the one that gives the words."""
    found = text_space_of(features.identity["model"])
    if found != table.text_space:
        raise BadTextTable(
            f"{features.folder}: expected features of the model that gives the words, {table.text_space}, found those of "
            f"{found}: the model was changed since. Run `lidar-vl-train extract-features` with this configuration."
        )


def target_features(config: VlgConfig) -> FeatureStore:
    """The features that stage 3 learns: specialised, or as they are. Raises BadDataset naming the command that makes them."""
    if not config.specialise.enabled:
        return open_features(config)
    return FeatureStore(Path(config.out) / SPECIALISED, command=SPECIALISE)
