"""VoxelNet: the sparse encoder of detectors as a backbone of points, so that it can be pre-trained.

Its map seen from above has one cell per 8 x 8 voxels; points interpolate between cells. To pre-train as SLidR and OLIVINE
do (heads on active cells, unit length there, interpolation after, so that points' vectors are shorter than 1):

    values = F.normalize(head(network.active_features(inputs)), dim=1)
    point_values = network.to_points(values, inputs)

which differs from a head on the interpolated `point_features`, the un-normalised features that fine-tuning reads.
"""

import torch
from torch import Tensor, nn

from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone
from offline_training.networks.voxelnet.encoder import MAP_CHANNELS, VoxelEncoder
from offline_training.networks.voxelnet.inputs import VoxelNetInputs

IN_CHANNELS = 4  # mean x, y, z and intensity


class VoxelNet(VoxelEncoder, PointBackbone):
    """Mean points of voxels to features of points."""

    def __init__(self, out_channels: int | None) -> None:
        """out_channels: scores of the head; None = no head."""
        super().__init__(IN_CHANNELS)
        self.feature_channels = MAP_CHANNELS
        self.head = None if out_channels is None else nn.Linear(MAP_CHANNELS, out_channels)

    def active_features(self, inputs: BackboneInputs) -> Tensor:
        """Features (A, 128) of the active cells of the map, its one cell of height folded away.

        Raises TypeError for inputs of another network.
        """
        inputs = _checked(inputs)
        return self.encode(inputs.features, inputs.tables)

    def to_points(self, values: Tensor, inputs: BackboneInputs) -> Tensor:
        """Values (A, C) of active cells, interpolated bilinearly at the points, empty cells being 0: (R, C).

        Raises TypeError for inputs of another network.
        """
        inputs = _checked(inputs)
        padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
        result = values.new_zeros(inputs.row_count, values.shape[1])
        for cell, weight in zip(inputs.corner_cell.unbind(1), inputs.corner_weight.unbind(1), strict=True):
            result = result + padded.index_select(0, cell) * weight.to(values.dtype)[:, None]
        return result

    def point_features(self, inputs: BackboneInputs) -> Tensor:
        """Interpolated features of the points: (R, 128). Raises TypeError for the inputs of another kind of network."""
        return self.to_points(self.active_features(inputs), inputs)


def _checked(inputs: BackboneInputs) -> VoxelNetInputs:
    if not isinstance(inputs, VoxelNetInputs):
        raise TypeError(f"expected VoxelNetInputs, found {type(inputs).__name__}")
    return inputs
