"""A short training run: it learns, repeats, goes on after a kill to the same losses, and stops well."""

import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import offline_training
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import load_config
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, LidarVlError
from offline_training.cli.main import main
from offline_training.datasets.batches.collate import collate
from offline_training.datasets.batches.training_scans import StepSampler, TrainingScans, class_weights, labelled_scan
from offline_training.datasets.data_sources import open_source
from offline_training.evaluation import judged_points as judged_points_module
from offline_training.evaluation.evaluate import evaluate
from offline_training.export.description import CardText
from offline_training.finetuning import evaluate as evaluate_module
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning import training_batches as batches_module
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import load_network, predict
from offline_training.finetuning.finetune import finetune
from offline_training.finetuning.optimisation import learning_rate
from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from tests.training.finetuning.rooms import GROUND, NOBODY, WALL, Rooms, config, losses, settings

NUSCENES_16 = class_table("nuscenes16")


@pytest.fixture(autouse=True)
def _rooms_for_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(source: object, classes: object, workers: int = 1) -> Rooms:
        return Rooms()

    monkeypatch.setattr(finetune_module, "open_source", opened)


@pytest.mark.slow
def test_it_learns_to_tell_ground_from_walls_and_writes_what_it_did(tmp_path):
    run = config(
        tmp_path, max_steps=30, validate_every=15, validation=[{"kind": "pandaset", "folder": "unused"}], ema_decay=0.9
    )
    path = finetune(run)
    assert losses(tmp_path)[29] < 0.5 * losses(tmp_path)[0]
    network, stored = load_network(path)
    scan = labelled_scan(Rooms()[0])
    answer = predict(network, stored, scan)
    assert (answer == scan.class_id)[scan.class_id != NOBODY].mean() > 0.95
    assert load_checkpoint(tmp_path / "checkpoints" / "best.json").step in (15, 30)
    assert list((tmp_path / "tensorboard").glob("events*"))


def child_run(out: Path, **changes: object) -> subprocess.Popen:
    """The same training in a process of its own, that can be killed; returns when it has done three steps."""
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_finetune as t\n"
        "from pathlib import Path\n"
        "t.finetune_module.open_source = lambda *_: t.Rooms()\n"
        "t.finetune(t.config(Path(sys.argv[2]), **json.loads(sys.argv[3])))\n"
    )
    arguments = [str(Path(__file__).parent), str(out), json.dumps(changes)]
    child = subprocess.Popen([sys.executable, "-c", script, *arguments], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 600
    log = out / "metrics.jsonl"
    while time.monotonic() < deadline and (not log.exists() or len(log.read_text().splitlines()) < 3):
        assert child.poll() is None, child.communicate()[1].decode()
        time.sleep(0.01)
    return child


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_to_the_same_losses_bit_by_bit(tmp_path):
    finetune(config(tmp_path / "whole", max_steps=60))
    child = child_run(tmp_path / "cut", max_steps=60)
    child.kill()
    child.wait()
    done = load_checkpoint(tmp_path / "cut" / "checkpoints").step
    assert 0 < done < 60
    finetune(config(tmp_path / "cut", max_steps=60, workers=1))
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    whole, cut = (load_checkpoint(tmp_path / name / "checkpoints") for name in ("whole", "cut"))
    assert all(torch.equal(whole.tensors[name], cut.tensors[name]) for name in whole.tensors)


def test_another_configuration_does_not_go_on_with_a_run(tmp_path):
    finetune(config(tmp_path, max_steps=2))
    with pytest.raises(BadCheckpoint, match=r"learning_rate: 0\.01 there, 0\.02 here"):
        finetune(config(tmp_path, max_steps=2, learning_rate=0.02))
    with pytest.raises(BadCheckpoint, match="Choose another `out`"):
        finetune(config(tmp_path, max_steps=2), resume="never")


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_threads_and_processes_to_the_same_weights(tmp_path):
    for name, threads, workers in (("same", 1, 0), ("other", 2, 1)):
        finetune(config(tmp_path / name, max_steps=1, threads=1, workers=0))
        finetune(config(tmp_path / name, max_steps=2, threads=threads, workers=workers))
    same, other = (load_checkpoint(tmp_path / name / "checkpoints") for name in ("same", "other"))
    assert other.step == 2
    apart = [(other.tensors[name].double() - tensor.double()).abs().flatten() for name, tensor in same.tensors.items()]
    # A step moves a weight by 0.01, also one whose gradient is rounding alone: few are, so all together tell.
    assert float(torch.cat(apart).mean()) < 1e-5


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path):
    """Checkpoints hold the configuration; keys that came later are missing in it, also inside the data sources."""
    finetune(config(tmp_path, max_steps=2))
    written = load_checkpoint(tmp_path / "checkpoints")
    old = {key: value for key, value in written.config.items() if key not in ("optimizer", "probe", "augment")}
    old["train"] = [{key: source[key] for key in ("kind", "folder")} for source in written.config["train"]]
    save_checkpoint(tmp_path / "checkpoints", Checkpoint(2, written.tensors, old, written.state))
    assert load_checkpoint(finetune(config(tmp_path, max_steps=2))).step == 2
    with pytest.raises(BadCheckpoint, match="optimizer: 'adamw' there, 'sgd' here"):
        finetune(config(tmp_path, max_steps=2, optimizer="sgd"))


