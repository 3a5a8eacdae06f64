"""The head of SECOND, which is PV-RCNN's first stage too: scores, box codes and directions of anchors at every cell of a map."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from lidar_vl_core.box_heads.anchor_maps import AnchorMaps, boxes_of_anchor_maps
from lidar_vl_core.box_heads.anchors import CODE_NUMBERS, KITTI_ANCHORS, AnchorKind, anchor_boxes
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.losses.detection import second as losses
from offline_training.networks.detection.detector import HeadMaps, map_arrays
from offline_training.networks.detection.inputs import detector_map_shape
from offline_training.networks.second.assignment import (
    KITTI_THRESHOLDS,
    AnchorTargets,
    MatchThresholds,
    assign_anchors,
)

CLASS, CODE, DIRECTION = "class_logit", "code", "direction_logit"  # names of the head's maps
_DIRECTIONS = 2
_RARE = 0.01  # score that a fresh head gives every anchor (Lin et al. 2017, section 4.1)
_CLASS_WEIGHT, _CODE_WEIGHT, _DIRECTION_WEIGHT = 1.0, 2.0, 0.2


@dataclass(frozen=True)
class AnchorSettings:
    """The anchors of a head; class_id of kind k is that of score k."""

    kinds: tuple[AnchorKind, ...] = KITTI_ANCHORS
    thresholds: tuple[MatchThresholds, ...] = KITTI_THRESHOLDS

    def __post_init__(self) -> None:
        if len(self.kinds) != len(self.thresholds):
            raise ValueError(f"thresholds: expected {len(self.kinds)}, as many as kinds, found {len(self.thresholds)}")

    @property
    def per_cell(self) -> int:
        """Anchors at one cell of the map."""
        return sum(len(kind.yaws_rad) for kind in self.kinds)

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Class ids of the scores of an anchor."""
        return tuple(kind.class_id for kind in self.kinds)


class AnchorHead(nn.Module):
    """Three 1x1 convolutions, with OpenPCDet's names, and what their numbers mean."""

    def __init__(self, in_channels: int, grid: VoxelGrid, settings: AnchorSettings) -> None:
        """grid: of the preparer."""
        super().__init__()
        self.settings = settings
        self.conv_cls = nn.Conv2d(in_channels, settings.per_cell * len(settings.kinds), 1)
        self.conv_box = nn.Conv2d(in_channels, settings.per_cell * CODE_NUMBERS, 1)
        self.conv_dir_cls = nn.Conv2d(in_channels, settings.per_cell * _DIRECTIONS, 1)
        nn.init.constant_(cast(Tensor, self.conv_cls.bias), -math.log((1 - _RARE) / _RARE))
        nn.init.normal_(self.conv_box.weight, 0.0, 0.001)
        range_m = (*grid.range_min, *grid.range_max)
        self.anchors_by_cell = anchor_boxes(settings.kinds, range_m, detector_map_shape(grid)[:2])
        self.anchors: Tensor
        self.register_buffer("anchors", torch.from_numpy(self.anchors_by_cell), persistent=False)

    def forward(self, x: Tensor) -> HeadMaps:
        """x: (S, C, H, W). Returns (S, anchors * numbers, H, W) of each."""
        return {CLASS: self.conv_cls(x), CODE: self.conv_box(x), DIRECTION: self.conv_dir_cls(x)}

    def targets(self, truth: Sequence[Boxes3d]) -> AnchorTargets:
        """Which anchor answers for which box, scan by scan."""
        parts = []
        for scan in truth:
            boxes = torch.from_numpy(scan.boxes).to(self.anchors)
            kind_of_box = torch.tensor(self.kinds_of(scan), dtype=torch.int64, device=boxes.device)
            parts.append(assign_anchors(self.anchors, boxes, kind_of_box, self.settings.thresholds))
        column, code, direction = (torch.stack(part) for part in zip(*parts, strict=True))
        return AnchorTargets(column, code, direction)

    def kinds_of(self, truth: Boxes3d) -> list[int]:
        """The kind of each box, -1 where no anchor has its class."""
        kind_of_class = {class_id: kind for kind, class_id in enumerate(self.settings.class_ids)}
        return [kind_of_class.get(class_id, -1) for class_id in truth.class_id.tolist()]

    def losses(self, head_maps: Mapping[str, Tensor], targets: AnchorTargets) -> dict[str, Tensor]:
        """Scores by focal loss, codes by smooth L1, directions by cross-entropy.

        head_maps: (B, channels, H, W) by name. Returns scalars.
        """
        logit, code, direction = (
            head_maps[name].permute(0, 2, 3, 1).reshape(len(head_maps[name]), -1, numbers)
            for name, numbers in ((CLASS, len(self.settings.kinds)), (CODE, CODE_NUMBERS), (DIRECTION, _DIRECTIONS))
        )
        return {
            "class": _CLASS_WEIGHT * losses.classification(logit, targets.column),
            "box": _CODE_WEIGHT * losses.localisation(code, targets.code, targets.column),
            "direction": _DIRECTION_WEIGHT * losses.direction(direction, targets.direction, targets.column),
        }

    def boxes(self, head_maps: Mapping[str, Tensor], selection: BoxSelection) -> list[Boxes3d]:
        """Boxes of each scan, the best first, without a frame. head_maps: (B, channels, H, W) by name."""
        arrays = map_arrays({name: head_maps[name] for name in (CLASS, CODE, DIRECTION)})
        scans = zip(arrays[CLASS], arrays[CODE], arrays[DIRECTION], strict=True)
        return [
            boxes_of_anchor_maps(AnchorMaps(*maps), self.anchors_by_cell, self.settings.class_ids, selection)
            for maps in scans
        ]
