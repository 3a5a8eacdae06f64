"""A short run of detection: it learns, repeats, goes on to the same losses, begins with a pre-trained encoder, and is judged."""

import json
from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.cli.main import main
from offline_training.evaluation.evaluate import evaluate
from offline_training.export.card_text import CardText
from offline_training.export.export_detection import export_detector
from offline_training.finetuning.detection import judging as judging_module
from offline_training.finetuning.detection import training_batches as batches_module
from offline_training.finetuning.detection.detect_finetune import detect_finetune
from offline_training.finetuning.detection.detectors import judging_preparer, load_detector
from offline_training.networks.detection import bev_backbone as bev_module
from offline_training.networks.voxelnet import encoder as encoder_module
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, weights_of
from tests.training.finetuning.detection.parking import Parking, config
from tests.training.training_log import losses

PANDASET = {"kind": "pandaset", "folder": "unused"}


@pytest.fixture(autouse=True)
def _parking_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(source: object, classes: object, sweeps: int = 1, workers: int = 1) -> Parking:
        return Parking(classes.name)

    monkeypatch.setattr(batches_module, "open_boxes", opened)
    monkeypatch.setattr(judging_module, "open_boxes", opened)


@pytest.mark.slow
def test_it_learns_where_cars_stand_and_says_so(tmp_path, capsys, monkeypatch):
    for module, name in ((encoder_module, "NORM_MOMENTUM"), (bev_module, "_NORM_MOMENTUM")):
        monkeypatch.setattr(module, name, 0.1)  # so that the norms know the data after so few steps
    run = config(tmp_path, max_steps=80, learning_rate=0.01, checkpoint_every=80, validation=[PANDASET], order="epochs")
    path = detect_finetune(run)
    metrics = evaluate(path, None, tmp_path / "metrics.json").metrics
    assert losses(tmp_path)[79] < 0.3 * losses(tmp_path)[0]
    assert metrics["sources"][0]["classes"]["Car"]["truth"] == 8
    assert metrics["sources"][0]["classes"]["Car"]["ap_at"]["2.0"] > 0.9
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert (tmp_path / "checkpoints" / "best.json").is_file()
    assert main(["evaluate", str(path)]) == 0
    told = capsys.readouterr().out
    assert "AP by centre distance" in told
    assert "Car" in told
    assert "mAP" in told
    of_package = evaluate(exported(path, tmp_path / "package"), run.validation).metrics["sources"][0]
    assert of_package["class_scores"]["Car"] == pytest.approx(metrics["sources"][0]["class_scores"]["Car"], abs=0.005)
    assert of_package["classes"]["Car"]["truth"] == 8


def exported(checkpoint: Path, out: Path) -> Path:
    """The package of a checkpoint."""
    network, run = load_detector(checkpoint)
    card = CardText(name="trial", licence="none", training_data=("nothing",), limits=("everything",), text="A trial.")
    package, _ = export_detector(
        network, judging_preparer(run), run.class_table, out, [Parking(run.classes)[9].cloud], card
    )
    return package.path


@pytest.mark.parametrize("network", ["centerpoint", "second"])
def test_a_resumed_run_has_the_losses_of_one_that_was_never_stopped(tmp_path, network):
    changes = {} if network == "centerpoint" else {"network": "second", "shared_channels": 64}
    augment = {"yaw_rad": 0.5, "shift_m": 0.1}
    detect_finetune(config(tmp_path / "whole", augment=augment, max_steps=6, **changes))
    halves = config(tmp_path / "halves", augment=augment, max_steps=6, **changes)
    last = detect_finetune(halves)
    previous = load_checkpoint(last.parent / "previous.json")
    assert previous.step == 3
    detect_finetune(halves, resume="previous")
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    ended = [weights_of(load_checkpoint(tmp_path / name / "checkpoints"), "network") for name in ("whole", "halves")]
    assert all(torch.equal(ended[0][name], ended[1][name]) for name in ended[0])


def test_a_run_of_epochs_meets_every_scan_and_goes_on_with_more(tmp_path):
    first = detect_finetune(config(tmp_path, order="epochs", epochs=1, max_steps=10000))
    assert load_checkpoint(first).step == 2  # four scans, two a step
    longer = detect_finetune(config(tmp_path, order="epochs", epochs=2, max_steps=10000))
    assert load_checkpoint(longer).step == 4
    with pytest.raises(BadCheckpoint, match="shared_channels"):
        detect_finetune(config(tmp_path, order="epochs", epochs=2, max_steps=10000, shared_channels=32))


def pretrained_encoder(folder: Path, network: torch.nn.Module) -> Path:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    stored = {"features": ["x", "y", "z", "intensity_255"], "voxel_size": [0.1, 0.1, 0.2]}
    return save_checkpoint(folder, Checkpoint(0, tensors, stored, {}))


def test_a_detector_begins_with_a_pretrained_encoder_and_its_log_says_so(tmp_path):
    encoder = VoxelNet(None)
    start = pretrained_encoder(tmp_path / "encoder", encoder)
    detect_finetune(config(tmp_path / "run", start_from=str(start), max_steps=1, learning_rate=1e-12))
    network, _ = load_detector(tmp_path / "run" / "checkpoints")
    name = "levels.2.1.weight"
    assert torch.allclose(network.state_dict()[f"backbone.{name}"], encoder.state_dict()[name], atol=1e-6)
    begun = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert begun["taken"] == len(encoder.state_dict())
    assert begun["other_inputs"] == ["voxel_size [0.1, 0.1, 0.2] there, [0.5, 0.5, 0.25] here"]


def test_only_detectors_are_loaded_as_such(tmp_path):
    path = pretrained_encoder(tmp_path, VoxelNet(None))
    with pytest.raises(BadCheckpoint, match="another task"):
        load_detector(path)


def test_a_checkpoint_without_validation_sets_needs_some(tmp_path):
    path = detect_finetune(config(tmp_path, max_steps=1))
    with pytest.raises(BadConfig, match="expected data sets to evaluate on"):
        evaluate(path, None)
