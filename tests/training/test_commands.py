"""What lidar-vl-train answers to a newcomer: before it works for long, and where something is not installed."""

import sys

import pytest
import yaml

from offline_training.cli.main import main


def test_a_missing_folder_is_told_before_synthetic_streets_are_made(tmp_path, capsys):
    made = {"kind": "synthetic", "folder": str(tmp_path / "made")}
    content = {"out": str(tmp_path / "out"), "train": [made, {"kind": "pandaset", "folder": str(tmp_path / "none")}]}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    for command in (["finetune"], ["pretrain", "teacher_weights=none.pth"]):
        assert main([command[0], "--config", str(tmp_path / "c.yaml"), "max_steps=1", *command[1:]]) == 2
        assert "none: expected the data set pandaset" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_missing_validation_set_is_told_before_the_training(tmp_path, capsys):
    made = {"kind": "synthetic", "folder": str(tmp_path / "made")}
    absent = {"kind": "pandaset", "folder": str(tmp_path / "none")}
    content = {"out": str(tmp_path / "out"), "train": [made], "validation": [absent], "validate_every": 1}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
    assert main(["finetune", "--config", str(tmp_path / "c.yaml"), "max_steps=1"]) == 2
    assert "none: expected the data set pandaset" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_without_pytorch_the_extra_to_install_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "offline_training.runs.import_checkpoint", None)
    with pytest.raises(ModuleNotFoundError):  # a fault of our own is none of an installation's
        main(["import-checkpoint", "x.pt", "--kind", "slidr", "--out", "y"])
    monkeypatch.delitem(sys.modules, "offline_training.runs.import_checkpoint")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["import-checkpoint", "x.pt", "--kind", "slidr", "--out", "y"]) == 2
    assert "expected torch, found none. Install `lidar-vl[train]`." in capsys.readouterr().err


def test_name_value_words_may_be_left_out(capsys):
    with pytest.raises(SystemExit):
        main(["check-data", "nuscenes"])
    assert capsys.readouterr().err.strip().endswith("required: FOLDER")


@pytest.mark.parametrize(
    "line",
    [
        "evaluate run --out {}",
        "evaluate run --pictures {}",
        "robustness run --config c.yaml --out {}",
        "evaluate-language run --config c.yaml --out {}",
        "evaluate-language run --config c.yaml --pictures {}",
        "import-checkpoint x.pt --kind slidr --out {}",
        "export run --clouds c.bin --card card.yaml --out {}",
    ],
)
def test_earlier_results_stay_unless_they_may_be_replaced(line, tmp_path, capsys):
    out = tmp_path / "earlier"
    kept = out / "model.onnx" if "--pictures" in line or line.startswith(("import", "export")) else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("of an earlier run")
    assert main(line.format(out).split()) == 2
    told = capsys.readouterr().err
    assert f"{out}: holds results of 20" in told
    assert "Give --overwrite" in told
    assert main([*line.format(out).split(), "--overwrite"]) == 2  # the checkpoint, which is not there, is looked for
    assert "holds results" not in capsys.readouterr().err
    assert kept.read_text() == "of an earlier run"


def test_a_recorded_drive_stays_unless_it_may_be_replaced(tmp_path, capsys):
    from offline_training.synthetic.sensors.drive import main as record

    (tmp_path / "drive.mcap").write_text("mine")
    assert record(["--out", str(tmp_path / "drive.mcap"), "--frames", "1"]) == 2
    assert "Give --overwrite" in capsys.readouterr().err
    assert (tmp_path / "drive.mcap").read_text() == "mine"
