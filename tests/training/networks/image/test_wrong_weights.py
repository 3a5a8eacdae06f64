"""Files of weights that hold something else than numbers of a network: each is refused by name before a network takes them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.image.weight_file import load_weights, read_weight_file


def taken(path: Path) -> nn.Module:
    network = nn.Linear(3, 2)
    load_weights(network, read_weight_file(path), path)
    return network


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_weights_that_are_no_numbers_are_named(number, tmp_path):
    weight = torch.zeros(2, 3, dtype=torch.float64)
    weight[0, 1] = number
    save_file({"weight": weight, "bias": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(BadCheckpoint, match="found 1 with NaN or infinite numbers: weight"):
        taken(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(2, 3, dtype=torch.complex64),
        torch.zeros(2, 3).to(torch.float8_e4m3fn),
        torch.zeros(2, 3).to_sparse(),
        torch.empty(2, 3, device="meta"),
    ],
    ids=["complex", "float8", "sparse", "without content"],
)
def test_what_is_no_plain_number_is_no_weight(weight, tmp_path):
    torch.save({"weight": weight, "bias": torch.zeros(2)}, tmp_path / "a.pth")
    with pytest.raises(BadCheckpoint, match="found 1 missing: weight"):
        taken(tmp_path / "a.pth")


def test_mappings_that_hold_themselves_are_refused(tmp_path):
    content: dict = {"weight": torch.zeros(2, 3)}
    content["model"] = content
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(BadCheckpoint, match=r"a\.pth: expected named tensors, found mappings that hold themselves"):
        taken(tmp_path / "a.pth")
