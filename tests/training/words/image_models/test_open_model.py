"""Which image models a configuration can name: all that there are."""

from typing import get_args

import pytest

from lidar_vl_core.foundation.config import Config, validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models import open_model
from offline_training.words.image_models.base.config import ImageModelConfig

NEEDED = {"folder": "x", "adaptor": "x", "image_encoder": "x"}


class Run(Config):
    model: ImageModelConfig


def config_types():
    return get_args(get_args(ImageModelConfig)[0])


def test_every_model_that_can_be_opened_can_be_named_in_a_configuration():
    kinds = {get_args(each.model_fields["kind"].annotation)[0]: each for each in config_types()}
    assert set(kinds) == set(open_model._MODELS)
    for kind, each in kinds.items():
        needed = {
            name: NEEDED[name] for name, field in each.model_fields.items() if field.is_required() and name != "kind"
        }
        assert type(validated(Run, {"model": {"kind": kind, **needed}}, "here").model) is each


def test_keys_of_another_model_are_refused():
    with pytest.raises(BadConfig, match="reading: expected no such key"):
        validated(Run, {"model": {"kind": "radio", "folder": "x", "adaptor": "x", "reading": "plain"}}, "here")
