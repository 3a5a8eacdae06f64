"""Measures of frozen features, and the sentences that say what they mean and what they do not."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from offline_training.from_bags.asked import Asked
from offline_training.from_bags.conclusions import conclusions
from offline_training.from_bags.page import page
from offline_training.from_bags.probe.feature_image import feature_image
from offline_training.from_bags.probe.measures import effective_rank, joined, linear_probe, repeatability
from offline_training.runs.backbone_config import BackboneConfig

CHECKED = {"bags": [{"bag": "drive<b>.mcap", "topic": "/points", "clouds": 500, "cameras": ["front"], "findings": ["whole"],
                     "train": list(range(400)), "held_out": list(range(420, 500))}]}  # fmt: skip
CONFIG = SimpleNamespace(
    **{**BackboneConfig(network="minkunet_18a", voxel_size=(0.1, 0.1, 0.1)).model_dump(), "method": "slidr"}
)


def probed(labels="none", mean_iou=(None, None), rank=20.0):
    found = {"labels": labels, "train_sweeps": 40, "held_out_sweeps": 20, "feature_channels": 96}
    for name, iou in zip(("pretrained", "fresh"), mean_iou, strict=True):
        found[name] = {"effective_rank": rank, "repeatability": 0.5}
        if iou is not None:
            found[name] |= {"mean_iou": iou, "iou": {"car": iou}, "judged_rows": 100}
    return found


def test_collapsed_features_have_rank_1_and_independent_ones_their_number():
    torch.manual_seed(0)
    assert effective_rank(torch.ones(100, 8)) == pytest.approx(1.0, abs=1e-6)
    assert effective_rank(torch.zeros(100, 8)) == 1.0
    assert effective_rank(torch.eye(8).repeat(10, 1)) == pytest.approx(8.0, abs=1e-6)


def test_a_point_is_found_again_by_its_own_feature_and_not_by_one_that_all_share():
    torch.manual_seed(0)
    xyz_m = np.arange(300, dtype=np.float32).reshape(100, 3)
    own = torch.randn(100, 16)
    assert repeatability(own, 3.0 * own, xyz_m) == 1.0
    assert repeatability(torch.ones(100, 16), torch.ones(100, 16), xyz_m) == pytest.approx(0.01)
    assert repeatability(own[:0], own[:0], xyz_m[:0]) == 0.0


def test_a_linear_probe_reads_what_features_tell_and_no_more():
    torch.manual_seed(0)
    class_id = torch.arange(400) % 3
    telling = torch.nn.functional.one_hot(class_id, 3).float() + 0.05 * torch.randn(400, 3)
    truth = class_id.numpy().astype(np.uint8)
    assert linear_probe(telling, class_id, telling, truth, 4).mean_iou() > 0.99
    assert linear_probe(torch.randn(400, 3), class_id, torch.randn(400, 3), truth, 4).mean_iou() < 0.4


def test_rows_without_a_class_are_left_out_and_many_are_drawn():
    parts = [(torch.arange(6.0)[:, None], np.array([0, 255, 1, 255, 2, 0], np.uint8))] * 3
    rows, class_id = joined(parts, 100)
    assert (rows[:, 0].tolist()[:4], class_id.tolist()[:4]) == ([0, 2, 4, 5], [0, 1, 2, 0])
    assert len(joined(parts, 5)[1]) == 5


def test_without_labels_nothing_is_said_about_classes():
    told = conclusions(CHECKED, probed(), CONFIG)
    assert told[0].startswith("No labels: nothing can be said about how well classes will be separated.")
    assert not any("mean IoU" in line for line in told)


def test_agreement_with_weak_classes_is_not_called_accuracy():
    (line, *_) = conclusions(CHECKED, probed("weak classes", (0.4, 0.3)), CONFIG)
    assert "mean IoU 40.0 % against 30.0 %" in line
    assert "it is not accuracy" in line


def test_a_pretraining_that_did_not_help_and_one_that_collapsed_are_told():
    told = conclusions(CHECKED, probed("truth", (0.3, 0.4), rank=1.2), CONFIG)
    assert "Pre-training did not help here" in told[0]
    assert "collapsed" in told[1]


def test_few_clouds_are_a_trial_only():
    few = {"bags": [{**CHECKED["bags"][0], "train": [0, 1]}]}
    assert "Only 2 clouds" in conclusions(few, probed(), CONFIG)[-1]


def test_the_page_shows_images_and_figures_and_runs_no_markup_of_a_name(tmp_path):
    xyz_m = np.random.default_rng(0).normal(0, 10, (200, 3)).astype(np.float32)
    features = torch.randn(200, 8)
    features[:5] = torch.nan
    (tmp_path / "features.png").write_bytes(feature_image(xyz_m, {"one": features, "other": features}))
    asked = Asked(bags=("drive<b>.mcap",), out=str(tmp_path))
    found = {
        "check": CHECKED,
        "labels": {"lines": ["none"]},
        "pretrain": {"checkpoint": "run/checkpoints/last.json", "steps": 3, "losses": [3.0, 2.0, 1.0]},
        "probe": probed("truth", (0.4, 0.3)),
    }
    html = page(asked, CONFIG, found, {"check": 1.0}, ["A sentence."], "slidr, as it is.")
    assert "<b>" not in html
    assert "drive&lt;b&gt;.mcap" in html
    assert html.count("data:image/png;base64,") == 2
    for told in (
        "A sentence.",
        "400",
        "80 held out",
        "40.0",
        "last loss 1.000",
        "finetune --config",
        "&#x27;voxel_size=[0.1, 0.1, 0.1]&#x27;",
    ):
        assert told in html
