"""The named sizes of WaffleIron. No PyTorch is needed to know them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class WaffleIronShape:
    """Sizes of one network."""

    layers: int  # each of one SpatialMix and one ChannelMix
    channels: int
    drop_path: float  # share of branches left out in training, per scan
    layer_norm: bool = False  # before each mix, in place of batch norm
    gelu: bool = False  # in each mix, in place of ReLU


SHAPES: Mapping[str, WaffleIronShape] = {
    "waffleiron_48_384": WaffleIronShape(48, 384, 0.2),  # nuScenes
    "waffleiron_48_256": WaffleIronShape(48, 256, 0.2),  # SemanticKITTI
    "waffleiron_48_768": WaffleIronShape(48, 768, 0.2, layer_norm=True),  # ScaLR
    "waffleiron_48_768_gelu": WaffleIronShape(48, 768, 0.2, layer_norm=True, gelu=True),  # ScaLR+
    "waffleiron_small": WaffleIronShape(6, 64, 0.0),  # for CPUs
}
