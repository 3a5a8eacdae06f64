"""The keys of a network: what it does not look at is refused, and a configuration that a checkpoint lists whole is not."""

import pytest

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.runs.backbone_config import NETWORKS, BackboneConfig


@pytest.mark.parametrize(
    ("network", "changes", "told"),
    [
        (
            "minkunet_small",
            {"waffle_cell_m": 0.5},
            "waffle_cell_m: expected only for another network than minkunet_small",
        ),
        (
            "res16unet_34c",
            {"waffle_max_points": 20000},
            "waffle_max_points: expected only for another network than res16unet_34c",
        ),
        ("voxelnet", {"stem": 16, "blocks": [1] * 8}, "stem, blocks: expected only for another network than voxelnet"),
        ("voxelnet", {"waffle_cell_m": 0.5}, "waffle_cell_m: expected only for another network than voxelnet"),
        ("waffleiron_small", {"planes": [16] * 8}, "planes: expected only for another network than waffleiron_small"),
        (
            "waffleiron_small",
            {"features": ["intensity"]},
            "features: expected only for another network than waffleiron_small",
        ),
        (
            "waffleiron_48_256",
            {"sparse_form": "gather"},
            "sparse_form: expected only for another network than waffleiron_48_256",
        ),
    ],
)
def test_keys_that_a_network_does_not_look_at_are_refused(network, changes, told):
    with pytest.raises(BadConfig, match=told):
        validated(BackboneConfig, {"network": network, **changes}, "test")


@pytest.mark.parametrize("network", NETWORKS)
def test_a_configuration_that_lists_all_keys_is_read(network):
    listed = BackboneConfig(network=network).model_dump(mode="json")
    assert validated(BackboneConfig, listed, "test").network == network


def test_an_unknown_network_is_named_with_those_that_there_are():
    for key, wrong, told in (
        ("network", "pointnet", r"network: expected one of minkunet_14a.*waffleiron_small, found 'pointnet'"),
        ("network", "waffleiron", r"did you mean waffleiron_small\?"),
        ("grid_kind", "cylinder", r"grid_kind: expected one of .*cylindrical \(did you mean cylindrical\?\)"),
    ):
        with pytest.raises(BadConfig, match=told):
            validated(BackboneConfig, {key: wrong}, "test")
