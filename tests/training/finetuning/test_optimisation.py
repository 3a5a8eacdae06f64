"""Optimisers and learning rates of the published recipes, and the two switches of their networks and labels."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import offline_training
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.datasets.batches.collate import collate
from offline_training.datasets.batches.training_scans import TrainingScans, labelled_scan
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning.evaluate import build_network
from offline_training.finetuning.finetune import finetune
from offline_training.finetuning.optimisation import build_optimizer, set_rates
from offline_training.finetuning.tasks import load_finetune_config
from offline_training.losses.segmentation import cross_entropy
from offline_training.networks.base.voxel_norm import VoxelNorm
from offline_training.networks.sparse.minkunet import BasicBlock
from offline_training.runs.backbones import preparer_of
from offline_training.runs.checkpoint import load_checkpoint
from tests.training.finetuning.rooms import GROUND, NOBODY, Rooms, config
from tests.training.training_log import losses

CONFIGS = Path(offline_training.__file__).parent / "configs"
PUBLISHED = {
    "optimizer": "sgd", "learning_rate": 0.02, "head_learning_rate": 2.0, "weight_decay": 1e-4, "warm_up": 0.0,
    "final_rate": 0.0, "schedule": "cosine_per_epoch", "epochs": 4, "batch_size": 2, "ema_decay": 0.0,
}  # fmt: skip

VOXELNET = {"network": "voxelnet", "stem": None, "planes": None, "features": ["x", "y", "z", "intensity"]}


def test_the_head_has_its_own_rate_and_both_follow_one_cosine():
    run = config(Path("unused"), **PUBLISHED, max_steps=10000).model_copy(update={"max_steps": 12})
    network = build_network(run)
    optimizer = build_optimizer(run, network)
    assert [len(group["params"]) for group in optimizer.param_groups] == [len(list(network.parameters())) - 2, 2]
    assert {(group["momentum"], group["dampening"]) for group in optimizer.param_groups} == {(0.9, 0.1)}
    rates = []
    for step in range(12):
        set_rates(optimizer, run, step)
        rates.append([group["lr"] for group in optimizer.param_groups])
    # torch's CosineAnnealingLR(T_max=4) stepped after every epoch of three steps
    expected = [0.02 * 0.5 * (1 + math.cos(math.pi * (step // 3) / 4)) for step in range(12)]
    np.testing.assert_allclose(rates, np.outer(expected, [1.0, 100.0]))


def test_an_epoch_shows_every_scan_once_in_an_order_of_its_own():
    scans = TrainingScans([Rooms(), Rooms()], [1.0, 1.0], None, 10_000, seed=1, epoch_batch=4)
    picks = [scans.pick(step, place) for step in range(9) for place in range(4)]  # 12 scans: three epochs
    epochs = [picks[start : start + 12] for start in (0, 12, 24)]
    assert all(sorted(epoch) == [(source, index) for source in (0, 1) for index in range(6)] for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert scans.pick(0, 1) == picks[1]  # also when asked for again after others
    np.testing.assert_array_equal(scans[0, 0].xyz_m, labelled_scan(Rooms()[picks[0][1]]).xyz_m)


def test_left_out_batches_are_those_of_a_loader_that_drops_the_last(tmp_path, monkeypatch):
    scans = TrainingScans([Rooms()], [1.0], None, 10_000, seed=1, epoch_batch=4, leaves_out=True)  # 6 scans: 1 step
    picks = [{scans.pick(step, place) for place in range(4)} for step in range(5)]
    assert [len(epoch) for epoch in picks] == [4] * 5
    assert len(set().union(*picks)) == 6
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    run = {**PUBLISHED, "batch_size": 4, "epochs": 3, "max_steps": 10000, "last_batch": "left_out"}
    assert load_checkpoint(finetune(config(tmp_path, **run))).step == 3
    few = TrainingScans([Rooms()], [1.0], None, 10_000, seed=1, epoch_batch=10, leaves_out=True)
    assert len({few.pick(0, place) for place in range(10)}) == 6


def test_one_percent_of_semantic_kitti_makes_19_steps_an_epoch():
    recipe = load_finetune_config(CONFIGS / "finetune" / "olivine_semantic_kitti.yaml")
    assert finetune_module._with_steps(recipe, 192).max_steps == 19 * recipe.epochs  # 192 scans in batches of 10


def test_a_score_of_no_class_stands_in_the_denominator_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    path = finetune(config(tmp_path, max_steps=2, ema_decay=0.0, score_of_no_class=True))
    stored = load_checkpoint(path)
    assert stored.tensors["no_class.weight"].shape == (1, 16)
    assert stored.tensors["network.head.weight"].shape[0] == 16  # what is evaluated and exported has no score more
    finetune(config(tmp_path, max_steps=4, ema_decay=0.0, score_of_no_class=True))
    assert not torch.equal(load_checkpoint(path).tensors["no_class.weight"], stored.tensors["no_class.weight"])
    logits, truth = torch.randn(50, 17), torch.randint(0, 16, (50,))
    by_hand = -(logits[range(50), truth] - logits.exp().sum(dim=1).log()).mean()  # the original's 17 scores
    torch.testing.assert_close(cross_entropy(logits, truth, torch.ones(17)), by_hand)


def test_a_run_of_epochs_has_the_steps_they_make_and_goes_on_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    run = config(tmp_path, **{**PUBLISHED, "batch_size": 4, "epochs": 3, "max_steps": 10000})
    finished = load_checkpoint(finetune(run))
    assert (finished.step, finished.config["max_steps"]) == (5, 5)  # 18 scans in batches of 4
    before = losses(tmp_path)
    finetune(run, resume="previous")
    assert losses(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": "cosine_per_epoch"}, "needs epochs"),
        ({"epochs": 0, "max_steps": 10000}, "at least 1"),
        (
            {"epochs": 2, "max_steps": 10000, "train": [{"kind": "pandaset", "folder": "x", "weight": 2.0}]},
            "no effect",
        ),
        (
            VOXELNET | {"norm_momentum": 0.02},
            "expected a MinkUNet",
        ),
    ],
)
def test_settings_that_do_not_belong_together_are_refused(change, message):
    with pytest.raises(BadConfig, match=message):
        build_network(config(Path("unused"), **change))


def test_the_norm_momentum_reaches_stem_strides_and_shortcuts_but_not_the_blocks():
    network = build_network(config(Path("unused"), norm_momentum=0.02, planes=[16, 32] * 4))
    in_blocks = {n for b in network.modules() if isinstance(b, BasicBlock) for n in (b.norm1, b.norm2)}
    outside = {m for m in network.modules() if isinstance(m, VoxelNorm)} - in_blocks
    assert {norm.momentum for norm in in_blocks} == {0.1}
    assert {norm.momentum for norm in outside} == {0.02}
    assert len(outside) > 9  # one of the stem, four down, four up, and shortcuts
    untouched = build_network(config(Path("unused")))
    assert {m.momentum for m in untouched.modules() if isinstance(m, VoxelNorm)} == {0.1}


def test_a_voxel_can_have_the_class_of_its_first_point():
    scan = labelled_scan(Rooms()[0])
    run = config(Path("unused"))
    batch = collate([scan], preparer_of(run), 16, first_point=True)
    rows = batch.inputs.row_of_point.numpy()
    expected = [int(scan.class_id[np.flatnonzero(rows == row)[0]]) for row in range(batch.inputs.row_count)]
    assert batch.row_class.tolist() == expected
    assert {GROUND, NOBODY} <= set(expected)
    assert not torch.equal(batch.row_class, collate([scan], preparer_of(run), 16).row_class)
