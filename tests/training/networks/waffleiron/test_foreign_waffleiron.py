"""WaffleIron's and ScaLR's weights: the same features as their authors' layout gives, of our intensities."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from lidar_vl_core.voxels.flat_grids import FlatGrids
from offline_training.networks import foreign_waffleiron
from offline_training.networks.foreign_waffleiron import (
    KITTI,
    NUSCENES,
    SCALR_NUSCENES,
    Intensity,
    network_name,
    translate_waffleiron,
)
from offline_training.networks.waffleiron.inputs import WaffleInputs, WafflePreparer
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES, WaffleIronShape
from offline_training.runs import backbone_config
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.import_checkpoint import import_checkpoint
from tests.training.networks.waffleiron.waffleiron_reference import point_features, random_state

GRIDS = FlatGrids((0.1, 0.1, 0.1), (-10.0, -10.0, -4.0, 10.0, 10.0, 4.0), 1.0, None)


def scan(points: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    xyz_m = rng.uniform((-9, -9, -3), (9, 9, 3), (points, 3)).astype(np.float32)
    return xyz_m, rng.uniform(0, 1, points).astype(np.float32)


def theirs(
    state: dict[str, torch.Tensor], inputs: WaffleInputs, intensity: Intensity, gelu: bool = False
) -> torch.Tensor:
    features = inputs.features.clone()
    features[:, 0] = features[:, 0] * intensity.factor + intensity.shift
    return point_features(state, features, inputs.neighbours, inputs.cells, inputs.grid_shapes, gelu)


@pytest.mark.parametrize(("layer_norm", "gelu"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("intensity", [NUSCENES, KITTI, SCALR_NUSCENES])
def test_translated_weights_give_the_features_of_the_authors_layout(
    layer_norm: bool, gelu: bool, intensity: Intensity
) -> None:
    state = random_state(4, 16, layer_norm, seed=1)
    before = {name: tensor.clone() for name, tensor in state.items()}
    network = WaffleIron(WaffleIronShape(4, 16, 0.0, layer_norm, gelu), None).eval()
    network.load_state_dict(translate_waffleiron(state, network, intensity))
    inputs = WafflePreparer(GRIDS)([scan()])
    with torch.no_grad():
        found, expected = network.point_features(inputs), theirs(state, inputs, intensity, gelu)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items()), "what was read stays as it is"


@pytest.mark.parametrize("prefix", ["", "module.", "model_point.module."])
def test_a_file_becomes_a_checkpoint_with_the_published_grids(tmp_path: Path, prefix: str) -> None:
    shape = SHAPES["waffleiron_small"]
    state = random_state(shape.layers, shape.channels, shape.layer_norm, seed=2)
    torch.save(
        {"net": {f"{prefix}{name}": tensor for name, tensor in state.items()}, "epoch": 44}, tmp_path / "ckpt.pth"
    )
    found = import_checkpoint(tmp_path / "ckpt.pth", "waffleiron_nuscenes", tmp_path / "out")
    assert (found.config.network, found.config.waffle_cell_m) == ("waffleiron_small", 0.6)
    assert found.left_out["classif"] == 2
    network = build_backbone(found.config, None).eval()
    weights = load_checkpoint(found.path).tensors
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in weights.items()})
    inputs = preparer_of(found.config)([scan()])
    assert isinstance(inputs, WaffleInputs)
    with torch.no_grad():
        found_features, expected = network.point_features(inputs), theirs(state, inputs, NUSCENES)
    assert (found_features - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_sizes_of_the_published_networks_are_known_by_their_tensors() -> None:
    for name, shape in SHAPES.items():
        small = random_state(1, 8, shape.layer_norm, seed=0)
        state = {place: tensor for place, tensor in small.items() if ".norm." in place}
        state |= {f"waffleiron.channel_mix.{k}.mlp.0.bias": torch.zeros(1) for k in range(shape.layers)}
        state["embed.final.weight"] = torch.zeros(shape.channels, 1, 1)
        assert network_name(state, shape.gelu) == name
    state["embed.final.weight"] = torch.zeros(99, 1, 1)
    with pytest.raises(BadCheckpoint, match="layers of 99 channels"):
        network_name(state, False)


def test_scalr_plus_is_told_by_its_head_and_computes_with_gelu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gelu = WaffleIronShape(3, 8, 0.2, layer_norm=True, gelu=True)
    small = {"waffleiron_48_768": replace(gelu, gelu=False), "waffleiron_48_768_gelu": gelu}
    monkeypatch.setattr(foreign_waffleiron, "SHAPES", small)
    monkeypatch.setattr(backbone_config, "WAFFLEIRON_SHAPES", small)
    state = random_state(3, 8, True, seed=5)
    of_classes = {name: tensor for name, tensor in state.items() if not name.startswith("classif")}
    of_classes |= {"classif.0.weight": torch.ones(8), "classif.1.weight": torch.zeros(16, 8, 1)}
    deep = {**of_classes, "classif.0.weight": torch.zeros(20, 8, 1), "classif.2.weight": torch.zeros(16, 20, 1)}
    for name, tensors in (("deep", deep), ("classes", of_classes)):
        optim = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.002, "params": [0]}]}
        parallel = {f"module.{name}": tensor for name, tensor in tensors.items()}
        content = {"epoch": 64, "model_point": parallel, "optim": optim, "scheduler": {"last_epoch": 9}, "scaler": {}}
        torch.save(content, tmp_path / f"{name}.pth")
    with pytest.raises(BadCheckpoint, match=r"found one of two, as ScaLR\+ has.* Use --kind scalr_plus"):
        import_checkpoint(tmp_path / "deep.pth", "scalr", tmp_path / "out")
    found = import_checkpoint(tmp_path / "deep.pth", "scalr_plus", tmp_path / "out")
    assert found.config.network == "waffleiron_48_768_gelu"
    assert "GELU, as ScaLR+" in str(found)
    told = str(import_checkpoint(tmp_path / "classes.pth", "scalr", tmp_path / "other"))
    assert "using ReLU, as ScaLR; ScaLR+ is --kind scalr_plus" in told


@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen", "not finite"])
def test_a_file_of_another_network_is_refused_with_the_tensor(fault: str) -> None:
    state, network = random_state(2, 8, False, seed=3), WaffleIron(WaffleIronShape(2, 8, 0.0), None)
    name = "waffleiron.channel_mix.1.mlp.0.weight"
    if fault == "missing":
        del state[name]
    elif fault == "unexpected":
        name = "waffleiron.channel_mix.1.mlp.4.weight"
        state[name] = torch.zeros(8)
    elif fault == "misshapen":
        state[name] = state[name][:4]
    else:
        state[name] = torch.full_like(state[name], torch.nan)
    with pytest.raises(BadCheckpoint, match=f"1 {fault}: {name}"):
        translate_waffleiron(state, network, KITTI)


def test_scalrs_size_is_waffleirons_with_layer_norms() -> None:
    assert replace(SHAPES["waffleiron_48_768"], channels=384, layer_norm=False) == SHAPES["waffleiron_48_384"]
    assert replace(SHAPES["waffleiron_48_768_gelu"], gelu=False) == SHAPES["waffleiron_48_768"]
