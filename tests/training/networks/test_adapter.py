"""The adapter of 3DSS-VLG: its size, its mixture, and that it is affine."""

import pytest
import torch

from offline_training.networks.adapter import TextAdapter


def test_at_768_channels_it_has_the_papers_295680_parameters():
    assert sum(parameter.numel() for parameter in TextAdapter(768).parameters()) == 295_680


def test_the_output_is_95_percent_of_the_layers_and_5_percent_of_the_input():
    adapter = TextAdapter(8, reduction=1)
    with torch.no_grad():
        adapter.down.weight.copy_(2.0 * torch.eye(8))
        adapter.up.weight.copy_(torch.eye(8))
        adapter.up.bias.fill_(3.0)
    feature = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(adapter(feature), 0.95 * (2.0 * feature + 3.0) + 0.05 * feature)


def test_the_adapted_mean_is_the_mean_of_adapted_features():
    torch.manual_seed(0)
    adapter, feature = TextAdapter(16).double(), torch.randn(10, 16, dtype=torch.float64)
    torch.testing.assert_close(adapter(feature.mean(dim=0)), adapter(feature).mean(dim=0))


def test_with_a_mix_of_one_it_changes_nothing():
    feature = torch.randn(3, 8)
    torch.testing.assert_close(TextAdapter(8, mix=1.0)(feature), feature)


@pytest.mark.parametrize("wrong", [{"reduction": 0}, {"reduction": 9}, {"mix": -0.1}, {"mix": 1.1}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        TextAdapter(8, **wrong)
