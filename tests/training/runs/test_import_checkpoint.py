"""import-checkpoint: weights are found in every container of training, VoxelNet's layouts are turned, and code or other networks are refused."""

import argparse
import pickle
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.cli.main import main
from offline_training.networks.image.weight_file import load_weights, read_weight_file
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.runs.checkpoint import load_checkpoint, weights_of
from offline_training.runs.import_checkpoint import HEADS_PREFIX, import_checkpoint
from tests.training.networks.voxelnet.spconv_voxelnet import foreign_state


def test_the_head_of_a_fine_tuned_network_is_left_out(tmp_path):
    state = {f"model.{name}": tensor for name, tensor in foreign_state(VoxelNet(None), 2).items()}
    state["model.final.weight"] = torch.zeros(17, 1, 1, 1, 128)
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    imported = import_checkpoint(tmp_path / "last.ckpt", "voxelnet", tmp_path / "out")
    assert imported.heads == ()
    assert imported.left_out == {"final": 1}


def test_the_heads_of_voxelnet_keep_their_numbers(tmp_path):
    state = foreign_state(VoxelNet(None), 2)
    state["final.weight"] = torch.randn(64, 1, 1, 1, 128)
    torch.save({"model_points": state}, tmp_path / "model.pt")
    imported = import_checkpoint(tmp_path / "model.pt", "voxelnet", tmp_path / "out")
    heads = weights_of(load_checkpoint(imported.path), HEADS_PREFIX)
    assert torch.equal(heads["point.linear.weight"], state["final.weight"].reshape(128, 64).t())
    assert not heads["point.linear.bias"].any()


@pytest.mark.parametrize("generation", [1, 2])
def test_voxelnet_comes_from_both_generations_of_spconv(tmp_path, generation):
    own = VoxelNet(None)
    torch.nn.init.uniform_(own.output.norm.running_var, 0.5, 2)
    state = {f"backbone_3d.{name}": tensor for name, tensor in foreign_state(own, generation).items()}
    state |= {"dense_head.conv_cls.weight": torch.zeros(2, 2), "global_step": torch.zeros(1)}
    torch.save({"model_state": state, "epoch": 80}, tmp_path / "second.pth")
    imported = import_checkpoint(tmp_path / "second.pth", "voxelnet", tmp_path / "out")
    assert imported.left_out == {"dense_head": 1, "global_step": 1}
    taken = weights_of(load_checkpoint(imported.path), "network")
    assert taken.keys() == own.state_dict().keys()
    assert all(torch.equal(taken[name], tensor) for name, tensor in own.state_dict().items())


class _Wrapped(dict):
    """How the same state lies in files of training: container -> what torch.save is given."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        optimizer = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": np.float64(0.1), "params": [0]}]}
        epoch = {"epoch": np.int64(3), "best": np.float32(0.5), "when": np.array([1.5])}
        parallel = {f"module.{name}": tensor for name, tensor in state.items()}
        zeros = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
        super().__init__(
            {name: {**epoch, name: state, "optimizer": optimizer} for name in (
                "model", "state_dict", "model_state_dict", "model_state", "net", "network", "module", "weights", "ema", "encoder"
            )},
            nested={"checkpoint": {"model": {"state_dict": state}}, "optimizer": optimizer},
            parallel={"model": parallel, "args": argparse.Namespace(lr=0.1)},
            compiled={"net": {f"_orig_mod.module.{name}": tensor for name, tensor in state.items()}},
            trainer={"state_dict": {f"model.net.{name}": tensor for name, tensor in state.items()}},
            averaged={"ema": zeros, "optimizer_state": optimizer, "model": state},
            parameters={"model": {name: torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor
                                  for name, tensor in state.items()}},
            beside={"model": state, "args": argparse.Namespace(out=Path("out")), "when": datetime(2024, 5, 1), "took": timedelta(hours=3)},
            arrays={"model": {name: tensor.numpy() for name, tensor in state.items()}},
            bare=state,
            bare_parallel=parallel,
        )  # fmt: skip


@pytest.mark.parametrize("container", _Wrapped({}))
def test_a_network_is_found_in_every_container_of_training(container, tmp_path):
    """By both readers of foreign weights, with numpy's numbers beside it and without what belongs to an optimiser."""
    state = foreign_state(VoxelNet(None), 2)
    torch.save(_Wrapped(state)[container], tmp_path / "model.pt")
    imported = import_checkpoint(tmp_path / "model.pt", "voxelnet", tmp_path / "out")
    taken = weights_of(load_checkpoint(imported.path), "network")
    expected = import_checkpoint_of(state, tmp_path)
    assert taken.keys() == expected.keys()
    assert all(torch.equal(taken[name], tensor) for name, tensor in expected.items())
    assert not imported.left_out
    names = read_weight_file(tmp_path / "model.pt")
    assert {name.removeprefix("model.net.") for name in names} == state.keys()
    torch.save(_Wrapped({"weight": torch.ones(2, 3), "bias": torch.ones(2)})[container], tmp_path / "linear.pt")
    linear = torch.nn.Linear(3, 2)
    load_weights(linear, read_weight_file(tmp_path / "linear.pt"), tmp_path / "linear.pt")
    assert linear(torch.ones(3)).tolist() == [4.0, 4.0]


