"""What a pre-training of others leaves beside its network is taken as numbers or refused."""

from pathlib import Path

import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.foreign_heads import class_statistics, picture_heads, require_finite
from offline_training.networks.foreign_waffleiron import ANCHOR, network_name
from offline_training.networks.foreign_weights import not_finite

MEAN, HEAD = "vmf_distributions.0.z_mean", "model_images.decoder.0.weight"


@pytest.mark.parametrize("name", [MEAN, HEAD])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_heads_and_distributions_that_are_no_numbers_are_refused_with_the_file(name, number):
    tensors = {MEAN: torch.zeros(64, dtype=torch.float64), HEAD: torch.zeros(64, 8, 1, 1, dtype=torch.float64)}
    tensors[name].view(-1)[3] = number
    with pytest.raises(BadCheckpoint, match=r"a\.pt: expected finite heads and distributions of classes, found NaN"):
        require_finite(Path("a.pt"), {**class_statistics(tensors), **picture_heads(tensors)})


def test_what_overflows_float32_is_not_finite():
    assert not_finite({"a": torch.tensor([1e300], dtype=torch.float64), "b": torch.ones(2, dtype=torch.int64)}) == ["a"]


def test_a_single_number_in_the_place_of_a_layer_is_no_network():
    with pytest.raises(BadCheckpoint, match="found 0 layers of 0 channels"):
        network_name({ANCHOR: torch.tensor(1.0)}, gelu=False)
