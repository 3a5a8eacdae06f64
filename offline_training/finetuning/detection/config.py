"""What a fine-tuning for detection is made of: one flat configuration, read without PyTorch."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lidar_vl_core.foundation.config import Config, Use
from lidar_vl_core.voxels.grid import VoxelGrid
from offline_training.datasets.augment.box_augment import BoxAugmentConfig
from offline_training.datasets.augment.object_paste import PasteConfig
from offline_training.datasets.data_sources import DataSource, EvenSource
from offline_training.runs.run_config import AnyRunConfig

if TYPE_CHECKING:
    from lidar_vl_core.box_heads.selection import BoxSelection

SECOND, PV_RCNN, CENTERPOINT = "second", "pv_rcnn", "centerpoint"
_ANCHORED = (SECOND, PV_RCNN)
_KITTI_CLASSES = "kitti3"
_Length = Annotated[float, Field(gt=0)]
_CENTRES = ("groups", "velocity", "axis_alone", "shared_channels", "box_weight")  # keys of CenterPoint


class SelectionConfig(Config):
    """How boxes are selected from a head's scores."""

    least_score: float = Field(default=0.1, ge=0, le=1)
    most_candidates: int = Field(default=4096, ge=1)  # the best of them go into the suppression
    # Seen from above; of two boxes that overlap more the better stays.
    iou_threshold: float = Field(default=0.01, ge=0, le=1)
    most_boxes: int = Field(default=500, ge=1)

    def selection(self) -> "BoxSelection":
        """The selection in the core's form."""
        from lidar_vl_core.box_heads.selection import BoxSelection  # here, as configurations are read without numba

        return BoxSelection(self.least_score, self.most_candidates, self.iou_threshold, self.most_boxes)


class AnchorConfig(Config):
    """The anchors of one class, and which boxes they answer for."""

    name: str  # of the class
    size: tuple[_Length, _Length, _Length]  # m: length, width, height
    bottom: float  # m: z of the lower face in the frame of the clouds
    matched: float = Field(ge=0, le=1)  # IoU from above, axes aligned, from which an anchor is positive
    unmatched: float = Field(ge=0, le=1)  # below which it is background

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> "AnchorConfig":
        if self.unmatched > self.matched:
            raise ValueError(f"unmatched: expected at most matched ({self.matched}), found {self.unmatched}")
        return self


