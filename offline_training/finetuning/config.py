"""What a fine-tuning run is made of: one flat configuration."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lidar_vl_core.foundation.config import Use
from offline_training.datasets.augment.point_augment import AugmentConfig
from offline_training.datasets.data_sources import DataSource, EvenSource
from offline_training.runs.run_config import RunConfig


class FinetuneConfig(RunConfig):
    """Supervised segmentation. A YAML file holds what differs from these defaults."""

    task: Literal["segmentation"] = "segmentation"
    train: tuple[DataSource, ...]
    validation: tuple[EvenSource, ...] = ()

    max_steps: int = 10000
    epochs: int | None = None  # passes over all training scans, in place of max_steps and of drawing scans by weight
    # of epochs, what does not fill a step: with scans of the next epoch, or left out as in the code of SLidR and OLIVINE
    last_batch: Literal["filled", "left_out"] = "filled"
    batch_size: int = 4  # scans that the network sees together
    accumulate: int = Field(default=1, ge=1)  # so many batches make one step
    optimizer: Literal["adamw", "sgd"] = "adamw"  # sgd: momentum 0.9, dampening 0.1
    learning_rate: float = Field(default=0.003, ge=0.0)  # at its peak
    head_learning_rate: Annotated[float, Field(ge=0.0)] | None = (
        None  # at its peak, of the last layer; nothing = as the others
    )
    weight_decay: float = Field(default=0.01, ge=0.0)
    schedule: Literal["cosine_per_step", "cosine_per_epoch"] = "cosine_per_step"
    warm_up: float = 0.05  # share of the steps in which the rate rises from a 25th
    final_rate: float = 0.001  # share of the peak at the last step; cosine in between
    gradient_norm: float = 10.0  # clipped above
    ema_decay: float = 0.999  # of the averaged weights that are validated and exported; 0 = none
    lovasz_weight: float = 1.0  # against cross-entropy 1
    label_smoothing: float = 0.0
    # a score more, in the denominator of the softmax alone: no point has its class and no answer takes it, as class 0 in the code
    # of SLidR and OLIVINE (17 scores for the 16 classes of nuScenes)
    score_of_no_class: bool = False
    class_weight_power: float = (
        0.0  # cross-entropy weights frequency^-power, mean 1 over the classes present; 0 = equal
    )
    class_weight_scans: int = 100  # from which the frequencies are counted

    row_label: Literal["majority", "first_point"] = (
        "majority"  # class of a voxel: of most of its points, or of the first
    )
    norm_momentum: float | None = None  # MinkUNet: of the batch norms outside residual blocks; nothing = 0.1

    augment: AugmentConfig | None = AugmentConfig()  # nothing = scans as they are
    max_points: int = 200000  # per scan, a random choice where there are more

    start_from: str | None = (
        None  # checkpoint of a pre-training or fine-tuning whose (averaged) weights this run begins with
    )
    probe: bool = False  # train the last layer alone, on features of the frozen network
    checkpoint_every: int = Field(default=200, ge=1)  # steps
    validate_every: int = 1000  # steps

    @model_validator(mode="after")
    def _epochs_fit(self) -> "FinetuneConfig":
        if self.epochs is None and self.schedule == "cosine_per_epoch":
            raise ValueError("schedule: cosine_per_epoch needs epochs")
        if self.epochs is not None and (self.epochs < 1 or any(source.weight != 1.0 for source in self.train)):
            raise ValueError(
                "epochs: at least 1; every scan is drawn once per epoch, so weights other than 1 have no effect"
            )
        return self

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (
            *super().uses(),
            (self.epochs is None, ("max_steps",), "without epochs, which set the length of the run"),
            (self.epochs is not None, ("last_batch",), "with epochs"),
            (not self.probe, ("norm_momentum",), "without probe, in which norms are frozen"),
            (not self.probe, ("head_learning_rate",), "without probe, in which learning_rate is the head's"),
            (self.class_weight_power != 0.0, ("class_weight_scans",), "with class_weight_power above 0"),
            (bool(self.validation), ("validate_every",), "with validation"),
        )


class ValidationConfig(FinetuneConfig):
    """What `evaluate` and `submit` read of a fine-tuning's file: its validation sets. Nothing else need stand in it."""

    out: str = ""
    train: tuple[DataSource, ...] = ()
    validation: tuple[EvenSource, ...] = Field(min_length=1)


# A checkpoint may go on with these changed: they say where and how a run is made, not what comes out.
FREE_ON_RESUME = frozenset({"out", "checkpoint_every", "validate_every", "progress", "validation"})
