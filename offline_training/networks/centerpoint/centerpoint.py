"""CenterPoint: detection of centres on the map of a sparse encoder (Yin et al., CVPR 2021), first stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from lidar_vl_core.box_heads.center_maps import (
    HEAT,
    REGRESSION,
    VELOCITY,
    CenterGrid,
    boxes_of_center_maps,
    joined_groups,
)
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.voxels.encoder_tables import MAP_STRIDE
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.losses.detection.centerpoint import heat_map_focal, l1_at_centers
from offline_training.networks.centerpoint.targets import BOX_NUMBERS, VELOCITY_NUMBERS, scan_targets
from offline_training.networks.detection.bev_backbone import BevShape
from offline_training.networks.detection.detector import Detector, HeadMaps, map_arrays
from offline_training.networks.detection.inputs import detector_map_shape
from offline_training.networks.voxelnet.encoder import VoxelEncoder

_RARE_LOGIT = -2.19  # that a fresh head gives every cell: a score of 0.1
# Classes of nuScenes that have a head together, by their numbers in the table of detection classes.
NUSCENES_GROUPS = ((0,), (1, 2), (3, 4), (5,), (6, 7), (8, 9))


@dataclass(frozen=True)
class CenterSettings:
    """Classes and weights of the heads; the defaults are those of nuScenes."""

    groups: tuple[tuple[int, ...], ...] = NUSCENES_GROUPS  # classes that share one head
    velocity: bool = True
    axis_alone: bool = False  # boxes are not told front from back
    shared_channels: int = 64
    box_weight: float = 0.25  # beside the heat map; 2 on Waymo
    # Of a velocity's error beside the others in a box, as in CenterPoint's own code; OpenPCDet's list has another order of
    # numbers and so gives it to the yaw.
    velocity_weight: float = 0.2
    selection: BoxSelection = field(default_factory=lambda: BoxSelection(0.1, 1000, 0.2, 83))  # within a group

    def __post_init__(self) -> None:
        classes = [class_id for group in self.groups for class_id in group]
        if not all(self.groups) or len(set(classes)) != len(classes) or not classes:
            raise ValueError(
                f"groups: expected each class in one group, and no group without classes, found {self.groups}"
            )


@dataclass(frozen=True)
class GroupTargets:
    """What the maps of one group should say of S scans, with P boxes."""

    heat: Tensor  # (S, K, H, W) float32
    scan: Tensor  # (P,) int64
    cell: Tensor  # (P,) int64 row * W + column
    value: Tensor  # (P, 10) float32


class CenterHead(nn.Module):
    """One convolution for all groups, then for each group one branch a quantity; names as in OpenPCDet."""

    def __init__(self, in_channels: int, settings: CenterSettings) -> None:
        super().__init__()
        width = settings.shared_channels
        self.shared_conv = _unit(in_channels, width)
        self.heads_list = nn.ModuleList(SeparateHead(width, len(group), settings.velocity) for group in settings.groups)

    def forward(self, x: Tensor) -> HeadMaps:
        """x: (S, C, H, W). Returns maps by names like "hm_0": quantity and number of the group."""
        shared = self.shared_conv(x)
        return {
            f"{name}_{number}": values
            for number, head in enumerate(self.heads_list)
            for name, values in head(shared).items()
        }


class SeparateHead(nn.Module):
    """The branches of one group, two 3x3 convolutions each."""

    def __init__(self, width: int, classes: int, velocity: bool) -> None:
        super().__init__()
        channels = {**REGRESSION, **({VELOCITY: VELOCITY_NUMBERS} if velocity else {}), HEAT: classes}
        for name, count in channels.items():
            last = nn.Conv2d(width, count, 3, padding=1)
            branch = nn.Sequential(_unit(width, width), last)
            if name == HEAT:
                nn.init.constant_(cast(Tensor, last.bias), _RARE_LOGIT)
            else:
                branch.apply(_begin_regression)
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> HeadMaps:
        """x: (S, C, H, W). Returns maps by quantity."""
        return {name: branch(x) for name, branch in self.named_children()}


class CenterPoint(Detector[list[GroupTargets]]):
    """Voxels to boxes by their centres."""

    def __init__(
        self,
        backbone: VoxelEncoder,
        grid: VoxelGrid,
        settings: CenterSettings | None = None,
        bev: BevShape | None = None,
    ) -> None:
        """grid: of the preparer; settings: nothing = those of nuScenes; bev: nothing = that of the paper."""
        width, height, depth = detector_map_shape(grid)
        super().__init__(backbone, depth, bev or BevShape())
        self.settings = settings or CenterSettings()
        self.map_shape = (width, height)
        self.center_grid = CenterGrid(
            grid.range_min[0],
            grid.range_min[1],
            (MAP_STRIDE * grid.voxel_size[0], MAP_STRIDE * grid.voxel_size[1]),
        )
        self.head = CenterHead(self.bev.out_channels, self.settings)

    def targets(self, truth: Sequence[Boxes3d]) -> list[GroupTargets]:
        """Heat maps and boxes of each group."""
        device = next(self.parameters()).device
        place = (self.center_grid, self.map_shape, self.settings.axis_alone)
        groups = []
        for class_ids in self.settings.groups:
            scans = [scan_targets(boxes, class_ids, *place) for boxes in truth]
            counts = torch.tensor([len(scan.cell) for scan in scans])
            heat, cell, value = (
                [torch.from_numpy(getattr(scan, name)) for scan in scans] for name in ("heat", "cell", "value")
            )
            parts = (
                torch.stack(heat),
                torch.arange(len(scans)).repeat_interleave(counts),
                torch.cat(cell),
                torch.cat(value),
            )
            groups.append(GroupTargets(*(part.to(device) for part in parts)))
        return groups

    def losses(self, head_maps: Mapping[str, Tensor], targets: list[GroupTargets]) -> dict[str, Tensor]:
        """Heat maps by focal loss and boxes by L1, each summed over the groups.

        head_maps: (B, channels, H, W) by name. Returns scalars.
        """
        heat, box = [], []
        numbers = BOX_NUMBERS + VELOCITY_NUMBERS * self.settings.velocity
        weight = torch.ones(numbers, device=targets[0].value.device)
        weight[BOX_NUMBERS:] = self.settings.velocity_weight
        for number, group in enumerate(targets):
            heat.append(heat_map_focal(head_maps[f"{HEAT}_{number}"], group.heat))
            value_map = torch.cat([head_maps[f"{name}_{number}"] for name in self._regressed()], dim=1)
            error = l1_at_centers(value_map, group.scan, group.cell, group.value[:, :numbers])
            box.append((error * weight).sum())
        return {"heat": torch.stack(heat).sum(), "box": self.settings.box_weight * torch.stack(box).sum()}

    def decode(self, head_maps: Mapping[str, Tensor]) -> list[Boxes3d]:
        """Boxes of each scan, the best first, without a frame. head_maps: (B, channels, H, W) by name."""
        arrays = map_arrays(head_maps)
        names = (*self._regressed(), HEAT)
        scans = []
        for scan in range(len(arrays[f"{HEAT}_0"])):
            groups = [
                boxes_of_center_maps(
                    {name: arrays[f"{name}_{number}"][scan] for name in names},
                    self.center_grid,
                    class_ids,
                    self.settings.selection,
                )
                for number, class_ids in enumerate(self.settings.groups)
            ]
            scans.append(joined_groups(groups))
        return scans

    def _regressed(self) -> tuple[str, ...]:
        return (*REGRESSION, *((VELOCITY,) if self.settings.velocity else ()))


def _begin_regression(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(cast(Tensor, module.bias))


def _unit(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU())
