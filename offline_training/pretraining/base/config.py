"""Keys of a pre-training, read without PyTorch: of every method, and those that several share. Each method's own: keys/*.py."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, model_validator

from lidar_vl_core.cameras.pairing import PixelOfPoint
from lidar_vl_core.foundation.config import Config, Use, is_stored
from offline_training.datasets.data_sources import DataSource
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.pretraining.views.pair_augment import PairAugmentConfig
from offline_training.runs.run_config import RunConfig

if TYPE_CHECKING:
    from offline_training.networks.image.image_teacher import ImageTeacher

Count = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(gt=0.0)]


class OccupancyConfig(Config):
    """Occupancy as a second task: is something at a place near a point? The beams of the sweep tell, no label is read."""

    weight: Annotated[float, Field(gt=0.0)] = 1.0  # of its cross-entropy beside the method's loss
    queries: Count = 2048  # places of each scan, as ALSO; those with no point near them are not judged
    sensor_height_m: float = (
        0.0  # of where the beams begin, above the origin of the clouds: most data sets have it there
    )


class PretrainConfig(RunConfig):
    """Pre-training of a 3D network without labels by hand. A YAML file holds what differs from these defaults."""

    method: str  # each method's own configuration says which
    train: tuple[DataSource, ...]
    order: Literal["scans", "weights"] = (
        "scans"  # every scan once in an epoch; weights: each data set has the share of an epoch that its weight says
    )
    # of several data sets: alike = refused where their brightest differ by more than 3 times; even = each divided by its own
    # 99 % quantile; as_measured = mixed as they are
    intensity_scales: Literal["alike", "even", "as_measured"] = "alike"

    optimizer: Literal["sgd", "adamw"] = "sgd"  # sgd: momentum 0.9, dampening 0.1
    learning_rate: float = Field(default=0.5, ge=0.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    schedule: Literal["cosine_per_epoch", "cosine_per_step"] = "cosine_per_epoch"
    warm_up_steps: Annotated[int, Field(ge=0)] = 0  # in which the rate rises from 0
    final_rate: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # share of the rate that the cosine ends at
    epochs: int | None = None  # either epochs
    max_steps: int | None = None  # or steps
    batch_size: Count = 4  # scans per process that the network and the loss see together
    accumulate: Count = 1  # so many batches make one step

    # checkpoint, of another pre-training or of import-checkpoint, with whose network, heads and class distributions this run begins
    start_from: str | None = None
    start_epoch: Annotated[int, Field(ge=0)] = (
        0  # epochs that those weights have seen: rate, order and distributions go on from there
    )

    occupancy: OccupancyConfig | None = None  # a second task beside the method's; nothing = none
    norm_momentum: Annotated[float, Field(gt=0.0, le=1.0)] | None = (
        None  # MinkUNet: of the batch norms outside residual blocks; nothing = 0.1
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    checkpoint_every: Count = 200  # steps

    @model_validator(mode="after")
    def _one_length(self) -> "PretrainConfig":
        length = [value for value in (self.epochs, self.max_steps) if value is not None]
        if len(length) != 1 or length[0] < 1:
            raise ValueError("epochs, max_steps: give one of the two, at least 1")
        if self.epochs is not None and self.start_epoch >= self.epochs:
            raise ValueError(f"start_epoch: expected fewer than the {self.epochs} epochs, found {self.start_epoch}")
        if self.warm_up_steps and self.max_steps is not None and self.warm_up_steps >= self.max_steps:
            raise ValueError(f"warm_up_steps: expected fewer than max_steps, found {self.warm_up_steps}")
        if self.norm_momentum is not None and self.network not in SHAPES:
            raise ValueError(f"norm_momentum: expected a MinkUNet, found network {self.network}")
        return self

    @model_validator(mode="after")
    def _weights_say_something(self, info: ValidationInfo) -> "PretrainConfig":
        if self.order == "scans" and any(source.weight != 1.0 for source in self.train) and not is_stored(info):
            raise ValueError("weight: every scan comes once in an epoch; set order: weights, or remove the weights")
        return self

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            *super().uses(),
            (len(self.train) > 1, ("order", "intensity_scales"), "with several data sets in train"),
            (self.schedule == "cosine_per_step", ("warm_up_steps",), "with schedule: cosine_per_step"),
            (self.start_from is not None, ("start_epoch",), "with start_from"),
        )

    @property
    def teacher_file(self) -> Path | None:
        """Weights of the image teacher, of methods that have one and name a file."""
        return None

    @property
    def picture_period(self) -> int:
        """Steps between pictures of the run's progress; 0 = none."""
        return 0

    def build_teacher(self) -> "ImageTeacher | None":
        """The frozen image network, of methods that read pictures."""
        return None