def test_a_run_whose_checkpoint_lists_the_keys_of_all_data_sets_goes_on_and_is_evaluated(tmp_path):
    """As checkpoints did before a data set had its own keys alone."""
    finetune(config(tmp_path, max_steps=2))
    written = load_checkpoint(tmp_path / "checkpoints")
    of_others = {"split": None, "version": "v1.0-trainval", "streets": 1, "rooms": 1, "depth_noise": True}
    old = {**written.config, "train": [{**source, **of_others} for source in written.config["train"]]}
    save_checkpoint(tmp_path / "checkpoints", Checkpoint(2, written.tensors, old, written.state))
    path = finetune(config(tmp_path, max_steps=2))
    assert load_network(path)[1] == config(tmp_path, max_steps=2)


@pytest.mark.slow
def test_a_run_begins_with_the_trained_weights_of_another(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    finetune(config(first, max_steps=30))
    finetune(config(second, max_steps=1, start_from=str(first / "checkpoints")))
    assert losses(second)[0] < 0.6 * losses(first)[0]
    with pytest.raises(BadCheckpoint, match="of the configured shape"):
        finetune(config(tmp_path / "third", max_steps=1, stem=32, start_from=str(first / "checkpoints")))


@pytest.mark.slow
def test_half_precision_trains_too(tmp_path):
    finetune(config(tmp_path, max_steps=6, precision="bf16-mixed"))
    exact = config(tmp_path / "exact", max_steps=6)
    finetune(exact)
    assert losses(tmp_path)[0] == pytest.approx(losses(tmp_path / "exact")[0], rel=0.02)
    assert losses(tmp_path)[5] < losses(tmp_path)[0]


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


def test_evaluation_writes_the_metrics_it_prints(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judged_points_module, "open_source", lambda *_: Rooms())
    finetune(config(tmp_path, validation=[{"kind": "pandaset", "folder": "rooms"}]))
    out = tmp_path / "metrics.json"
    assert main(["evaluate", str(tmp_path / "checkpoints"), "--out", str(out)]) == 0
    metrics = json.loads(out.read_text())
    assert metrics["pooled"]["points"] == 6 * 900 - 6 * 18
    printed = capsys.readouterr().out
    for key in ("mean_iou", "mean_iou_benchmark", "accuracy"):
        assert f"{100 * metrics['pooled'][key]:.1f}" in printed
    assert all(name in printed for name in NUSCENES_16.names)


def test_a_finished_run_is_not_done_again(tmp_path):
    first = finetune(config(tmp_path, max_steps=2)).read_bytes()
    assert finetune(config(tmp_path, max_steps=2)).read_bytes() == first


def test_many_runs_in_one_process_leave_nothing_behind(tmp_path):
    """No thread, no open file, and torch's and Lightning's settings as they were."""

    def settings_of_the_process() -> tuple:
        return (
            torch.get_num_threads(), torch.get_float32_matmul_precision(), torch.initial_seed(), torch.get_rng_state().sum(),
            logging.getLogger("lightning.pytorch").level, list(warnings.filters), threading.active_count(),
            signal.getsignal(signal.SIGTERM), len(list(Path("/proc/self/fd").iterdir())),
        )  # fmt: skip

    finetune(config(tmp_path / "first", max_steps=1))
    torch.set_num_threads(2)
    before = settings_of_the_process()
    for run in range(3):
        finetune(config(tmp_path / str(run), max_steps=1, threads=1))
    assert settings_of_the_process() == before
    with pytest.raises(BadConfig):
        finetune(config(tmp_path / "wrong", max_steps=1, device="cuda"))
    assert settings_of_the_process() == before


class Cells(PointBackbone):
    """The smallest network there can be: a row per 1 m of height, described by its mean intensity and its height."""

    def __init__(self, out_channels: int | None) -> None:
        super().__init__()
        self.feature_channels = 8
        self.lift = torch.nn.Linear(2, 8)
        self.head = None if out_channels is None else torch.nn.Linear(8, out_channels)

    def point_features(self, inputs: BackboneInputs) -> torch.Tensor:
        assert isinstance(inputs, CellInputs)
        return torch.relu(self.lift(inputs.values))


@dataclass(frozen=True)
class CellInputs(BackboneInputs):
    values: torch.Tensor


def cells_of(scans: Sequence[tuple[np.ndarray, np.ndarray]]) -> CellInputs:
    rows, values = [], []
    for number, (xyz_m, intensity) in enumerate(scans):
        cell = np.clip(np.floor(xyz_m[:, 2]).astype(int) + 4, 0, 7)
        count = np.bincount(cell, minlength=8)
        rows.append(np.where(xyz_m[:, 0] > 14.9, -1, cell + 8 * number))  # points beyond have no row
        values.append(np.stack([np.bincount(cell, intensity, 8) / count.clip(1), np.arange(8) / 8], axis=1))
    return CellInputs(
        torch.from_numpy(np.concatenate(rows)),
        8 * len(scans),
        tuple(len(xyz_m) for xyz_m, _ in scans),
        torch.from_numpy(np.concatenate(values).astype(np.float32)),
    )


def use_network(monkeypatch: pytest.MonkeyPatch, build: object, preparer: object) -> None:
    """Whatever network is configured, it is this one."""
    monkeypatch.setattr(evaluate_module, "build_backbone", build)
    monkeypatch.setattr(evaluate_module, "inputs_of_scan", lambda config, scan, device: preparer([scan]))
    monkeypatch.setattr(batches_module, "preparer_of", lambda config, form="auto": preparer)


@pytest.mark.parametrize("probe", [False, True])
def test_any_network_behind_the_seam_is_trained_and_evaluated(tmp_path, monkeypatch, probe):
    use_network(monkeypatch, lambda config, out_channels: Cells(out_channels), cells_of)
    monkeypatch.setattr(judged_points_module, "open_source", lambda *_: Rooms())
    path = finetune(config(tmp_path, max_steps=60, learning_rate=0.05, probe=probe, augment=None))
    assert losses(tmp_path)[59] < losses(tmp_path)[0]
    rooms = [source for source in config(tmp_path).train]
    metrics = evaluate(path, rooms).metrics
    assert probe or metrics["pooled"]["accuracy"] > 0.5
    assert metrics["pooled"]["no_answer_per_class"]["driveable_surface"] > 0
    iou = metrics["pooled"]["per_class_iou"]
    present = [iou["driveable_surface"], iou["manmade"]]
    assert metrics["pooled"]["mean_iou"] == pytest.approx(np.mean(present))
    others = [1.0 if value is None else value for value in iou.values()]
    assert metrics["pooled"]["mean_iou_benchmark"] == pytest.approx(np.mean(others))


def test_a_network_with_dropout_goes_on_to_the_same_losses(tmp_path, monkeypatch):
    def build(config: FinetuneConfig, out_channels: int | None) -> Cells:
        network = Cells(out_channels)
        network.lift = torch.nn.Sequential(network.lift, torch.nn.Dropout(0.5))
        return network

    use_network(monkeypatch, build, cells_of)
    run = config(tmp_path, max_steps=6, checkpoint_every=3, augment=None)
    finetune(run)
    whole = losses(tmp_path)
    finetune(run, resume="previous")
    assert losses(tmp_path) == whole
    assert len(set(whole.values())) == 6


OTHER_NETWORKS = {
    "voxelnet": {"network": "voxelnet", "features": ["x", "y", "z", "intensity"], "voxel_size": [1.0, 1.0, 0.4],
                 "point_cloud_range": [-16.0, -16.0, -8.0, 16.0, 16.0, 8.0]},
    "waffleiron": {"network": "waffleiron_small", "voxel_size": [0.4, 0.4, 0.4],
                   "point_cloud_range": [-16.0, -16.0, -4.0, 16.0, 16.0, 4.0], "waffle_cell_m": 1.0},
}  # fmt: skip


@pytest.mark.parametrize("name", OTHER_NETWORKS)
def test_the_other_networks_are_fine_tuned_from_their_backbones_and_evaluated(tmp_path, name):
    changes = {**OTHER_NETWORKS[name], "stem": None, "planes": None, "batch_size": 1, "ema_decay": 0.0}
    torch.manual_seed(3)
    tensors = {
        f"network.{key}": value for key, value in build_backbone(config(tmp_path, **changes), None).state_dict().items()
    }
    start = save_checkpoint(tmp_path / "pretrained", Checkpoint(1, tensors, {}, {}))
    path = finetune(config(tmp_path / "run", max_steps=3, start_from=str(start), **changes))
    network, stored = load_network(path)
    scan = labelled_scan(Rooms()[0])
    assert predict(network, stored, scan).shape == scan.class_id.shape
    assert all(math.isfinite(loss) for loss in losses(tmp_path / "run").values())


def test_the_scans_of_a_step_depend_on_seed_and_step_alone():
    augmentation = config(Path("unused")).augment
    scans = TrainingScans([Rooms(), Rooms()], [1.0, 2.0], augmentation, 500, seed=3)
    again = TrainingScans([Rooms(), Rooms()], [1.0, 2.0], augmentation, 500, seed=3)
    _ = again[9, 0]
    np.testing.assert_array_equal(scans[5, 1].xyz_m, again[5, 1].xyz_m)
    assert not np.array_equal(scans[5, 1].xyz_m, scans[6, 1].xyz_m)


def test_a_resumed_sampler_gives_the_rest_of_the_steps():
    whole, rest = list(StepSampler(0, 5, 2)), list(StepSampler(3, 5, 2))
    assert whole[3:] == rest
    assert len(StepSampler(3, 5, 2)) == 2


def test_class_weights_favour_the_rare_and_leave_the_absent_alone():
    scans = TrainingScans([Rooms()], [1.0], config(Path("unused")).augment, 10_000, seed=0)
    weights = class_weights(scans, 5, 16, power=0.5)
    assert weights[WALL] > weights[GROUND]
    assert weights[[GROUND, WALL]].mean() == pytest.approx(1.0)
    assert weights[0] == 1.0
    np.testing.assert_array_equal(class_weights(scans, 5, 16, power=0.0), np.ones(16))


def test_the_learning_rate_rises_then_falls_and_ends_at_its_share():
    run = config(Path("unused"), max_steps=100, warm_up=0.1, final_rate=0.01)
    rates = [learning_rate(run, step) for step in range(100)]
    peak = int(np.argmax(rates))
    assert 8 <= peak <= 10
    assert max(rates) <= 0.01
    assert rates[-1] == pytest.approx(0.0001)
    assert (np.diff(rates[:9]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()


def test_a_voxel_has_the_class_of_most_of_its_points_and_scans_stay_apart():
    scans = [labelled_scan(Rooms()[0]), labelled_scan(Rooms()[1])]
    run = config(Path("unused"))
    batch = collate(scans, preparer_of(run), 16)
    assert len(batch.point_class) == 1800
    assert batch.inputs.points_per_scan == (900, 900)
    row = batch.inputs.row_of_point.numpy()
    votes = np.zeros((len(batch.inputs.features), 16), int)
    known = batch.point_class.numpy() != NOBODY
    np.add.at(votes, (row[known], batch.point_class.numpy()[known]), 1)
    voted = np.where(votes.max(axis=1) > 0, votes.argmax(axis=1), NOBODY)
    np.testing.assert_array_equal(batch.row_class.numpy(), voted)
    first = collate(scans[:1], preparer_of(run), 16)
    assert torch.equal(batch.inputs.features[: len(first.inputs.features)], first.inputs.features)
    assert set(batch.inputs.maps.coords[0][:, 0].tolist()) == {0, 1}


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
        open_source(run.train[0], NUSCENES_16)


@pytest.mark.slow
def test_a_termination_signal_ends_the_run_with_a_checkpoint_and_the_run_goes_on(tmp_path):
    child = child_run(tmp_path, max_steps=100_000, checkpoint_every=100_000)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == 143
    saved = load_checkpoint(tmp_path / "checkpoints")
    assert saved.step >= 3
    assert saved.step == len(losses(tmp_path))
    assert all(math.isfinite(loss) for loss in losses(tmp_path).values())


def test_the_commands_answer_help_at_once():
    before = os.times().children_user
    subprocess.run([sys.executable, "-m", "offline_training.cli", "--help"], check=True, capture_output=True)
    assert os.times().children_user - before < 0.5


def test_a_wrong_value_on_the_command_line_is_one_line_and_exit_code_two(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings(tmp_path / "out")))
    assert main(["finetune", "--config", str(path), "learning_rate=fast"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "learning_rate" in error
    assert not (tmp_path / "out").exists()
