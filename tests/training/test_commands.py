"""What lidar-vl-train answers to a newcomer: before it works for long, and where something is not installed."""

import sys

import pytest
import yaml

from offline_training.cli.main import main
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import build_network
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.written.lidar_data_sets import write_kitti_like


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


def test_without_pytorch_the_extra_to_install_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "x.pt").write_bytes(b"")
    command = ["import-checkpoint", str(tmp_path / "x.pt"), "--kind", "slidr", "--out", str(tmp_path / "y")]
    monkeypatch.setitem(sys.modules, "offline_training.runs.import_checkpoint", None)
    with pytest.raises(ModuleNotFoundError):  # a fault of our own is none of an installation's
        main(command)
    monkeypatch.delitem(sys.modules, "offline_training.runs.import_checkpoint")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(command) == 2
    assert "needs the extra `train`, found no package torch: pip install 'lidar-vl[train]'" in capsys.readouterr().err


def test_name_value_words_may_be_left_out(capsys):
    with pytest.raises(SystemExit):
        main(["check-data", "nuscenes"])
    assert "check-data: expected FOLDER, found none." in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "evaluate run --out {}",
        "evaluate run --images {}",
        "robustness run --config c.yaml --out {}",
        "evaluate-language run --config c.yaml --out {}",
        "evaluate-language run --config c.yaml --images {}",
        "import-checkpoint x.pt --kind slidr --out {}",
        "export run --clouds c.bin --card card.yaml --out {}",
    ],
)
def test_earlier_results_stay_unless_they_may_be_replaced(line, tmp_path, capsys):
    out = tmp_path / "earlier"
    kept = out / "model.onnx" if "--images" in line or line.startswith(("import", "export")) else out
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


@pytest.mark.parametrize(
    "command", ["check-data", "finetune", "pretrain", "weak-label", "evaluate", "extract-features"]
)
def test_data_sets_and_tables_are_listed_in_the_help(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for part in ("Data sets: daps3d, kitti_object", "Class tables: daps3d4", "nuscenes_lidarseg"):
        assert part in told


KITTI = {"kind": "semantic_kitti", "folder": "a"}


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (
            {"train": [KITTI], "validation": [{**KITTI, "split": "val"}]},
            "nowhere: expected the data set semantic_kitti",
        ),
        ({"train": [KITTI, {**KITTI, "sequences": ["00"]}]}, "nowhere: expected the data set semantic_kitti"),
        (
            {"train": [KITTI], "validation": [{**KITTI, "folder": "b"}]},
            "found several: train.0.folder, semantic_kitti in a; validation.0.folder, semantic_kitti in b",
        ),
        ({"train": [KITTI, {"kind": "pandaset", "folder": "a"}]}, "train.1.folder, pandaset in a"),
        ({"train": []}, "expected a data set with a kind, found none"),
    ],
)
def test_data_names_the_folder_of_the_one_data_set_of_a_configuration(sources, told, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"out": str(tmp_path / "out"), **sources}))
    command = ["finetune", "--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "nowhere")]
    assert main(command) == 2
    assert told in capsys.readouterr().err
    if "nowhere" in told:  # a value that is named wins
        assert main([*command, f"train.0.folder={tmp_path / 'named'}"]) == 2
        assert "named: expected the data set" in capsys.readouterr().err


def test_evaluation_needs_validation_sets_alone_and_labelled_points_in_each(tmp_path, capsys):
    model = FinetuneConfig(out=str(tmp_path), train=(), classes="semantic_kitti19")
    tensors = {f"network.{name}": tensor for name, tensor in build_network(model).state_dict().items()}
    checkpoint = save_checkpoint(tmp_path / "checkpoints", Checkpoint(1, tensors, model.model_dump(mode="json"), {}))
    labels = write_kitti_like(tmp_path / "kitti" / "sequences" / "00", [40, 48]) / "labels"
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"validation": [{"kind": "semantic_kitti", "folder": str(tmp_path / "kitti")}]}))
    command = ["evaluate", str(checkpoint), "--config", str(config)]
    assert main(command) == 0
    assert "mean IoU" in capsys.readouterr().out
    for spoil in (lambda path: path.write_bytes(bytes(path.stat().st_size)), lambda path: path.unlink()):
        for path in labels.iterdir():
            spoil(path)  # all ignored, then none
        assert main(command) == 2
        captured = capsys.readouterr()
        assert "semantic_kitti kitti: expected labelled points to evaluate on, found none" in captured.err
        assert captured.out == ""
    assert main(["evaluate", str(checkpoint)]) == 2
    assert "the run has no `validation`" in capsys.readouterr().err
    config.write_text("validation: []\n")
    assert main(command) == 2
    assert "validation: " in capsys.readouterr().err
