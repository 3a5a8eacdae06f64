"""Configuration keys of pre-training that all or several methods share, read without PyTorch.

A method's own keys: keys/*.py.
"""

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
    """Occupancy as a second task (ALSO): is a place near a point occupied?

    The beams of the sweep answer, no label is read.
    """

    weight: Annotated[float, Field(gt=0.0)] = 1.0  # weight of its cross-entropy, added to the method's loss
    queries: Count = 2048  # places queried in each scan, as in ALSO; places without a point nearby are ignored
    sensor_height_m: float = 0.0  # height of the beams' origin above the clouds' origin, metres; 0 for most data sets


class PretrainConfig(RunConfig):
    """Pre-training of a 3D network without manual labels. A YAML file holds what differs from these defaults."""

    method: str  # set by each method's own configuration
    train: tuple[DataSource, ...]
    order: Literal["scans", "weights"] = (
        "scans"  # scans: every scan once in an epoch; weights: each data set has its weight's share of an epoch
    )
    # of several data sets: alike = refused if their brightest differ by more than 3 times; even = each divided by its own
    # 99 % quantile; as_measured = mixed unchanged
    intensity_scales: Literal["alike", "even", "as_measured"] = "alike"

    optimizer: Literal["sgd", "adamw"] = "sgd"  # sgd: momentum 0.9, dampening 0.1
    learning_rate: float = Field(default=0.5, ge=0.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    schedule: Literal["cosine_per_epoch", "cosine_per_step"] = "cosine_per_epoch"
    warm_up_steps: Annotated[int, Field(ge=0)] = 0  # steps in which the learning rate rises from 0
    final_rate: Annotated[float, Field(ge=0.0, le=1.0)] = (
        0.0  # final learning rate of the cosine, as a share of learning_rate
    )
    epochs: int | None = None  # either epochs
    max_steps: int | None = None  # or steps
    batch_size: Count = 4  # scans per process in one forward pass and loss
    accumulate: Count = 1  # batches whose gradients are accumulated for one step

    # checkpoint of another pre-training or of import-checkpoint whose network, heads and class distributions this run starts from
    start_from: str | None = None
    start_epoch: Annotated[int, Field(ge=0)] = (
        0  # epochs those weights have been trained for: learning rate, order and distributions continue from there
    )

    occupancy: OccupancyConfig | None = None  # a second task beside the method's; default: none
    norm_momentum: Annotated[float, Field(gt=0.0, le=1.0)] | None = (
        None  # MinkUNet: momentum of the batch norms outside residual blocks; default: 0.1
    )
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    checkpoint_every: Count = 200  # steps

    @model_validator(mode="after")
    def _one_length(self) -> "PretrainConfig":
        length = [value for value in (self.epochs, self.max_steps) if value is not None]
        if len(length) != 1 or length[0] < 1:
            raise ValueError("epochs, max_steps: expected exactly one of the two, at least 1")
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
            raise ValueError(
                "weight: with order: scans every scan is read once in an epoch; set order: weights, or remove the weights"
            )
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
    def sensor_height_m(self) -> float:
        """Height of the beams' origin above the clouds' origin, metres: the place about which clouds are scaled."""
        return 0.0 if self.occupancy is None else self.occupancy.sensor_height_m

    @property
    def teacher_file(self) -> Path | None:
        """File of the image teacher's weights, if the method has a teacher and names one."""
        return None

    @property
    def picture_period(self) -> int:
        """Steps between figures of the run's progress; 0 = none."""
        return 0

    def build_teacher(self) -> "ImageTeacher | None":
        """The frozen image network, for methods that read images."""
        return None


class PictureConfig(PretrainConfig):
    """Keys of methods that learn from images."""

    teacher: str = "resnet50_dilated"  # a key of image_teacher.TEACHERS, or timm:<name>
    teacher_weights: str | None = None  # local file
    teacher_features: Literal["last", "before_norm"] = (
        "last"  # of a ViT of timm; before_norm: the input of its last norm
    )
    allow_random_weights: bool = False  # random weights for the teacher, for tests

    occlusion: Literal["none", "zbuffer"] = "none"  # none: as SLidR and OLIVINE pair points and pixels
    pixel: PixelOfPoint = "rounded"  # pixel of a point: rounded as in SLidR and OLIVINE, floor as in ScaLR
    max_image_width: Count | None = None  # pixels; wider images are shrunk when they are read, labels are read before
    image_cache: str | None = None  # folder that caches decoded images at their reduced width, up to 20 GB
    augment: PairAugmentConfig = PairAugmentConfig()
    image_size: tuple[Count, Count] = (224, 416)  # height, width of the image teacher's input

    @model_validator(mode="after")
    def _one_image_size(self, info: ValidationInfo) -> "PictureConfig":
        given = "image_size" in self.augment.model_fields_set and not is_stored(info)  # a checkpoint lists all keys
        if given and self.augment.image_size != self.image_size:
            raise ValueError("augment.image_size: set image_size itself, which the augmentation follows")
        return self

    @property
    def pair_augment(self) -> PairAugmentConfig:
        """The augmentation, with images of image_size."""
        return self.augment.model_copy(update={"image_size": self.image_size})

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others: only networks of timm have a last norm that can be left out."""
        return (
            *super().uses(),
            (self.teacher.startswith("timm:"), ("teacher_features",), "with a teacher timm:<name>"),
        )

    @property
    def teacher_file(self) -> Path | None:
        """File of the image teacher's weights, if one is named."""
        return None if self.teacher_weights is None else Path(self.teacher_weights)

    def build_teacher(self) -> "ImageTeacher | None":
        """The frozen image network. Raises BadConfig without weights, BadCheckpoint for weights that do not match."""
        from offline_training.networks.image.image_teacher import build_image_teacher

        return build_image_teacher(
            self.teacher, self.teacher_file, self.allow_random_weights, self.teacher_features == "before_norm"
        )


class PairCacheConfig(PictureConfig):
    """Keys of methods that process one scan with all its cameras, so that its pairs are the same in every epoch."""

    pair_cache: str | None = None  # folder that caches paired scans, for many epochs over few scans


class ContrastKeys(Config):
    """Keys of methods that contrast each row with the rows of other pairs."""

    temperature: Temperature = 0.07
    gather_negatives: bool = False  # with several processes: contrast with the features of all processes


class StoreKeys(Config):
    """Keys of methods that read a label store."""

    weak_labels: str | None = None  # label store of `weak-label`: weak classes and superpixels


class ProjectionConfig(PictureConfig, ContrastKeys):
    """Keys of methods whose heads map points and pixels into one space, so that their similarity can be drawn."""

    images_every: int = 0  # steps between feature-similarity figures; 0 = none

    @property
    def picture_period(self) -> int:
        """Steps between feature-similarity figures; 0 = none."""
        return self.images_every


class OneScanConfig(ProjectionConfig, PairCacheConfig):
    """Keys of contrastive methods that process one scan with all its cameras."""


class PointClassConfig(PairCacheConfig, StoreKeys):
    """Keys of methods that process one scan and learn from a class of each point that an image sees."""

    # truth: the true class of each point, to see what better labels would give; no label store is read
    labels: Literal["weak", "truth"] = "weak"
    correct_share: Annotated[float, Field(gt=0.0, le=1.0)] = (
        1.0  # share of true classes kept; the rest gets a wrong class, patch by patch
    )

    @model_validator(mode="after")
    def _one_kind_of_labels(self) -> "PointClassConfig":
        if self.labels == "truth" and self.weak_labels is not None:
            raise ValueError("weak_labels: with labels: truth no label store is read; write weak_labels: null")
        return self

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others: only the truth is corrupted, never a store."""
        return (*super().uses(), (self.labels == "truth", ("correct_share",), "with labels: truth"))
