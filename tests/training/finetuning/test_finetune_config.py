"""Configurations of fine-tuning: the committed ones are read, wrong ones are refused before training."""

from pathlib import Path

import pytest
import yaml

import offline_training
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import load_config
from lidar_vl_core.foundation.errors import BadConfig, LidarVlError
from offline_training.cli.main import main
from offline_training.datasets.data_sources import open_source
from offline_training.export.description import CardText
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.finetune import finetune
from offline_training.runs.backbones import preparer_of
from tests.training.finetuning.rooms import config, settings

pytestmark = pytest.mark.usefixtures("rooms_for_training")

CONFIGS = Path(offline_training.__file__).parent / "configs"
COMMITTED = sorted((CONFIGS / "finetune").glob("*.yaml"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda p: p.stem)
def test_a_committed_configuration_can_be_read(path):
    run = load_config(FinetuneConfig, path)
    assert len(run.class_table) > 1
    assert preparer_of(run)
    assert min(run.grid.shape) > 0


def test_the_committed_card_and_test_sets_can_be_read():
    load_config(CardText, CONFIGS / "export" / "demo_card.yaml")
    assert load_config(FinetuneConfig, CONFIGS / "evaluate" / "demo_test.yaml").validation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "resnet"}, "expected one of minkunet_14a"),
        ({"planes": [16] * 7}, "eight numbers"),
        ({"classes": "animals"}, "animals"),
        ({"features": ["colour"]}, "colour"),
        ({"sparse_form": "torchsparse"}, "sparse_form"),
        ({"sparse_form": "triton"}, "sparse_form: expected triton and a CUDA device"),
    ],
)
def test_a_wrong_configuration_is_refused_before_training(tmp_path, change, message):
    with pytest.raises(LidarVlError, match=message):
        finetune(config(tmp_path, **change))


def test_an_unknown_sensor_of_the_synthetic_streets_is_refused():
    source = {"kind": "synthetic", "folder": "unused", "lidar": "sonar"}
    run = config(Path("unused"), train=[source])
    with pytest.raises(BadConfig, match="sonar"):
        open_source(run.train[0], class_table("nuscenes16"))


def test_a_wrong_value_on_the_command_line_is_one_line_and_exit_code_two(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings(tmp_path / "out")))
    assert main(["finetune", "--config", str(path), "learning_rate=fast"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "learning_rate" in error
    assert not (tmp_path / "out").exists()