class PictureConfig(PretrainConfig):
    """Methods that learn from pictures."""

    teacher: str = "resnet50_dilated"  # a key of image_teacher.TEACHERS, or timm:<name>
    teacher_weights: str | None = None  # local file
    teacher_features: Literal["last", "before_norm"] = (
        "last"  # of a ViT of timm: before_norm, those that its last norm reads
    )
    allow_random_weights: bool = False  # of the teacher, for tests

    occlusion: Literal["none", "zbuffer"] = "none"  # none as SLidR and OLIVINE pair
    pixel: PixelOfPoint = "rounded"  # of a point in its picture: rounded as SLidR and OLIVINE, floor as ScaLR
    max_image_width: Count | None = None  # pixels; wider pictures are shrunk when they are read, labels are read before
    picture_cache: str | None = (
        None  # folder that keeps decoded pictures at the width at which they are read, up to 20 GB
    )
    augment: PairAugmentConfig = PairAugmentConfig()
    image_size: tuple[Count, Count] = (224, 416)  # height, width of what the image teacher sees

    @model_validator(mode="after")
    def _one_image_size(self, info: ValidationInfo) -> "PictureConfig":
        given = "image_size" in self.augment.model_fields_set and not is_stored(info)  # a checkpoint lists all keys
        if given and self.augment.image_size != self.image_size:
            raise ValueError("augment.image_size: set image_size itself, which the augmentation follows")
        return self

    @property
    def pair_augment(self) -> PairAugmentConfig:
        """The augmentation, with pictures of image_size."""
        return self.augment.model_copy(update={"image_size": self.image_size})

    def uses(self) -> tuple[Use, ...]:
        """Only what timm builds has a last norm that can be left out."""
        return (
            *super().uses(),
            (self.teacher.startswith("timm:"), ("teacher_features",), "with a teacher timm:<name>"),
        )

    @property
    def teacher_file(self) -> Path | None:
        """Weights of the image teacher, where a file is named."""
        return None if self.teacher_weights is None else Path(self.teacher_weights)

    def build_teacher(self) -> "ImageTeacher | None":
        """The frozen image network. Raises BadConfig without weights, BadCheckpoint for weights that do not fit."""
        from offline_training.networks.image.image_teacher import build_image_teacher

        return build_image_teacher(
            self.teacher, self.teacher_file, self.allow_random_weights, self.teacher_features == "before_norm"
        )


class PairCacheConfig(PictureConfig):
    """Methods that see one scan at a time with all its cameras, so that its pairs are the same in every epoch."""

    pair_cache: str | None = None  # folder that keeps paired scans, for many epochs over few


class ContrastKeys(Config):
    """Methods that contrast each row with those of other pairs."""

    temperature: Temperature = 0.07
    gather_negatives: bool = False  # with several processes: contrast with the features of all of them


class StoreKeys(Config):
    """Methods that read a label store."""

    weak_labels: str | None = None  # folder that `weak-label` wrote: weak classes and superpixels


class ProjectionConfig(PictureConfig, ContrastKeys):
    """Methods whose heads bring points and pixels into one space, so that their similarity can be drawn."""

    pictures_every: int = 0  # steps between feature-similarity pictures; 0 = none

    @property
    def picture_period(self) -> int:
        """Steps between feature-similarity pictures; 0 = none."""
        return self.pictures_every


class OneScanConfig(ProjectionConfig, PairCacheConfig):
    """Methods that contrast and see one scan at a time with all its cameras."""


class PointClassConfig(PairCacheConfig, StoreKeys):
    """Methods that see one scan at a time and learn from a class of each point that a picture sees."""

    # truth: the true class of each point, to see what better labels would give; no label store is read then
    labels: Literal["weak", "truth"] = "weak"
    correct_share: Annotated[float, Field(gt=0.0, le=1.0)] = (
        1.0  # of the truth; all else gets a wrong class, patch by patch
    )

    @model_validator(mode="after")
    def _one_kind_of_labels(self) -> "PointClassConfig":
        if self.labels == "truth" and self.weak_labels is not None:
            raise ValueError("weak_labels: with labels: truth no label store is read; write weak_labels: null")
        return self

    def uses(self) -> tuple[Use, ...]:
        """What a store holds is not corrupted."""
        return (*super().uses(), (self.labels == "truth", ("correct_share",), "with labels: truth"))
