"""A toy vision-language model of three steps, and configurations of tiny trainings."""

import pytest

from lidar_vl_core.foundation.config import validated
from offline_training.toys.toy_language import ToyLanguageConfig, train_toy_language


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Configurations of tiny trainings that share their two rendered rooms."""
    rooms = {"kind": "synthetic_rooms", "folder": str(tmp_path_factory.mktemp("rooms"))}
    rooms |= {"views_per_room": 3, "image_width": 64}

    def make(out, **changes):
        settings = {
            "out": str(out),
            "train": [rooms | {"first_seed": 1}],
            "test": [rooms | {"first_seed": 2}],
            "steps": 3,
            "pictures_per_step": 2,
            "cells_per_region": 8,
        }
        return validated(ToyLanguageConfig, settings | changes, "test")

    return make


@pytest.fixture(scope="session")
def toy(tmp_path_factory, recipe):
    """Folder of a toy of three steps: it knows its words and nothing of what they mean."""
    return train_toy_language(recipe(tmp_path_factory.mktemp("toy")))
