"""Numbers that no training can use are refused when the configuration is read, with the key, what was expected and what was found."""

import re
from pathlib import Path

import pytest
import yaml

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.cli.main import main
from offline_training.datasets.augment.point_augment import AugmentConfig
from offline_training.finetuning.config import FinetuneConfig
from offline_training.pretraining.config import pretrain_config_of
from offline_training.pretraining.views.pair_augment import PairAugmentConfig
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.words.settings.vlg_config import GuideConfig

SOURCE = {"kind": "pandaset", "folder": "x"}
PRETRAIN = {"out": "x", "train": [SOURCE], "method": "cleverdistiller", "max_steps": 2}

IMPOSSIBLE = [  # of a pre-training: what is written, what is told
    ({"learning_rate": -0.1}, "learning_rate: expected at least 0, found -0.1"),
    ({"weight_decay": -1.0}, "weight_decay: expected at least 0, found -1.0"),
    ({"checkpoint_every": 0}, "checkpoint_every: expected at least 1, found 0"),
    ({"threads": -1}, "threads: expected at least 0, found -1"),
    ({"workers": -2}, "workers: expected at least 0, found -2"),
    ({"seed": -1}, "seed: expected at least 0, found -1"),
    ({"max_image_width": 0}, "max_image_width: expected at least 1, found 0"),
    ({"image_size": [0, 10]}, "image_size.0: expected at least 1, found 0"),
    ({"image_size": [224]}, "image_size.1: expected a further value in the list, found [224]"),
    ({"norm_momentum": 2.0, "network": "res16unet_34c"}, "norm_momentum: expected at most 1, found 2.0"),
    ({"occupancy": {"weight": 0.0}}, "occupancy.weight: expected a number above 0, found 0.0"),
    ({"occupancy": True}, "occupancy: expected a mapping of names to values, found True"),
    ({"max_steps": 2.5}, "max_steps: expected a whole number, found 2.5"),
    ({"train": [{**SOURCE, "weight": "2"}]}, "train.0.pandaset.weight: expected a number, found '2'"),
    ({"augment": {"scale": [1.1, 0.9]}}, "augment.scale: expected a lower and an upper limit above 0"),
    ({"augment": {"flip_probability": 3.0}}, "augment.flip_probability: expected at most 1, found 3.0"),
]


@pytest.mark.parametrize(("written", "told"), IMPOSSIBLE, ids=[told.split(":")[0] for _, told in IMPOSSIBLE])
def test_a_pretraining_refuses_a_number_that_cannot_be(written: dict, told: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(told)):
        pretrain_config_of({**PRETRAIN, **written}, "c.yaml")


@pytest.mark.parametrize(
    ("model", "written", "told"),
    [
        (FinetuneConfig, {"out": "x", "train": [SOURCE], "max_steps": 1, "learning_rate": -1.0}, "learning_rate: expected"),
        (GuideConfig, {"weight_decay": -1.0}, "weight_decay: expected at least 0, found -1.0"),
        (WeakLabelConfig, {"out": "x", "source": []}, "source: expected at least 1 in the list, found []"),
        (AugmentConfig, {"mix_probability": -0.5}, "mix_probability: expected at least 0, found -0.5"),
        (PairAugmentConfig, {"crop_area": [0.0, 1.0]}, "crop_area: expected a lower and an upper limit above 0"),
    ],
)  # fmt: skip
def test_every_training_refuses_a_number_that_cannot_be(model: type, written: dict, told: str) -> None:
    with pytest.raises(BadConfig, match=re.escape(told)):
        validated(model, written, "c.yaml")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"train": []}, "train: expected at least one data set to train on, found none"),
        ({"out": ""}, "out: expected the folder of the run, found empty text"),
        ({"voxel_size": [0.0, 0.1, 0.1]}, "voxel_size: expected numbers above 0, found (0.0, 0.1, 0.1)"),
        ({"point_cloud_range": [9.0, 0.0, 0.0, -9.0, 1.0, 1.0]}, "point_cloud_range: expected minimum below maximum"),
        ({"features": []}, "found none"),
        ({"features": ["intensity", "colour"]}, "found intensity, colour"),
    ],
)
def test_a_run_that_cannot_be_built_is_refused_before_its_data_are_opened(
    written: dict, told: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**PRETRAIN, "allow_random_weights": True, **written}))
    assert main(["pretrain", "--config", str(tmp_path / "c.yaml")]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
