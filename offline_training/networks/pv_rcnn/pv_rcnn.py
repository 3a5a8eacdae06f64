"""PV-RCNN: two-stage detection, by anchors and by keypoints that gather points, voxels and map (Shi et al., CVPR 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.box_heads.map_scores import sigmoid
from lidar_vl_core.box_heads.selection import BoxSelection, without_overlaps
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.points_in_boxes import box_of_points
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.losses.detection import pv_rcnn as losses
from offline_training.networks.detection.bev_backbone import BevShape
from offline_training.networks.detection.bird_eye_map import bird_eye_map
from offline_training.networks.detection.detector import Detector, HeadMaps
from offline_training.networks.detection.inputs import DetectorInputs, detector_map_shape
from offline_training.networks.pv_rcnn.inputs import PvRcnnInputs
from offline_training.networks.pv_rcnn.keypoint_features import KEYPOINT_CHANNELS, KeypointFeatures
from offline_training.networks.pv_rcnn.neighbours import PointGroups
from offline_training.networks.pv_rcnn.proposals import codes_in_proposals, proposal_targets
from offline_training.networks.pv_rcnn.roi_head import RoiHead, refined_boxes
from offline_training.networks.second.anchor_head import AnchorHead, AnchorSettings
from offline_training.networks.second.assignment import AnchorTargets
from offline_training.networks.voxelnet.encoder import MAP_CHANNELS, VoxelEncoder

# Names of the maps beside those of the anchor head, one row a keypoint.
KEYPOINT, KEYPOINT_FEATURE, KEYPOINT_LOGIT = "keypoint_m", "keypoint_feature", "keypoint_logit"
_POINT_WIDTHS = (256, 256)
_RIM_M = 0.2  # keypoints that only the box grown by this holds are neither inside nor outside
_PROPOSALS = {True: BoxSelection(0.0, 9000, 0.8, 512), False: BoxSelection(0.0, 1024, 0.7, 100)}  # in training, after


@dataclass(frozen=True)
class PvRcnnTargets:
    """What both stages should say of S scans."""

    anchors: AnchorTargets
    truth: tuple[Boxes3d, ...]  # of the classes that the anchors know


class PvRcnn(Detector[PvRcnnTargets]):
    """Voxels and points to boxes. The second stage runs in losses() and decode(), as it needs the boxes of the first."""

    head: AnchorHead

    def __init__(
        self,
        backbone: VoxelEncoder,
        grid: VoxelGrid,
        settings: AnchorSettings | None = None,
        bev: BevShape | None = None,
        selection: BoxSelection | None = None,
        point_values: int = 1,
    ) -> None:
        """grid: of the preparer; settings and selection: nothing = those of KITTI; point_values: of a point beside x, y, z."""
        depth = detector_map_shape(grid)[2]
        super().__init__(backbone, depth, bev or BevShape())
        self.selection = selection or BoxSelection(iou_threshold=0.1)
        self.head = AnchorHead(self.bev.out_channels, grid, settings or AnchorSettings())
        self.keypoints = KeypointFeatures(grid, backbone.widths, MAP_CHANNELS * depth, point_values)
        self.point_head = _point_head(self.keypoints.joined_channels)
        self.roi_head = RoiHead(KEYPOINT_CHANNELS)

    def forward(self, inputs: DetectorInputs) -> HeadMaps:
        """Maps of the anchor head, and keypoints (S, K, 3), their features (S, K, 128) and logits (S, K).

        Raises TypeError for inputs of another detector.
        """
        if not isinstance(inputs, PvRcnnInputs):
            raise TypeError(f"expected PvRcnnInputs, found {type(inputs).__name__}")
        levels = self.backbone.level_features(inputs.features, inputs.tables)
        bev_map = bird_eye_map(self.backbone.map_features(levels[-1], inputs.tables), inputs.map_index)
        joined, fused = self.keypoints(inputs.surroundings, levels, bev_map)
        keypoint_m = inputs.surroundings.keypoint_m
        logit = self.point_head(joined)[:, 0]
        return {
            **self.dense(bev_map),
            KEYPOINT: keypoint_m,
            KEYPOINT_FEATURE: fused.reshape(*keypoint_m.shape[:2], -1),
            KEYPOINT_LOGIT: logit.reshape(keypoint_m.shape[:2]),
        }

    def targets(self, truth: Sequence[Boxes3d]) -> PvRcnnTargets:
        """Which anchor answers for which box, and the boxes themselves."""
        known = tuple(scan.taken(np.array(self.head.kinds_of(scan), np.int64) >= 0) for scan in truth)
        return PvRcnnTargets(self.head.targets(truth), known)

    def losses(self, head_maps: Mapping[str, Tensor], targets: PvRcnnTargets) -> dict[str, Tensor]:
        """Losses of the anchor head, of the keypoints, and of proposals drawn by torch's own generator.

        head_maps: by name, in the shapes of forward(). Returns scalars.
        """
        rng = np.random.default_rng(int(torch.randint(1 << 31, ())))
        proposals = self.head.boxes(head_maps, _PROPOSALS[True])
        drawn = [proposal_targets(*pair, rng) for pair in zip(proposals, targets.truth, strict=True)]
        boxes, logit, code = self._second_stage(head_maps, [scan.boxes for scan in drawn])
        truth, overlap, positive = (
            torch.from_numpy(np.concatenate(arrays)).to(boxes.device)
            for arrays in zip(*((scan.truth, scan.overlap, scan.is_positive) for scan in drawn), strict=True)
        )
        truth, own = truth.to(boxes.dtype)[positive], boxes[positive]
        return {
            **self.head.losses(head_maps, targets.anchors),
            "keypoint": losses.keypoints_in_boxes(
                head_maps[KEYPOINT_LOGIT].flatten(), self._places(head_maps, targets)
            ),
            "confidence": losses.confidence(logit, overlap.to(boxes.dtype)),
            "refinement": losses.refinement(code[positive], codes_in_proposals(truth, own)),
            "corner": losses.corners_apart(refined_boxes(code[positive].to(boxes.dtype), own), truth),
        }

    @torch.no_grad()
    def decode(self, head_maps: Mapping[str, Tensor]) -> list[Boxes3d]:
        """Refined boxes of each scan, the best first, without a frame.

        head_maps: by name, in the shapes of forward().
        """
        proposals = self.head.boxes(head_maps, _PROPOSALS[False])
        boxes, logit, code = self._second_stage(head_maps, [scan.boxes for scan in proposals])
        refined = refined_boxes(code.to(boxes.dtype), boxes).double().cpu().numpy()
        score = sigmoid(logit.float().cpu().numpy())
        scans, begin = [], 0
        for scan in proposals:
            rows = slice(begin, begin + len(scan))
            sure = (score[rows] >= self.selection.least_score) & np.isfinite(refined[rows]).all(axis=1)
            found = Boxes3d.of(refined[rows][sure], scan.class_id[sure], score[rows][sure])
            scans.append(without_overlaps(found, self.selection))
            begin += len(scan)
        return scans

    def _second_stage(self, head_maps: Mapping[str, Tensor], scans: list[np.ndarray]) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (R, 7) of proposals of all scans, their logits (R,) and codes (R, 7)."""
        keypoint_m, feature, keypoint_logit = (head_maps[name] for name in (KEYPOINT, KEYPOINT_FEATURE, KEYPOINT_LOGIT))
        boxes = torch.from_numpy(np.concatenate(scans)).to(keypoint_m)
        weighted = (feature * keypoint_logit.sigmoid()[..., None]).flatten(0, 1)
        keypoints = PointGroups(keypoint_m.flatten(0, 1), (keypoint_m.shape[1],) * len(keypoint_m))
        proposals = PointGroups(boxes[:, :3], tuple(len(scan) for scan in scans))
        return boxes, *self.roi_head(proposals, boxes, keypoints, weighted)

    def _places(self, head_maps: Mapping[str, Tensor], targets: PvRcnnTargets) -> Tensor:
        """(S * K,) where each keypoint lies."""
        places = []
        for keypoint_m, truth in zip(head_maps[KEYPOINT].cpu().numpy(), targets.truth, strict=True):
            grown = truth.boxes + np.array([0, 0, 0, _RIM_M, _RIM_M, _RIM_M, 0])
            inside, near = (box_of_points(keypoint_m, boxes) >= 0 for boxes in (truth.boxes, grown))
            places.append(np.where(inside, losses.INSIDE, np.where(near, losses.NEAR, losses.OUTSIDE)))
        return torch.from_numpy(np.concatenate(places)).to(head_maps[KEYPOINT].device)


def _point_head(in_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in _POINT_WIDTHS:
        layers += [nn.Linear(in_channels, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        in_channels = width
    return nn.Sequential(*layers, nn.Linear(in_channels, 1))