def import_checkpoint_of(state: dict[str, torch.Tensor], folder: Path) -> dict[str, torch.Tensor]:
    save_file(state, folder / "plain.safetensors")
    imported = import_checkpoint(folder / "plain.safetensors", "voxelnet", folder / "plain")
    return weights_of(load_checkpoint(imported.path), "network")


def test_safetensors_are_read(tmp_path):
    save_file(foreign_state(VoxelNet(None), 2), tmp_path / "voxelnet.safetensors")
    assert import_checkpoint(tmp_path / "voxelnet.safetensors", "voxelnet", tmp_path).parameters == 728_256 - 2 * 8192


class _Hostile:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.path, "it ran")


@pytest.mark.parametrize("save", ["torch", "pickle", "torch_old"])
def test_code_in_a_file_is_refused_and_does_not_run(tmp_path, save, capsys):
    mark, path = tmp_path / "mark", tmp_path / "model.pt"
    content = {"model_points": {"conv0p1s1.kernel": torch.zeros(27, 1, 32)}, "config": _Hostile(mark)}
    if save == "pickle":
        path.write_bytes(pickle.dumps({"config": _Hostile(mark)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=save == "torch")
    arguments = ["import-checkpoint", str(path), "--kind", "slidr", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert not mark.exists()
    assert not (tmp_path / "out").exists()
    assert "Code in weights is never run" in capsys.readouterr().err
    with suppress(RuntimeError):  # it is no file of torch.save
        torch.load(path, weights_only=False)
    assert mark.exists()  # so this file has a sting


def test_an_object_that_a_file_keeps_is_named_with_what_to_save_in_its_place(tmp_path):
    torch.save({"model_points": {}, "optimizer": torch.optim.SGD([torch.zeros(1)])}, tmp_path / "model.pt")
    with pytest.raises(
        BadCheckpoint, match=r"\(objects of torch\.optim\.sgd\.SGD\).* save the network's state_dict\(\) alone"
    ):
        import_checkpoint(tmp_path / "model.pt", "slidr", tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (
            {"state_dict": {"conv_input.0.weight": torch.zeros(1)}},
            "olivine",
            r"found a VoxelNet of spconv\. Choose another --kind",
        ),
        (
            {"model_points": {"conv0p1s1.kernel": torch.zeros(1)}},
            "voxelnet",
            r"found an SR-UNet of MinkowskiEngine\. Choose another --kind",
        ),
        (
            {"state_dict": {"layer1.weight": torch.zeros(1)}},
            "slidr",
            r"found tensors layer1\.weight\. Choose the file of a 3D",
        ),
        ({"epoch": 3}, "slidr", "found no tensors but epoch. Choose a file of weights"),
        (
            {"state_dict": {"q.conv0p1s1.kernel": torch.zeros(1), "k.conv0p1s1.kernel": torch.zeros(1)}},
            "slidr",
            "found 2, below q., k.",
        ),
        ({"model_points": {"conv0p1s1.kernel": torch.zeros(27, 1, 32)}}, "slidr", "model.pt: expected the 372 tensors"),
        (
            {"model_points": {"conv0p1s1.kernel": torch.zeros(1)}, "config": {"voxel_size": "0.1"}},
            "slidr",
            "voxel_size: expected a number of metres, found '0.1'",
        ),
    ],
)
def test_what_is_no_such_network_is_refused_with_a_reason(tmp_path, content, kind, told):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(BadCheckpoint, match=told):
        import_checkpoint(tmp_path / "model.pt", kind, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_took(tmp_path, capsys):
    save_file(foreign_state(VoxelNet(None), 2), tmp_path / "voxelnet.safetensors")
    arguments = ["import-checkpoint", str(tmp_path / "voxelnet.safetensors"), "--kind", "voxelnet"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "features: x, y, z, intensity_255" in printed
    assert f"checkpoint: {tmp_path / 'out' / 'last.json'}" in printed
