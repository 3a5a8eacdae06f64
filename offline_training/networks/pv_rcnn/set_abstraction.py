"""Set abstraction at several radii (PointNet++, NeurIPS 2017): what lies around a point, through a small network, at its strongest."""

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from offline_training.networks.pv_rcnn.neighbours import PointGroups, first_neighbours


@dataclass(frozen=True)
class Scale:
    """The neighbourhood of one radius and its network."""

    radius_m: float
    most: int  # neighbours
    widths: tuple[int, ...]  # of the network on each neighbour


class SetAbstraction(nn.Module):
    """Features of points to features of queries; names as in OpenPCDet, whose 1x1 convolutions are linear layers here."""

    def __init__(self, in_channels: int, scales: tuple[Scale, ...]) -> None:
        super().__init__()
        self.scales = scales
        self.mlps = nn.ModuleList(_shared_mlp((in_channels + 3, *scale.widths)) for scale in scales)
        self.out_channels = sum(scale.widths[-1] for scale in scales)

    def forward(self, source: PointGroups, features: Tensor, query: PointGroups) -> Tensor:
        """features: (N, C) of the source. Returns (M, out_channels) of the queries; what is empty counts as one zero."""
        pooled = []
        xyz_m = torch.cat([source.xyz_m, source.xyz_m.new_zeros(1, 3)])
        for scale, part in zip(self.scales, self.mlps, strict=True):
            mlp = cast(nn.Sequential, part)
            row, is_empty = first_neighbours(source, query, scale.radius_m, scale.most)
            # The first layer is linear: what it makes of a point's features is computed once, not for each neighbour.
            weight = cast(nn.Linear, mlp[0]).weight  # (C_1, 3 + C)
            of_features = functional.linear(features, weight[:, 3:])
            of_features = torch.cat([of_features, of_features.new_zeros(1, len(weight))])
            step_m = (xyz_m[row] - query.xyz_m[:, None]) * ~is_empty[:, None, None]
            around = functional.linear(step_m, weight[:, :3]) + of_features[row]  # (M, most, C_1)
            values: Tensor = mlp[1:](around.flatten(0, 1))  # (M * most, C_out)
            pooled.append(values.reshape(*row.shape, values.shape[1]).amax(dim=1))
        return torch.cat(pooled, dim=1)


def _shared_mlp(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for c_in, c_out in pairwise(widths):
        linear = nn.Linear(c_in, c_out, bias=False)
        nn.init.kaiming_normal_(linear.weight)
        layers += [linear, nn.BatchNorm1d(c_out), nn.ReLU()]
    return nn.Sequential(*layers)
