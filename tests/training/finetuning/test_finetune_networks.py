"""Any network behind the seam is trained, resumed and evaluated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.evaluation import judged_points as judged_points_module
from offline_training.evaluation.evaluate import evaluate
from offline_training.finetuning import evaluate as evaluate_module
from offline_training.finetuning import training_batches as batches_module
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.evaluate import load_network, predict
from offline_training.finetuning.finetune import finetune
from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.training.finetuning.rooms import Rooms, config
from tests.training.training_log import losses

pytestmark = pytest.mark.usefixtures("rooms_for_training")


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
