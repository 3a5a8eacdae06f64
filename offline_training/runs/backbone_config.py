"""Which 3D network a run has and how scans become its inputs: the keys that every training shares, read without PyTorch. backbones.py builds them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lidar_vl_core.foundation.config import Config, Use
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean, known_name
from lidar_vl_core.voxels.grid import KINDS, VoxelGrid
from offline_training.networks.sparse.minkunet_shapes import SHAPES, MinkUNetShape
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES
from offline_training.networks.waffleiron.waffleiron_shapes import WaffleIronShape

VOXELNET = "voxelnet"
NETWORKS = (*SHAPES, VOXELNET, *WAFFLEIRON_SHAPES)

_SIZES = ("stem", "planes", "blocks")
_WAFFLE = ("waffle_cell_m", "waffle_max_points", "drop_path")
_IDLE: Mapping[str, tuple[str, ...]] = {  # keys that a network does not look at
    **dict.fromkeys(SHAPES, _WAFFLE),
    VOXELNET: (*_SIZES, *_WAFFLE, "initialisation", "stem_kernel"),
    **dict.fromkeys(WAFFLEIRON_SHAPES, (*_SIZES, "stem_kernel", "features", "sparse_form", "initialisation")),
}


class DeviceConfig(Config):
    """Where a 3D network computes."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    sparse_form: Literal["auto", "gather", "offset", "blocks", "torchsparse", "triton"] = (
        "auto"  # of sparse convolutions; auto: torchsparse on CUDA where installed
    )


class BackboneConfig(DeviceConfig):
    """The 3D network and its grid."""

    network: str = "minkunet_small"  # one of NETWORKS
    stem: int | None = None  # MinkUNet: channels; nothing = as the named network has it
    # MinkUNet: 5 = one 5^3 convolution, as MinkUNet14A, 18A and 34C of the papers begin; 3 = as the named network has it, of 3^3 ones
    stem_kernel: Literal[3, 5] = 3
    planes: tuple[int, ...] | None = None  # MinkUNet: channels of the eight stages
    blocks: tuple[int, ...] | None = None  # MinkUNet: residual blocks of the eight stages
    # MinkUNet, of fresh weights: he_fan_out as the MinkUNet papers, minkowski as MinkowskiEngine, with which PPKT, SLidR and
    # OLIVINE trained: uniform, of a sixth of the squared norm
    initialisation: Literal["he_fan_out", "minkowski"] = "he_fan_out"
    grid_kind: str = "cartesian"
    voxel_size: tuple[float, float, float] = (0.2, 0.2, 0.2)  # m; cylindrical: m, rad, m
    point_cloud_range: tuple[float, float, float, float, float, float] = (-64.0, -64.0, -8.0, 64.0, 64.0, 8.0)
    features: tuple[str, ...] = (
        "intensity",
        "height",
        "offset_z",
        "log_points",
    )  # not of WaffleIron, which has its own
    # WaffleIron keeps one point per voxel_size and flattens point_cloud_range into grids.
    waffle_cell_m: float = 0.6  # side of the cells of its grids
    waffle_max_points: int | None = None  # most points of a scan that it computes on; default: all
    # share of branches that training leaves out, per scan; nothing = as the named network has it
    drop_path: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None

    @field_validator("network", "grid_kind")
    @classmethod
    def _is_known(cls, name: str, info: ValidationInfo) -> str:
        return known_name(name, NETWORKS if info.field_name == "network" else KINDS)

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return ((False, _IDLE.get(self.network, ()), f"for another network than {self.network}"),)

    @property
    def waffle_shape(self) -> WaffleIronShape:
        """Sizes of a WaffleIron, which the network must be."""
        shape = WAFFLEIRON_SHAPES[self.network]
        return shape if self.drop_path is None else replace(shape, drop_path=self.drop_path)

    @property
    def shape(self) -> MinkUNetShape:
        """Sizes of a MinkUNet. Raises BadConfig for another network or wrong numbers."""
        if self.network not in SHAPES:
            raise BadConfig(
                f"network: expected one of {', '.join(SHAPES)}, found {self.network!r}."
                f"{did_you_mean(self.network, SHAPES)}"
            )
        changed = {name: getattr(self, name) for name in _SIZES}
        shape = replace(SHAPES[self.network], **{name: value for name, value in changed.items() if value is not None})
        if self.stem_kernel == 5:
            shape = replace(shape, stem_convs=1, stem_kernel=5)
        if not (len(shape.planes) == len(shape.blocks) == 8 and min(shape.stem, *shape.planes, *shape.blocks) > 0):
            raise BadConfig(
                f"planes, blocks: expected eight numbers above 0 each, found {shape.planes}, {shape.blocks}."
            )
        return shape

    @property
    def grid(self) -> VoxelGrid:
        """The voxel grid."""
        return VoxelGrid(self.grid_kind, self.voxel_size, self.point_cloud_range)
