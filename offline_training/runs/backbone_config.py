"""Which 3D network a run has and how scans become its inputs: the part that all runs share.

A configuration is read and refused without PyTorch; it is imported when a network is built.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.networks.sparse.minkunet_shapes import SHAPES, MinkUNetShape
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES

if TYPE_CHECKING:
    from offline_training.networks.base.point_backbone import PointBackbone, Preparer
    from offline_training.networks.voxelnet.voxelnet import VoxelNet

VOXELNET = "voxelnet"
NETWORKS = (*SHAPES, VOXELNET, *WAFFLEIRON_SHAPES)
# Intensity of VoxelNet's mean points by the last of its features: as nuScenes stores it, or as KITTI does.
_VOXELNET_INTENSITY = {("x", "y", "z", "intensity_255"): 255.0, ("x", "y", "z", "intensity"): 1.0}


class BackboneConfig(Config):
    """The 3D network and its grid."""

    network: str = "minkunet_small"  # one of NETWORKS
    stem: int | None = None  # channels; nothing = as the named network has it
    planes: tuple[int, ...] | None = None  # channels of the eight stages
    blocks: tuple[int, ...] | None = None  # residual blocks of the eight stages
    grid_kind: str = "cartesian"
    voxel_size: tuple[float, float, float] = (0.2, 0.2, 0.2)  # m; cylindrical: m, rad, m
    point_cloud_range: tuple[float, float, float, float, float, float] = (-64.0, -64.0, -8.0, 64.0, 64.0, 8.0)
    features: tuple[str, ...] = ("intensity", "height", "offset_z", "log_points")
    # WaffleIron keeps one point per voxel_size, has features of its own and flattens point_cloud_range into grids.
    waffle_cell_m: float = 0.6  # side of the cells of its grids
    waffle_max_points: int | None = None  # most points of a scan that it computes on; nothing = all

    device: Literal["auto", "cpu", "cuda"] = "auto"
    sparse_form: Literal["auto", "gather", "offset", "blocks", "torchsparse"] = (
        "auto"  # auto: torchsparse on CUDA where installed
    )

    @property
    def shape(self) -> MinkUNetShape:
        """Sizes of a MinkUNet. Raises BadConfig for an unknown name or wrong numbers."""
        if self.network not in SHAPES:
            raise BadConfig(
                f"network: expected one of {', '.join(NETWORKS)}, found {self.network!r}. Choose one of them."
            )
        changed = {name: getattr(self, name) for name in ("stem", "planes", "blocks")}
        shape = replace(SHAPES[self.network], **{name: value for name, value in changed.items() if value is not None})
        if not (len(shape.planes) == len(shape.blocks) == 8 and min(shape.stem, *shape.planes, *shape.blocks) > 0):
            raise BadConfig(
                f"planes, blocks: expected eight numbers above 0 each, found {shape.planes}, {shape.blocks}. Correct them."
            )
        return shape

    @property
    def grid(self) -> VoxelGrid:
        """The voxel grid."""
        return VoxelGrid(self.grid_kind, self.voxel_size, self.point_cloud_range)

    def preparer(self, form: str = "auto") -> "Preparer":
        """What turns scans into the network's inputs; form: of sparse convolutions."""
        if self.network in WAFFLEIRON_SHAPES:
            from offline_training.networks.waffleiron.inputs import WafflePreparer

            self._require_cartesian()
            return WafflePreparer(self.voxel_size, self.point_cloud_range, self.waffle_cell_m, self.waffle_max_points)
        if self.network == VOXELNET:
            from offline_training.networks.voxelnet.inputs import VoxelNetPreparer

            return VoxelNetPreparer(self.grid, self._voxelnet_intensity, form)
        from offline_training.networks.sparse.inputs import SparsePreparer

        return SparsePreparer(self.grid, self.features, form)

    def build(self, out_channels: int | None) -> "PointBackbone":
        """The network with fresh weights, with a head of that many scores or without one."""
        if self.network in WAFFLEIRON_SHAPES:
            from offline_training.networks.waffleiron.waffleiron import WaffleIron

            return WaffleIron(WAFFLEIRON_SHAPES[self.network], out_channels)
        if self.network == VOXELNET:
            return self._voxelnet(out_channels)
        from offline_training.networks.sparse.minkunet import MinkUNet

        return MinkUNet(self.shape, len(self.features), out_channels)

    def _voxelnet(self, out_channels: int | None) -> "VoxelNet":
        given = [name for name in ("stem", "planes", "blocks") if getattr(self, name) is not None]
        if given:
            raise BadConfig(f"{', '.join(given)}: expected nothing for voxelnet, which has one size. Remove the keys.")
        from offline_training.networks.voxelnet.voxelnet import VoxelNet

        return VoxelNet(out_channels)

    @property
    def _voxelnet_intensity(self) -> float:
        if self.features not in _VOXELNET_INTENSITY:
            known = " or ".join(str(list(names)) for names in _VOXELNET_INTENSITY)
            raise BadConfig(
                f"features: expected {known} for voxelnet, found {list(self.features)}. Choose the first for weights "
                "from nuScenes."
            )
        return _VOXELNET_INTENSITY[self.features]

    def _require_cartesian(self) -> None:
        if self.grid_kind != "cartesian":
            raise BadConfig(
                f"grid_kind: expected cartesian for {self.network}, found {self.grid_kind!r}. Write grid_kind: cartesian."
            )
