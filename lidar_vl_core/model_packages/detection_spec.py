"""What the manifest of a detection package says about its detector: how it reads points, and what its maps mean."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Config

if TYPE_CHECKING:
    from lidar_vl_core.box_heads.selection import BoxSelection

# What is averaged in a voxel beside x, y, z: intensity 0..1 or 0..255, then where sweeps are joined the age of a point in s.
VALUES = (("intensity",), ("intensity_255",), ("intensity", "time"), ("intensity_255", "time"))
_Share = Annotated[float, Field(ge=0, le=1)]
_Count = Annotated[int, Field(ge=1, le=10_000_000)]
_ClassId = Annotated[int, Field(ge=0, le=254)]
_Length = Annotated[float, Field(gt=0, le=1000)]
_Height = Annotated[float, Field(ge=-1000, le=1000)]
_Angle = Annotated[float, Field(ge=-7, le=7)]  # a full turn either way
_DIRECTIONS = 2


class AnchorKindSpec(Config):
    """The anchors of one class; fields as in AnchorKind."""

    class_id: _ClassId
    size_m: tuple[_Length, _Length, _Length]
    bottom_m: _Height
    yaws_rad: Annotated[tuple[_Angle, ...], Field(min_length=1, max_length=64)]


class AnchorHeadSpec(Config):
    """Anchors at every cell of the map: the maps are class_logit, code and direction_logit."""

    kind: Literal["anchors"] = "anchors"
    kinds: Annotated[tuple[AnchorKindSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _as_many_yaws(self) -> "AnchorHeadSpec":
        if len({len(kind.yaws_rad) for kind in self.kinds}) != 1:
            raise ValueError("kinds: expected the same number of yaws_rad for all")
        return self

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Class of each kind."""
        return tuple(kind.class_id for kind in self.kinds)

    @property
    def channels(self) -> dict[str, int]:
        """Channels of each map, by its name."""
        from lidar_vl_core.box_heads.anchors import CODE_NUMBERS

        anchors = len(self.kinds) * len(self.kinds[0].yaws_rad)
        numbers = {"class_logit": len(self.kinds), "code": CODE_NUMBERS, "direction_logit": _DIRECTIONS}
        return {name: anchors * count for name, count in numbers.items()}


class CenterHeadSpec(Config):
    """Heat maps of centres: the maps are hm_G, center_G, center_z_G, dim_G, rot_G and, with velocity, vel_G of each group G."""

    kind: Literal["centers"] = "centers"
    groups: Annotated[tuple[Annotated[tuple[_ClassId, ...], Field(min_length=1)], ...], Field(min_length=1)]
    velocity: bool

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes of all groups."""
        return tuple(class_id for group in self.groups for class_id in group)

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities in the maps of a group."""
        from lidar_vl_core.box_heads.center_maps import HEAT, REGRESSION, VELOCITY

        return (*REGRESSION, *((VELOCITY,) if self.velocity else ()), HEAT)

    @property
    def channels(self) -> dict[str, int]:
        """Channels of each map, by its name."""
        from lidar_vl_core.box_heads.center_maps import REGRESSION, VELOCITY

        numbers = {**REGRESSION, VELOCITY: 2}
        return {
            f"{name}_{number}": numbers.get(name, len(group))
            for number, group in enumerate(self.groups)
            for name in self.quantities
        }


class SelectionSpec(Config):
    """Which boxes are kept; fields as in BoxSelection."""

    least_score: _Share
    most_candidates: _Count
    iou_threshold: _Share
    most_boxes: _Count

    @property
    def selection(self) -> "BoxSelection":
        """The same limits as decoding takes them."""
        from lidar_vl_core.box_heads.selection import BoxSelection

        return BoxSelection(self.least_score, self.most_candidates, self.iou_threshold, self.most_boxes)


class DetectionSpec(Config):
    """How a detector reads points, and what its maps mean."""

    encoder: Literal["voxelnet"] = "voxelnet"  # which convolutions lead to the map, of a cell per 8 x 8 voxels
    most_points: _Count  # of a voxel that its mean counts
    most_voxels: _Count  # of a cloud
    head: Annotated[AnchorHeadSpec | CenterHeadSpec, Field(discriminator="kind")]
    selection: SelectionSpec

    @model_validator(mode="after")
    def _each_class_once(self) -> "DetectionSpec":
        if len(set(self.head.class_ids)) != len(self.head.class_ids):
            raise ValueError(f"head: expected every class once, found {self.head.class_ids}")
        return self