class DetectFinetuneConfig(AnyRunConfig):
    """Supervised detection of boxes. The defaults are OpenPCDet's of SECOND on KITTI; a file holds what differs."""

    task: Literal["detection"]
    classes: str = "kitti3"  # class table of the boxes
    train: tuple[DataSource, ...]
    validation: tuple[EvenSource, ...] = ()

    network: Literal["second", "pv_rcnn", "centerpoint"] = "second"
    voxel_size: tuple[float, float, float] = (0.05, 0.05, 0.1)  # m
    point_cloud_range: tuple[float, float, float, float, float, float] = (0.0, -40.0, -3.0, 70.4, 40.0, 1.0)  # m
    intensity_scale: float = Field(default=1.0, gt=0)  # 255: as nuScenes stores it, 1: as KITTI does
    sweeps: int = Field(default=1, ge=1)  # joined to a scan; from 2 on the network reads the age of points
    residual: bool = False  # an encoder with residual units, as CenterPoint's published networks for nuScenes have
    most_points: int = Field(default=5, ge=1)  # of a voxel that its mean counts
    most_voxels: int = Field(default=16000, ge=1)  # of a scan in training
    most_voxels_judged: int = Field(default=40000, ge=1)  # of a scan that is evaluated
    bev_layers: tuple[int, ...] = (5, 5)  # of the blocks of the network over the map, behind the first one of each
    bev_strides: tuple[int, ...] = (1, 2)
    bev_widths: tuple[int, ...] = (128, 256)
    bev_up_strides: tuple[int, ...] = (1, 2)  # that bring each block back to one size
    bev_up_widths: tuple[int, ...] = (256, 256)
    anchors: tuple[AnchorConfig, ...] = ()  # SECOND, PV-RCNN: one for each class; nothing = those of KITTI's classes
    groups: tuple[tuple[str, ...], ...] = ()  # CenterPoint: classes that share a head; default: all share one
    velocity: bool = False  # CenterPoint: tell velocities
    # CenterPoint: learn how boxes lie and not which end is the front; for short trainings, in which headings average to nothing
    axis_alone: bool = False
    shared_channels: int = Field(default=64, ge=1)  # CenterPoint: of the convolution that all heads share
    box_weight: float = Field(default=0.25, gt=0)  # CenterPoint: of the boxes' loss, that of the heat maps being 1
    selection: SelectionConfig = SelectionConfig()

    max_steps: int = Field(default=10000, ge=1)
    epochs: int | None = Field(default=None, ge=1)  # passes over all scans, in place of max_steps
    # How scans come: drawn by the sources' weights; each once in an epoch; or by epochs in which every class comes as
    # often (Zhu et al. 2019).
    order: Literal["weights", "epochs", "classes"] = "weights"
    batch_size: int = Field(default=4, ge=1)  # scans that the network sees together
    accumulate: int = Field(default=1, ge=1)  # so many batches make one step
    learning_rate: float = Field(default=0.003, gt=0)  # at its peak
    weight_decay: float = Field(default=0.01, ge=0)
    gradient_norm: float = Field(default=10.0, gt=0)  # clipped above

    augment: BoxAugmentConfig | None = BoxAugmentConfig()  # nothing = scans as they are
    paste: PasteConfig | None = None  # objects of other scans, put where nothing stands
    objects: str | None = None  # folder where the objects to paste are kept; made where it is not there
    least_points: int = Field(default=1, ge=0)  # of a box that is learnt

    start_from: str | None = None  # checkpoint of a pre-training of VoxelNet, or of a detector
    checkpoint_every: int = Field(default=200, ge=1)  # steps
    validate_every: int = Field(default=1000, ge=0)  # steps; 0 = after the last alone

    @field_validator("train")
    @classmethod
    def _has_data(cls, sources: tuple[DataSource, ...]) -> tuple[DataSource, ...]:
        if not sources:
            raise ValueError("expected at least one data set to train on")
        return sources

    @model_validator(mode="after")
    def _fits_together(self) -> "DetectFinetuneConfig":
        blocks = {
            name: len(getattr(self, name)) for name in ("bev_strides", "bev_widths", "bev_up_strides", "bev_up_widths")
        }
        if set(blocks.values()) != {len(self.bev_layers)} or not self.bev_layers:
            raise ValueError(f"bev_*: expected one number per block in each, {len(self.bev_layers)} as bev_layers has")
        if (self.paste is None) != (self.objects is None):
            raise ValueError("paste, objects: expected both or neither: what is pasted, and the folder of the objects")
        if self.order != "weights" and any(source.weight != 1.0 for source in self.train):
            raise ValueError("weight: expected 1 for every source, because this order does not draw by weight")
        if self.order == "weights" and self.epochs is not None:
            raise ValueError("epochs: expected order epochs or classes, because scans drawn by weight have no epochs")
        self._require_groups()
        self._require_anchors()
        return self

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            *super().uses(),
            (self.network == CENTERPOINT, _CENTRES, "with network centerpoint"),
            (self.network in _ANCHORED, ("anchors",), f"with network {' or '.join(_ANCHORED)}"),
            (self.epochs is None, ("max_steps",), "without epochs, which set the length of the run"),
            (bool(self.validation), ("validate_every",), "with validation"),
        )

    @property
    def grid(self) -> VoxelGrid:
        """The voxel grid."""
        return VoxelGrid("cartesian", self.voxel_size, self.point_cloud_range)

    @property
    def class_groups(self) -> tuple[tuple[int, ...], ...]:
        """The classes of each head of a CenterPoint, by their numbers."""
        names = self.class_table.names
        if not self.groups:
            return (tuple(range(len(names))),)
        return tuple(tuple(names.index(name) for name in group) for group in self.groups)

    def _require_groups(self) -> None:
        told = sorted(name for group in self.groups for name in group)
        if self.groups and told != sorted(self.class_table.names):
            raise ValueError(
                f"groups: expected every class of {self.classes} once ({', '.join(self.class_table.names)}), found "
                f"{', '.join(told)}"
            )

    def _require_anchors(self) -> None:
        """Every class has anchors, told or KITTI's."""
        told = [anchor.name for anchor in self.anchors]
        wanted = self.class_table.names
        if (
            self.network not in _ANCHORED
            or sorted(told) == sorted(wanted)
            or (not told and self.classes == _KITTI_CLASSES)
        ):
            return
        missing = [name for name in wanted if name not in told]
        found = f"none of {', '.join(missing)}" if missing else ", ".join(told)
        raise ValueError(
            f"anchors: expected one for each class of {self.classes} once, found {found}; `lidar-vl-train check-data` tells the "
            "mean sizes of a data set's boxes"
        )


class DetectValidationConfig(DetectFinetuneConfig):
    """What `evaluate` reads of a detector's file: its validation sets. Nothing else need stand in it."""

    out: str = ""
    train: tuple[DataSource, ...] = ()
    validation: tuple[EvenSource, ...] = Field(min_length=1)

    @field_validator("train")
    @classmethod
    def _has_data(cls, sources: tuple[DataSource, ...]) -> tuple[DataSource, ...]:
        return sources

    def _require_anchors(self) -> None:
        """The checkpoint has its own."""


# A checkpoint may go on with these changed: they say where and how a run is made, not what comes out.
FREE_ON_RESUME = frozenset({"out", "checkpoint_every", "validate_every", "progress", "validation", "objects"})
