"""CleverDistiller: ScaLR's distance through a head of three layers, over all cameras or one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import offline_training
from offline_training.losses.scalr import direction_distance
from offline_training.networks.projection_heads import PointMlpHead
from offline_training.pretraining.base.config import OccupancyConfig
from offline_training.pretraining.config import load_pretrain_config
from offline_training.pretraining.known_methods import METHODS
from offline_training.runs.backbones import build_backbone, preparer_of
from tests.training.pretraining.pretrain_scenes import Rooms, config

RECIPES = Path(offline_training.__file__).parent / "configs" / "pretrain"


def test_the_head_is_the_chain_of_its_layers_and_of_one_layer_linear():
    torch.manual_seed(0)
    x = torch.randn(7, 5)
    head = PointMlpHead(5, 8, 3)
    first, _, second, _, third = head.layers
    hidden = functional.relu(functional.linear(x, first.weight, first.bias))
    hidden = functional.relu(functional.linear(hidden, second.weight, second.bias))
    expected = functional.linear(hidden, third.weight, third.bias)
    torch.testing.assert_close(head(x), expected / expected.norm(dim=1, keepdim=True))
    (only,) = PointMlpHead(5, 8, 1).layers
    assert (only.in_features, only.out_features) == (5, 8)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_loss_is_scalrs_between_points_through_the_head_and_the_frozen_features(tmp_path, layers):
    one = config(tmp_path, method="cleverdistiller", head_layers=layers)
    method, teacher = METHODS["cleverdistiller"], one.build_teacher()
    network = build_backbone(one, None)
    scans = [method.views(one, None)(Rooms(), n, np.random.default_rng(n)) for n in (0, 1)]
    batch = method.collate(one, preparer_of(one))(scans)
    assert len(set(batch.pair_image.tolist())) == 4  # both cameras of both
    objective = method.objective(one, None, network, teacher)
    features, maps = objective.features(network, batch), teacher(batch.rgb())
    loss = objective(features, maps, batch, 0, torch.Generator())["loss"]
    upsampled = functional.interpolate(maps, size=batch.image_size, mode="bilinear", align_corners=True)
    pixel = upsampled[batch.pair_image, :, batch.pair_uv[:, 1], batch.pair_uv[:, 0]]
    torch.testing.assert_close(loss, direction_distance(objective.heads(features.sites)[batch.pair_row], pixel))
    assert len(objective.heads.layers) == 2 * layers - 1


def test_of_one_camera_it_draws_what_scalr_draws(tmp_path):
    drawn = []
    for method, changes in (("scalr", {}), ("cleverdistiller", {"cameras": "one"})):
        one = config(tmp_path, method=method, **changes)
        drawn.append(METHODS[method].views(one, None)(Rooms(), 1, np.random.default_rng(3)))
    assert len(drawn[0].images) == 1
    for name in ("xyz_m", "pixel_uv", "point_index"):
        np.testing.assert_array_equal(getattr(drawn[0], name), getattr(drawn[1], name))


def test_its_recipes_have_the_second_task_and_the_one_on_scalrs_is_scalrs_otherwise():
    for name in ("cleverdistiller", "cleverdistiller_scalr"):
        assert load_pretrain_config(RECIPES / f"{name}.yaml").occupancy == OccupancyConfig()
    scalr, on_it = (load_pretrain_config(RECIPES / f"{name}.yaml") for name in ("scalr", "cleverdistiller_scalr"))
    changed = {key for key, value in scalr if getattr(on_it, key) != value}
    assert changed == {"out", "method", "occupancy"}
