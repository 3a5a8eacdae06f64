"""Decodes the maps of a detection package's head to boxes, as its manifest describes them."""

from collections.abc import Mapping

import numpy as np

from lidar_vl_core.box_heads.anchor_maps import AnchorMaps, boxes_of_anchor_maps
from lidar_vl_core.box_heads.anchors import AnchorKind, anchor_boxes
from lidar_vl_core.box_heads.center_maps import CenterGrid, boxes_of_center_maps, joined_groups
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.model_packages.detection_spec import AnchorHeadSpec, CenterHeadSpec
from lidar_vl_core.voxels.detector_arrays import DetectorVoxels
from lidar_vl_core.voxels.encoder_tables import MAP_STRIDE


class AnchorDecoder:
    """Decodes the maps of an anchor head."""

    def __init__(self, head: AnchorHeadSpec, voxels: DetectorVoxels) -> None:
        kinds = [AnchorKind(kind.class_id, kind.size_m, kind.bottom_m, kind.yaws_rad) for kind in head.kinds]
        self._class_ids = head.class_ids
        self._anchors = anchor_boxes(kinds, voxels.grid.point_cloud_range, voxels.map_shape[:2])

    def boxes(self, maps: Mapping[str, np.ndarray], selection: BoxSelection) -> Boxes3d:
        """The boxes of one scan, the best first; maps: (C, H, W) by name."""
        return boxes_of_anchor_maps(AnchorMaps(**maps), self._anchors, self._class_ids, selection)


class CenterDecoder:
    """Decodes the maps of a center head."""

    def __init__(self, head: CenterHeadSpec, voxels: DetectorVoxels) -> None:
        self._head = head
        x_m, y_m, _ = voxels.grid.voxel_size
        self._grid = CenterGrid(*voxels.grid.range_min[:2], (MAP_STRIDE * x_m, MAP_STRIDE * y_m))

    def boxes(self, maps: Mapping[str, np.ndarray], selection: BoxSelection) -> Boxes3d:
        """The boxes of one scan, the best first; maps: (C, H, W) by name."""
        groups = []
        for number, class_ids in enumerate(self._head.groups):
            of_group = {name: maps[f"{name}_{number}"] for name in self._head.quantities}
            groups.append(boxes_of_center_maps(of_group, self._grid, class_ids, selection))
        return joined_groups(groups)


def box_decoder(head: AnchorHeadSpec | CenterHeadSpec, voxels: DetectorVoxels) -> AnchorDecoder | CenterDecoder:
    """The decoder for the maps of this head."""
    return AnchorDecoder(head, voxels) if isinstance(head, AnchorHeadSpec) else CenterDecoder(head, voxels)
