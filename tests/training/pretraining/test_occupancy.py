"""Occupancy as a second task: its loss written out, in every method and network, goes on exactly, and leaves nothing behind."""

import math

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.losses.occupancy import occupancy_cross_entropy
from offline_training.networks.base.occupancy_queries import OccupancyQueries
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.base import cloud_views
from offline_training.pretraining.base.config import OccupancyConfig
from offline_training.pretraining.base.objective import PointFeatures
from offline_training.pretraining.base.occupancy import OccupancyTask, QueryPreparer
from offline_training.pretraining.known_methods import METHODS
from offline_training.pretraining.pretrain import pretrain
from offline_training.pretraining.views import pair_augment
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.start_weights import begin_with
from tests.training.pretraining.pretrain_scenes import ListedRooms, Rooms, config, of_store
from tests.training.training_log import lines

SMALL = {"queries": 256}
NEAR_M = [-6.4, -6.4, -4.0, 6.4, 6.4, 4.0]  # without the walls at 9 m
OTHER_NETWORKS = {
    "voxelnet": {"network": "voxelnet", "voxel_size": [0.2, 0.2, 0.25], "features": ["x", "y", "z", "intensity"]},
    "waffleiron": {"network": "waffleiron_small", "voxel_size": [0.5, 0.5, 0.5], "waffle_cell_m": 1.0},
}


def of_network(network: str) -> dict:
    """Changes of the settings to another network."""
    if network == "minkunet_small":
        return {}
    return {"stem": None, "planes": None, **OTHER_NETWORKS[network]}


