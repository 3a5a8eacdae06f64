"""The 3D networks and their preparers, as configurations name them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.flat_grids import FlatGrids
from offline_training.networks.base.point_backbone import BackboneInputs, PointBackbone, Preparer, Scan
from offline_training.networks.sparse.inputs import SparsePreparer
from offline_training.networks.sparse.minkowski_weights import draw_as_minkowski
from offline_training.networks.sparse.minkunet import MinkUNet
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.networks.voxelnet.inputs import VoxelNetPreparer
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.networks.waffleiron.inputs import WafflePreparer
from offline_training.networks.waffleiron.waffleiron import WaffleIron
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES
from offline_training.runs.backbone_config import VOXELNET, BackboneConfig

# Intensity of VoxelNet's mean points by the last of its features: as nuScenes stores it, or as KITTI does.
_VOXELNET_INTENSITY = {("x", "y", "z", "intensity_255"): 255.0, ("x", "y", "z", "intensity"): 1.0}


def build_backbone(config: BackboneConfig, out_channels: int | None) -> PointBackbone:
    """The network with fresh weights, with a head of that many scores or without one. Raises BadConfig."""
    return _family(config).build(config, out_channels)


def preparer_of(config: BackboneConfig, form: str = "auto") -> Preparer:
    """What turns scans into the network's inputs; form: of sparse convolutions. Raises BadConfig."""
    return _family(config).preparer(config, form)


def inputs_of_scan(
    config: BackboneConfig, scan: Scan, device: torch.device | str, form: str = "auto"
) -> BackboneInputs:
    """One scan as the network reads it, on a device. Where that is CUDA, a sparse U-Net's voxels are found there. Raises BadConfig."""
    preparer = preparer_of(config, form)
    if isinstance(preparer, SparsePreparer) and torch.device(device).type == "cuda":
        return preparer([tuple(torch.from_numpy(part).to(device) for part in scan)])
    return preparer([scan]).to(device)


@dataclass(frozen=True)
class _Family:
    """Networks of one kind."""

    build: Callable[[BackboneConfig, int | None], PointBackbone]
    preparer: Callable[[BackboneConfig, str], Preparer]


def _minkunet(config: BackboneConfig, out_channels: int | None) -> PointBackbone:
    network = MinkUNet(config.shape, len(config.features), out_channels)
    if config.initialisation == "minkowski":
        draw_as_minkowski(network)
    return network


def _minkunet_preparer(config: BackboneConfig, form: str) -> Preparer:
    # Where training computes on CUDA, tables are built there; loader processes find voxels alone.
    on_cuda = config.device != "cpu" and torch.cuda.is_available()
    return SparsePreparer(config.grid, config.features, form, tables_later=on_cuda)


def _voxelnet(config: BackboneConfig, out_channels: int | None) -> PointBackbone:
    return VoxelNet(out_channels)


def _voxelnet_preparer(config: BackboneConfig, form: str) -> Preparer:
    if config.features not in _VOXELNET_INTENSITY:
        known = " or ".join(str(list(names)) for names in _VOXELNET_INTENSITY)
        raise BadConfig(
            f"features: expected {known} for voxelnet, found {list(config.features)}. Use the first for weights trained on nuScenes."
        )
    return VoxelNetPreparer(config.grid, _VOXELNET_INTENSITY[config.features], form)


def _waffleiron(config: BackboneConfig, out_channels: int | None) -> PointBackbone:
    return WaffleIron(config.waffle_shape, out_channels)


def _waffleiron_preparer(config: BackboneConfig, form: str) -> Preparer:
    return WafflePreparer(flat_grids_of(config))


def flat_grids_of(config: BackboneConfig) -> FlatGrids:
    """The grids of a WaffleIron. Raises BadConfig."""
    if config.grid_kind != "cartesian":
        raise BadConfig(
            f"grid_kind: expected cartesian for {config.network}, found {config.grid_kind!r}. Write grid_kind: cartesian."
        )
    return FlatGrids(config.voxel_size, config.point_cloud_range, config.waffle_cell_m, config.waffle_max_points)


_FAMILY_OF: Mapping[str, _Family] = {
    **dict.fromkeys(SHAPES, _Family(_minkunet, _minkunet_preparer)),
    VOXELNET: _Family(_voxelnet, _voxelnet_preparer),
    **dict.fromkeys(WAFFLEIRON_SHAPES, _Family(_waffleiron, _waffleiron_preparer)),
}


def _family(config: BackboneConfig) -> _Family:
    return _FAMILY_OF[config.network]  # the configuration has no other names
