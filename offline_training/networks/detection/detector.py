"""Detector: what every 3D detector is, so that each can be trained, judged and exported by the same code.

rows = detector.sparse_rows(inputs)                     sparse part: voxels to active cells
bev_map = bird_eye_map(rows, inputs.map_index)          the seam: an index gather
head_maps = detector.dense(bev_map)                     dense part: maps of scores and box codes
boxes = detector.decode(head_maps)                      numpy, as on the robot
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor, nn

from lidar_vl_core.boxes.boxes3d import Boxes3d
from offline_training.networks.detection.bev_backbone import BevBackbone, BevShape
from offline_training.networks.detection.bird_eye_map import bird_eye_map
from offline_training.networks.detection.inputs import DetectorInputs
from offline_training.networks.voxelnet.encoder import MAP_CHANNELS, VoxelEncoder

ENCODER = "backbone."  # begins the names of the sparse encoder in a state dictionary
HeadMaps = dict[str, Tensor]  # (S, C, H, W) by name
TargetsT = TypeVar("TargetsT")


class Detector(nn.Module, ABC, Generic[TargetsT]):
    """A sparse encoder, a 2D network over its map, and a head; subclasses say what the head's maps mean.

    Its names in a state dictionary begin with backbone, bev and head; those of the backbone are VoxelNet's.
    """

    head: nn.Module  # (S, C, H, W) to HeadMaps

    def __init__(self, backbone: VoxelEncoder, map_depth: int, bev: BevShape) -> None:
        """map_depth: cells of the map along z, which its preparer tells."""
        super().__init__()
        self.backbone = backbone
        self.bev = BevBackbone(MAP_CHANNELS * map_depth, bev)

    def sparse_rows(self, inputs: DetectorInputs) -> Tensor:
        """Features (A, C) of the active cells of the map."""
        return self.backbone.encode(inputs.features, inputs.tables)

    def dense(self, bev_map: Tensor) -> HeadMaps:
        """Maps of the head from the dense map (S, C * D, H, W)."""
        maps: HeadMaps = self.head(self.bev(bev_map))
        return maps

    def forward(self, inputs: DetectorInputs) -> HeadMaps:
        """Maps of the head, each (S, C, H, W)."""
        return self.dense(bird_eye_map(self.sparse_rows(inputs), inputs.map_index))

    @abstractmethod
    def targets(self, truth: Sequence[Boxes3d]) -> TargetsT:
        """What the maps should say of scans with these boxes, on the device of the network. One entry per scan."""

    @abstractmethod
    def losses(self, head_maps: Mapping[str, Tensor], targets: TargetsT) -> dict[str, Tensor]:
        """Weighted parts of the loss, scalars, whose sum is minimised."""

    @abstractmethod
    def decode(self, head_maps: Mapping[str, Tensor]) -> list[Boxes3d]:
        """Boxes of each scan, the best first, without a frame. head_maps: (B, channels, H, W) by name."""


def map_arrays(head_maps: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The maps (B, channels, H, W) as float32 arrays, which is what decoding reads."""
    return {name: values.detach().float().cpu().numpy() for name, values in head_maps.items()}
