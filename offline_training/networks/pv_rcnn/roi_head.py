"""RoI-grid pooling and refinement (PV-RCNN, section 3.3): proposals to better boxes and how sure they are."""

import torch
from torch import Tensor, nn

from lidar_vl_core.box_heads.anchors import CODE_NUMBERS
from offline_training.networks.pv_rcnn.neighbours import PointGroups
from offline_training.networks.pv_rcnn.set_abstraction import Scale, SetAbstraction

_SIDE = 6  # points of the grid along each edge of a proposal
_SCALES = (Scale(0.8, 16, (64, 64)), Scale(1.6, 16, (64, 64)))
_WIDTH, _DROPPED = 256, 0.3


class RoiHead(nn.Module):
    """Proposals to a score and a code each; names as in OpenPCDet."""

    def __init__(self, keypoint_channels: int) -> None:
        super().__init__()
        self.roi_grid_pool_layer = SetAbstraction(keypoint_channels, _SCALES)
        pooled = _SIDE**3 * self.roi_grid_pool_layer.out_channels
        self.shared_fc_layer = nn.Sequential(*_unit(pooled), nn.Dropout(_DROPPED), *_unit(_WIDTH))
        self.cls_layers = _branch(1)
        self.reg_layers = _branch(CODE_NUMBERS)
        for module in (self.shared_fc_layer, self.cls_layers, self.reg_layers):
            module.apply(_begin)
        nn.init.normal_(self.reg_layers[-1].weight, 0.0, 0.001)  # type: ignore[arg-type]

    def forward(
        self, proposals: PointGroups, boxes: Tensor, keypoints: PointGroups, features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (R,) and codes (R, 7) of proposals.

        proposals: of S scans; boxes: (R, 7) the same with sizes and yaws; features: (S * K, C) of the keypoints.
        """
        if not len(boxes):
            return boxes.new_zeros(0), boxes.new_zeros(0, CODE_NUMBERS)
        points = PointGroups(grid_points(boxes).reshape(-1, 3), tuple(count * _SIDE**3 for count in proposals.counts))
        pooled = self.roi_grid_pool_layer(keypoints, features, points)
        pooled = pooled.reshape(len(boxes), _SIDE**3, -1).transpose(1, 2)  # (R, C, 6 * 6 * 6)
        shared = self.shared_fc_layer(pooled.reshape(len(boxes), -1, 1))
        return self.cls_layers(shared)[:, 0, 0], self.reg_layers(shared)[:, :, 0]


def grid_points(boxes: Tensor) -> Tensor:
    """(R, 216, 3) points of a regular grid in each box (R, 7), along its length first, its height fastest."""
    along = (torch.arange(_SIDE, device=boxes.device, dtype=boxes.dtype) + 0.5) / _SIDE - 0.5
    unit = torch.stack(torch.meshgrid(along, along, along, indexing="ij"), dim=-1).reshape(1, -1, 3)
    return turned(unit * boxes[:, None, 3:6], boxes[:, 6]) + boxes[:, None, :3]


def turned(xyz: Tensor, yaw_rad: Tensor) -> Tensor:
    """Points (R, P, 3) turned about the z axis by yaw (R,), from +x towards +y."""
    cos, sin = yaw_rad.cos()[:, None], yaw_rad.sin()[:, None]
    x, y, z = xyz.unbind(dim=2)
    return torch.stack([x * cos - y * sin, x * sin + y * cos, z], dim=2)


def refined_boxes(code: Tensor, boxes: Tensor) -> Tensor:
    """Boxes (R, 7) from codes (R, 7) in the frame of each proposal (R, 7): at its centre, along its heading."""
    diagonal = torch.linalg.vector_norm(boxes[:, 3:5], dim=1, keepdim=True)
    step = torch.cat([code[:, :2] * diagonal, code[:, 2:3] * boxes[:, 5:6]], dim=1)
    centre = turned(step[:, None], boxes[:, 6])[:, 0] + boxes[:, :3]
    return torch.cat([centre, boxes[:, 3:6] * code[:, 3:6].exp(), boxes[:, 6:] + code[:, 6:]], dim=1)


def _branch(numbers: int) -> nn.Sequential:
    last = nn.Conv1d(_WIDTH, numbers, 1)
    return nn.Sequential(*_unit(_WIDTH), nn.Dropout(_DROPPED), *_unit(_WIDTH), last)


def _unit(in_channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv1d(in_channels, _WIDTH, 1, bias=False), nn.BatchNorm1d(_WIDTH), nn.ReLU()


def _begin(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
