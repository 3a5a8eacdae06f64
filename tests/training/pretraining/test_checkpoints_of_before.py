"""A pre-training goes on from a checkpoint of a version that did not have some keys yet: their defaults are what it did."""

from pathlib import Path
from typing import Any

import pytest
import torch

import offline_training
from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.pretraining.base.config import PretrainConfig
from offline_training.pretraining.config import FREE_ON_RESUME, load_pretrain_config
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from offline_training.runs.resume import checkpoint_to_resume

RECIPES = sorted((Path(offline_training.__file__).parent / "configs" / "pretrain").glob("*.yaml"))
LATER = ("order", "intensity_scales", "occupancy")


def stored_before(run: PretrainConfig) -> dict[str, Any]:
    """What a checkpoint lists: all keys, whatever the recipe gives, but those that a later version brought."""
    return {key: value for key, value in run.model_dump(mode="json").items() if key not in LATER}


def resumed(folder: Path, stored: dict[str, Any], run: PretrainConfig) -> Checkpoint | None:
    save_checkpoint(folder, Checkpoint(7, {"network.weight": torch.zeros(2)}, stored, {}))
    return checkpoint_to_resume(folder, run, "auto", FREE_ON_RESUME, ("epochs", "max_steps"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_goes_on_from_a_checkpoint_without_keys_that_came_later(tmp_path, path):
    run = load_pretrain_config(path).model_copy(update={key: PretrainConfig.model_fields[key].default for key in LATER})
    start = resumed(tmp_path, stored_before(run), run)
    assert start is not None
    assert start.step == 7


def test_what_differs_from_the_default_of_a_later_key_is_another_configuration(tmp_path):
    run = load_pretrain_config(RECIPES[0].with_stem("synthetic"), {"occupancy": {"weight": 0.5}})
    with pytest.raises(BadCheckpoint, match="found one of another: occupancy: None there"):
        resumed(tmp_path, stored_before(run), run)
