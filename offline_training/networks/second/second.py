"""SECOND: one-stage detection by anchors on the map of a sparse encoder (Yan et al., Sensors 2018)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.detection.bev_backbone import BevShape
from offline_training.networks.detection.detector import Detector
from offline_training.networks.detection.inputs import detector_map_shape
from offline_training.networks.second.anchor_head import AnchorHead, AnchorSettings
from offline_training.networks.second.assignment import AnchorTargets
from offline_training.networks.voxelnet.encoder import VoxelEncoder


class Second(Detector[AnchorTargets]):
    """Voxels to boxes by anchors."""

    head: AnchorHead

    def __init__(
        self,
        backbone: VoxelEncoder,
        grid: VoxelGrid,
        settings: AnchorSettings | None = None,
        bev: BevShape | None = None,
        selection: BoxSelection | None = None,
    ) -> None:
        """grid: of the preparer; settings and selection: nothing = those of KITTI; bev: nothing = that of the paper."""
        super().__init__(backbone, detector_map_shape(grid)[2], bev or BevShape())
        self.settings, self.selection = settings or AnchorSettings(), selection or BoxSelection()
        self.head = AnchorHead(self.bev.out_channels, grid, self.settings)

    def targets(self, truth: Sequence[Boxes3d]) -> AnchorTargets:
        """Which anchor answers for which box, scan by scan."""
        return self.head.targets(truth)

    def losses(self, head_maps: Mapping[str, Tensor], targets: AnchorTargets) -> dict[str, Tensor]:
        """Scores by focal loss, codes by smooth L1, directions by cross-entropy.

        head_maps: (B, channels, H, W) by name. Returns scalars.
        """
        return self.head.losses(head_maps, targets)

    def decode(self, head_maps: Mapping[str, Tensor]) -> list[Boxes3d]:
        """Boxes of each scan, the best first, without a frame. head_maps: (B, channels, H, W) by name."""
        return self.head.boxes(head_maps, self.selection)
