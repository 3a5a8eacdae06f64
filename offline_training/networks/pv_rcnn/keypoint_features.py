"""Voxel set abstraction (PV-RCNN, Shi et al., CVPR 2020, section 3.2): what keypoints see of points, voxels and map."""

import torch
from torch import Tensor, nn

from lidar_vl_core.voxels.encoder_tables import MAP_STRIDE
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.pv_rcnn.inputs import KeypointSurroundings
from offline_training.networks.pv_rcnn.neighbours import PointGroups
from offline_training.networks.pv_rcnn.set_abstraction import Scale, SetAbstraction

KEYPOINT_CHANNELS = 128
_POINT_SCALES = (Scale(0.4, 16, (16, 16)), Scale(0.8, 16, (16, 16)))
_LEVEL_SCALES = (
    (Scale(0.4, 16, (16, 16)), Scale(0.8, 16, (16, 16))),
    (Scale(0.8, 16, (32, 32)), Scale(1.2, 32, (32, 32))),
    (Scale(1.2, 16, (64, 64)), Scale(2.4, 32, (64, 64))),
    (Scale(2.4, 16, (64, 64)), Scale(4.8, 32, (64, 64))),
)


class KeypointFeatures(nn.Module):
    """Features of keypoints from all that lies around them."""

    def __init__(self, grid: VoxelGrid, widths: tuple[int, ...], map_channels: int, point_values: int) -> None:
        """widths: of the encoder's levels; map_channels: of the map seen from above; point_values: beside x, y, z."""
        super().__init__()
        self.grid = grid
        self.levels = nn.ModuleList(
            SetAbstraction(width, scales) for width, scales in zip(widths, _LEVEL_SCALES, strict=True)
        )
        self.points = SetAbstraction(point_values, _POINT_SCALES)
        self.joined_channels = sum(part.out_channels for part in (self.points, *self.levels)) + map_channels
        self.fusion = nn.Sequential(
            nn.Linear(self.joined_channels, KEYPOINT_CHANNELS, bias=False),
            nn.BatchNorm1d(KEYPOINT_CHANNELS),
            nn.ReLU(),
        )

    def forward(
        self, surroundings: KeypointSurroundings, level_features: list[Tensor], bev_map: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features (S * K, joined_channels) of the keypoints, map first, then points, then levels; and fused (S * K, 128)."""
        scans, count, _ = surroundings.keypoint_m.shape
        query = PointGroups(surroundings.keypoint_m.reshape(-1, 3), (count,) * scans)
        parts = [self._from_map(surroundings.keypoint_m, bev_map)]
        parts.append(self.points(surroundings.points, surroundings.values, query))
        for part, level, features in zip(self.levels, surroundings.levels, level_features, strict=True):
            parts.append(part(level, features, query))
        joined = torch.cat(parts, dim=1)
        return joined, self.fusion(joined)

    def _from_map(self, keypoint_m: Tensor, bev_map: Tensor) -> Tensor:
        """(S * K, C) of the map (S, C, H, W), bilinearly between its cells, each value at its cell's lower corner.

        Behind the last cell of an axis the weights cancel to 0: published weights were trained with that.
        """
        height, width = bev_map.shape[2:]
        scan = torch.arange(len(bev_map), device=bev_map.device)[:, None]
        x = (keypoint_m[..., 0] - self.grid.range_min[0]) / self.grid.voxel_size[0] / MAP_STRIDE
        y = (keypoint_m[..., 1] - self.grid.range_min[1]) / self.grid.voxel_size[1] / MAP_STRIDE
        left, top = x.floor().long(), y.floor().long()
        left, right = left.clamp(0, width - 1), (left + 1).clamp(0, width - 1)
        top, bottom = top.clamp(0, height - 1), (top + 1).clamp(0, height - 1)
        cells = bev_map.permute(0, 2, 3, 1)
        total = (
            cells[scan, top, left] * ((right - x) * (bottom - y))[..., None]
            + cells[scan, bottom, left] * ((right - x) * (y - top))[..., None]
            + cells[scan, top, right] * ((x - left) * (bottom - y))[..., None]
            + cells[scan, bottom, right] * ((x - left) * (y - top))[..., None]
        )
        return total.reshape(-1, bev_map.shape[1])
