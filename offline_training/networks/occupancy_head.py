"""OccupancyHead: whether something is at a place near a point, from the point's feature and the way to the place."""

import torch
from torch import Tensor, nn

_OFFSET_UNIT_M = 0.1  # what decides lies within 0.1 m of a surface; ALSO's decoder reads metres, with which the loss falls far slower


class OccupancyHead(nn.Module):
    """Three layers as wide as the network's features, as ALSO's decoder has them (Boulch et al., CVPR 2023, section 3)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        width = in_channels
        self.layers = nn.Sequential(
            nn.Linear(in_channels + 3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, feature: Tensor, offset_m: Tensor) -> Tensor:
        """feature: (Q, in_channels) of the asked points; offset_m: (Q, 3) from them. Returns logits (Q,)."""
        return self.layers(torch.cat([feature, (offset_m / _OFFSET_UNIT_M).to(feature.dtype)], dim=1)).squeeze(1)
