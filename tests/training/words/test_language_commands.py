"""The three commands of 3DSS-VLG: what they print, and what they say where a stage before them was left out."""

import json
import signal

import pytest

from offline_training.cli.main import main
from offline_training.words.stages.guidance import guiding_run
from offline_training.words.stages.guidance.guide import guide
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from tests.training.words.stages.tiny_language import tiny_config, use_tiny_world, write_tiny_features


def test_the_three_stages_run_one_after_the_other_and_say_which_one_is_missing(tmp_path, monkeypatch, capsys):
    use_tiny_world(monkeypatch)
    config = tiny_config(tmp_path / "run", guide={"max_steps": 1})
    path = tmp_path / "vlg.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json")))  # JSON is YAML

    def told(command, *more):
        code = main([command, "--config", str(path), *more])
        return code, capsys.readouterr()

    def refused(command, missing):
        code, said = told(command)
        assert code == 2
        assert f"lidar-vl-train {missing}" in said.err
        assert said.err.count("\n") == 1

    refused("pseudo-label", "extract-features")
    refused("guide", "extract-features")
    write_tiny_features(config)
    refused("guide", "pseudo-label")
    refused("specialise", "pseudo-label")
    for command, result in (
        ("pseudo-label", tmp_path / "run" / "pseudo_labels" / "statistics.json"),
        ("specialise", tmp_path / "run" / "specialised"),
        ("guide", tmp_path / "run" / "guide" / "checkpoints" / "last.json"),
    ):
        code, said = told(command, "specialise.epochs=2")
        assert code == 0, said.err
        assert str(result) in said.out
        assert result.exists()


def test_a_checkpoint_of_words_is_sent_to_the_command_that_asks_it(tmp_path, monkeypatch, capsys):
    use_tiny_world(monkeypatch)
    config = tiny_config(tmp_path / "run", guide={"max_steps": 1}, specialise={"enabled": False})
    write_tiny_features(config)
    pseudo_label(config)
    checkpoint = guide(config)
    assert main(["evaluate", str(checkpoint)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "lidar-vl-train evaluate-language" in said


def test_ctrl_c_in_a_training_is_told_and_has_the_code_of_shells(tmp_path, monkeypatch, capsys):
    use_tiny_world(monkeypatch)
    config = tiny_config(tmp_path / "run", guide={"max_steps": 2}, specialise={"enabled": False})
    path = tmp_path / "vlg.yaml"
    path.write_text(json.dumps(config.model_dump(mode="json")))
    write_tiny_features(config)
    pseudo_label(config)

    def pressed(*_):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(guiding_run.Guiding, "training_step", pressed)
    try:
        assert main(["guide", "--config", str(path)]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["pseudo-label", "specialise", "guide"])
def test_an_unknown_key_is_named(tmp_path, capsys, command):
    path = tmp_path / "vlg.yaml"
    path.write_text("out: x\ntrain: []\nmodel: {kind: toy, folder: y}\n")
    assert main([command, "--config", str(path), "guide.wrong=1"]) == 2
    assert "guide.wrong" in capsys.readouterr().err