def test_the_loss_is_the_mean_of_the_logarithms():
    logit = torch.randn(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    is_occupied = torch.arange(20) % 3 == 0
    by_hand = [
        -math.log(1 / (1 + math.exp(-(x if there else -x))))
        for x, there in zip(logit.tolist(), is_occupied, strict=True)
    ]
    assert float(occupancy_cross_entropy(logit, is_occupied).detach()) == pytest.approx(sum(by_hand) / 20)
    assert torch.autograd.gradcheck(lambda moved: occupancy_cross_entropy(moved, is_occupied), logit)
    none = occupancy_cross_entropy(logit[:0], is_occupied[:0])
    none.backward()
    assert float(none.detach()) == 0.0


def test_the_weighted_loss_of_a_head_on_the_rows_of_the_asked_points_is_added():
    torch.manual_seed(0)
    task, sites = OccupancyTask(6, 0.25), torch.randn(9, 6)
    queries = OccupancyQueries(torch.tensor([2, 2, 7]), torch.randn(3, 3), torch.tensor([True, False, True]))
    features = PointFeatures(sites, lambda values: values * 2.0)  # as a network that interpolates to its rows
    losses = task.added({"loss": torch.tensor(5.0), "other": torch.tensor(1.0)}, features, queries)
    alone = occupancy_cross_entropy(task.head(2.0 * sites[queries.row], queries.offset_m), queries.is_occupied)
    torch.testing.assert_close(losses["occupancy"], alone)
    torch.testing.assert_close(losses["loss"], 5.0 + 0.25 * alone)
    assert set(losses) == {"loss", "other", "occupancy"}


def _told_by_a_beam(place_m: np.ndarray, returns_m: np.ndarray, is_there: bool) -> bool:
    """Whether a place lies on a beam from the origin, up to 0.1 m behind its return or anywhere before it."""
    range_m = np.linalg.norm(returns_m, axis=1)
    along_m = returns_m @ place_m / range_m
    beside_m = np.linalg.norm(place_m - returns_m * (along_m / range_m)[:, None], axis=1)
    behind_m = along_m - range_m
    fits = (behind_m > -1e-3) & (behind_m < 0.1 + 1e-3) if is_there else (behind_m < 1e-3) & (along_m > -1e-3)
    return bool((fits & (beside_m < 1e-3)).any())


@pytest.mark.parametrize("network", ["minkunet_small", *OTHER_NETWORKS])
def test_queries_lie_near_their_points_and_points_without_a_row_are_not_asked(tmp_path, network):
    one = config(tmp_path, **{"method": "ppkt", "point_cloud_range": NEAR_M, **of_network(network)})
    scans = [(Rooms()[n].cloud.xyz_m, Rooms()[n].cloud.intensity) for n in (0, 1)]
    inputs = QueryPreparer(preparer_of(one), OccupancyConfig(queries=300))(scans)
    queries = inputs.queries
    assert 0 < len(queries.row) <= 600
    assert queries.row.min() >= 0
    assert queries.row.max() < inputs.row_count
    points = np.concatenate([xyz_m for xyz_m, _ in scans])
    row_of_point = inputs.row_of_point.numpy()
    returns_m = points[row_of_point >= 0]
    for row, offset_m, is_there in zip(
        queries.row.tolist(), queries.offset_m.numpy(), queries.is_occupied, strict=True
    ):
        assert (np.abs(offset_m) <= 1.0 + 1e-4).all()
        asked_about_m = points[row_of_point == row] + offset_m  # by one of the points of the row
        assert any(_told_by_a_beam(place_m, returns_m, bool(is_there)) for place_m in asked_about_m)
    again = QueryPreparer(preparer_of(one), OccupancyConfig(queries=300))(scans).queries
    assert torch.equal(again.offset_m, queries.offset_m)
    assert preparer_of(one)(scans).queries is None


def test_beams_begin_at_the_height_of_the_sensor(tmp_path):
    xyz_m, sensor_m = np.array([[6.0, 0.0, -1.0]], np.float32), np.array([0.0, 0.0, 2.0])
    asked = OccupancyConfig(queries=300, sensor_height_m=2.0)
    queries = QueryPreparer(preparer_of(config(tmp_path, method="ppkt")), asked)(
        [(xyz_m, np.zeros(1, np.float32))]
    ).queries
    place_m = xyz_m + queries.offset_m.numpy()
    assert len(place_m) > 100
    for one_m, is_there in zip(place_m, queries.is_occupied.tolist(), strict=True):
        assert _told_by_a_beam(one_m - sensor_m, xyz_m - sensor_m, is_there)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_scales_clouds_about_a_sensor_above_their_origin(tmp_path, labels, method, monkeypatch):
    heights = []
    for module, name in ((pair_augment, "move_cloud"), (cloud_views, "cloud_view")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, real=real: heights.append(args[3]) or real(*args))
    asked = config(tmp_path, method=method, occupancy={"sensor_height_m": 1.5}, **of_store(method, labels))
    views = METHODS[method].views(asked, METHODS[method].reads(asked))
    views(ListedRooms(), 0, np.random.default_rng(0))
    assert set(heights) == {1.5}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_it_and_its_own_loss_begins_as_without(tmp_path, rooms, labels, method):
    store = of_store(method, labels)
    both = {}
    for name, occupancy in (("without", None), ("with", SMALL)):
        out = tmp_path / name
        pretrain(config(out, method=method, occupancy=occupancy, max_steps=1, **store))
        (both[name],) = lines(out)
    assert "occupancy" not in both["without"]
    assert 0.3 < both["with"]["occupancy"] < 3.0
    assert both["with"]["loss"] - both["with"]["occupancy"] == pytest.approx(both["without"]["loss"], abs=1e-4)


@pytest.mark.parametrize("network", OTHER_NETWORKS)
def test_every_kind_of_network_takes_it(tmp_path, rooms, network):
    pretrain(
        config(tmp_path, method="ppkt", occupancy=SMALL, max_steps=2, point_cloud_range=NEAR_M, **of_network(network))
    )
    assert all(math.isfinite(line["occupancy"]) for line in lines(tmp_path))


def test_its_head_goes_on_with_the_run_and_stays_behind_in_a_finetuning(tmp_path, rooms):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    changes = {"method": "ppkt", "occupancy": SMALL, "optimizer": "sgd", "learning_rate": 0.05}
    reference = load_checkpoint(pretrain(config(whole, max_steps=2, schedule="cosine_per_epoch", **changes)))
    pretrain(config(halves, max_steps=1, schedule="cosine_per_epoch", **changes))
    resumed = load_checkpoint(pretrain(config(halves, max_steps=2, schedule="cosine_per_epoch", **changes)))
    of_head = [name for name in resumed.tensors if name.startswith("occupancy.")]
    assert len(of_head) == 6
    assert all(torch.equal(tensor, reference.tensors[name]) for name, tensor in resumed.tensors.items())
    network = build_backbone(config(tmp_path, method="ppkt"), 16)
    begun = begin_with(network, halves / "checkpoints", "nuscenes16")
    assert not any("occupancy" in name for name in (*begun.taken, *network.state_dict()))
    with pytest.raises(BadCheckpoint, match="occupancy"):
        pretrain(config(halves, max_steps=2, **{**changes, "occupancy": None}))


def test_another_pretraining_begins_with_the_head(tmp_path, rooms, caplog):
    first = pretrain(config(tmp_path / "first", method="ppkt", occupancy=SMALL, max_steps=1))
    changes = {"occupancy": SMALL, "max_steps": 1, "learning_rate": 0.0, "weight_decay": 0.0, "start_from": str(first)}
    other = load_checkpoint(pretrain(config(tmp_path / "other", method="scalr", **changes)))
    of_head = {name: tensor for name, tensor in load_checkpoint(first).tensors.items() if name.startswith("occupancy.")}
    assert len(of_head) == 6
    assert all(torch.equal(other.tensors[name], tensor) for name, tensor in of_head.items())
    assert "newly initialised: heads.linear" in caplog.text


def test_its_loss_falls_below_what_knowing_the_share_of_occupied_places_costs(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: Rooms(1))
    pretrain(config(tmp_path, method="ppkt", batch_size=1, max_steps=60, learning_rate=0.02, occupancy={}))
    told = [line["occupancy"] for line in lines(tmp_path)]
    assert np.mean(told[-15:]) < 0.67 < math.log(2.0)  # about half of the places of a room are occupied


@pytest.mark.parametrize(
    ("occupancy", "told"),
    [({"weight": 0.0}, "weight"), ({"queries": 0}, "queries"), ({"radius_m": 1.0}, "radius_m"), (True, "occupancy")],
)
def test_wrong_keys_are_refused(tmp_path, occupancy, told):
    with pytest.raises(BadConfig, match=told):
        config(tmp_path, occupancy=occupancy)
