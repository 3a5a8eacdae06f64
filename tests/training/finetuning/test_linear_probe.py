"""Linear probing: only the head learns, norms keep their statistics, and features may be computed once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning import linear_probe as linear_probe_module
from offline_training.finetuning.finetune import finetune
from offline_training.finetuning.linear_probe import FeatureRows, freeze_backbone, joined_rows
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.runs.backbones import build_backbone
from offline_training.runs.checkpoint import load_checkpoint, weights_of
from tests.training.finetuning.rooms import Rooms, config
from tests.training.training_log import losses

pytestmark = pytest.mark.usefixtures("rooms_for_training")

UNCHANGED = {
    "yaw_rad": 0.0, "tilt_rad": 0.0, "flip_probability": 0.0, "scale": [1.0, 1.0], "shift_xy_m": 0.0, "shift_z_m": 0.0,
    "jitter_m": 0.0, "beam_drop_probability": 0.0, "point_drop_probability": 0.0, "range_crop_probability": 0.0,
    "intensity_scale": [1.0, 1.0], "intensity_gamma": [1.0, 1.0], "intensity_offset": 0.0,
    "intensity_zero_probability": 0.0, "mix_probability": 0.0, "paste_probability": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> Path:
    """A checkpoint whose norms have seen something."""
    folder = tmp_path_factory.mktemp("backbone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune_module, "open_source", lambda *_: Rooms())
        finetune(config(folder, max_steps=6, ema_decay=0.0))
    return folder / "checkpoints"


def probe(out: Path, backbone: Path, **changes: object) -> dict[str, torch.Tensor]:
    """Tensors of the last checkpoint of a probing of other classes, whose head is therefore fresh."""
    settings = {"probe": True, "start_from": str(backbone), "classes": "nuscenes16", "ema_decay": 0.0, "max_steps": 10}
    return dict(load_checkpoint(finetune(config(out, **{**settings, **changes}))).tensors)


@pytest.mark.parametrize("augment", [None, {}], ids=["features once", "augmented"])
def test_only_the_head_changes_and_the_loss_falls(tmp_path, backbone, augment):
    before = weights_of(load_checkpoint(backbone), "network")
    tensors = probe(tmp_path, backbone, augment=augment, optimizer="sgd", learning_rate=0.05)
    after = {name.removeprefix("network."): tensor for name, tensor in tensors.items() if name.startswith("network.")}
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"head.weight", "head.bias"}  # neither weights nor running statistics of the rest
    assert {name for name in tensors if name.startswith("optimizer.")} == {
        "optimizer.0.momentum_buffer", "optimizer.1.momentum_buffer",
    }  # fmt: skip
    assert losses(tmp_path)[9] < losses(tmp_path)[0]


def test_features_computed_once_give_the_losses_of_features_computed_each_time(tmp_path, backbone):
    """`augment: null` takes the fast path; augmentation that changes nothing takes the one through the whole network."""
    once = probe(tmp_path / "once", backbone, augment=None)
    each_time = probe(tmp_path / "each", backbone, augment=UNCHANGED)
    np.testing.assert_allclose(
        list(losses(tmp_path / "once").values()), list(losses(tmp_path / "each").values()), rtol=1e-5
    )
    torch.testing.assert_close(once["network.head.weight"], each_time["network.head.weight"], rtol=1e-4, atol=1e-6)


def test_each_scan_goes_through_the_network_once_unless_there_is_no_room(tmp_path, backbone, monkeypatch):
    passes = []
    features = MinkUNet.point_features
    monkeypatch.setattr(MinkUNet, "point_features", lambda self, inputs: passes.append(1) or features(self, inputs))
    probe(tmp_path / "kept", backbone, augment=None)
    assert len(passes) <= len(Rooms())
    passes.clear()
    monkeypatch.setattr(linear_probe_module, "_MOST_KEPT_VALUES", 0)
    probe(tmp_path / "again", backbone, augment=None)
    assert len(passes) == 20  # batches of 2


def test_rows_are_joined_in_order():
    parts = [FeatureRows(torch.full((n, 3), float(n)), torch.full((n,), n)) for n in (2, 0, 1)]
    rows = joined_rows(parts)
    assert rows.row_class.tolist() == [2, 2, 1]
    assert rows.features[:, 0].tolist() == [2.0, 2.0, 1.0]


def test_a_network_without_a_head_cannot_be_probed(tmp_path):
    with pytest.raises(BadConfig, match="expected a network with a head"):
        freeze_backbone(build_backbone(config(tmp_path), None))
