"""What a pre-training run is made of: one flat configuration. Recipes are in configs/pretrain/*.yaml."""

from typing import Literal

from pydantic import model_validator

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table
from offline_training.datasets.data_sources import DataSource
from offline_training.networks.sparse.minkunet import SHAPES
from offline_training.pretraining.views.pair_augment import PairAugmentConfig
from offline_training.runs.backbone_config import BackboneConfig

Method = Literal["olivine", "ppkt", "slidr", "st_slidr", "seal", "scalr", "pointcontrast", "depthcontrast"]
WEAKLY_LABELLED = frozenset({"olivine"})  # methods that read weak classes
SUPERPIXEL_METHODS = frozenset({"slidr", "st_slidr", "seal"})
TWO_VIEW_METHODS = frozenset({"pointcontrast", "depthcontrast"})  # methods without pictures


class PretrainConfig(BackboneConfig):
    """Pre-training of a 3D network without labels by hand. A YAML file holds what differs from these defaults."""

    out: str  # folder of the run: checkpoints/, pictures/, tensorboard/, metrics.jsonl
    train: tuple[DataSource, ...]  # every scan once in an epoch
    classes: str = "nuscenes16"  # class table of the data, read with labels=truth only

    method: Method = "olivine"
    labels: Literal["weak", "truth"] = (
        "weak"  # truth: the true class of each point, to see what better labels would give
    )
    weak_labels: str | None = None  # folder that `weak-label` wrote: weak classes and superpixels

    teacher: str = "resnet50_dilated"  # one of image_teacher.KINDS
    teacher_weights: str | None = None  # local file
    allow_random_weights: bool = False  # of the teacher, for tests
    heads: Literal["decoupled", "coupled"] = "decoupled"  # olivine: one head for both losses when coupled
    class_model: Literal["vmf", "dirac", "none"] = "vmf"  # olivine: what semantic consistency pulls to
    loss_weights: tuple[float, float, float] = (0.5, 0.5, 1.0)  # olivine: point-pixel, weakly supervised, consistency
    vmf_decay: float = 1e-4  # what one batch moves the class statistics by
    vmf_freeze_step: int | None = (
        None  # last step that moves them; consistency begins after it; nothing = 1 / vmf_decay
    )
    vmf_bias_correction: bool = False  # of the moving average's beginning at zero
    kl_average: Literal["classes", "points"] = "classes"  # classes as the original code, points as the paper
    sampling: Literal["density_and_category", "density", "category", "random"] = "density_and_category"
    average_over_positives: bool = True  # the paper's 1 / |A(i)|; the gradient is the same without it
    matches: int = 4096  # pairs of a process that a contrastive loss sees
    temperature: float = 0.07
    gather_negatives: bool = False  # with several processes: contrast with the features of all of them

    occlusion: Literal["none", "zbuffer"] = "none"  # none as SLidR and OLIVINE pair
    max_image_width: int | None = None  # pixels; wider pictures are shrunk when they are read, labels are read before
    pair_cache: str | None = None  # folder that keeps paired scans, for many epochs over few; not for scalr and seal
    augment: PairAugmentConfig = PairAugmentConfig()
    image_size: tuple[int, int] = (224, 416)  # height, width of what the image teacher sees

    optimizer: Literal["sgd", "adamw"] = "sgd"  # sgd: momentum 0.9, dampening 0.1
    learning_rate: float = 0.5
    weight_decay: float = 1e-4
    schedule: Literal["cosine_per_epoch", "cosine_per_step"] = "cosine_per_epoch"  # to 0
    epochs: int | None = None  # either epochs
    max_steps: int | None = None  # or steps
    batch_size: int = 4  # scans per process

    norm_momentum: float | None = None  # MinkUNet: of the batch norms outside residual blocks; nothing = 0.1
    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "32-true"
    threads: int = 0  # of torch on the CPU; 0 = as many as there are cores
    workers: int = 1  # processes that prepare batches; 0 = in the training process
    checkpoint_every: int = 200  # steps
    pictures_every: int = 0  # steps between feature-similarity pictures; 0 = none
    progress: bool = True  # a bar, where there is a terminal

    @model_validator(mode="after")
    def _one_length(self) -> "PretrainConfig":
        length = [value for value in (self.epochs, self.max_steps) if value is not None]
        if len(length) != 1 or length[0] < 1:
            raise ValueError("epochs, max_steps: give one of the two, at least 1")
        if self.batch_size < 1 or self.matches < 1 or not 0.0 < self.vmf_decay <= 1.0 or not self.temperature > 0.0:
            raise ValueError("batch_size and matches are at least 1, vmf_decay lies in (0, 1], temperature is above 0")
        if any(source.weight != 1.0 for source in self.train):
            raise ValueError("train: every scan comes once in an epoch, so weights other than 1 have no meaning here")
        if self.norm_momentum is not None and self.network not in SHAPES:
            raise ValueError(f"norm_momentum: expected a MinkUNet, found network {self.network}")
        if "image_size" in self.augment.model_fields_set and self.augment.image_size != self.image_size:
            raise ValueError("augment.image_size: set image_size itself, which the augmentation follows")
        return self

    @property
    def class_table(self) -> ClassTable:
        """The classes of the data's own labels."""
        return class_table(self.classes)

    @property
    def freeze_step(self) -> int:
        """Last step that moves the class statistics."""
        return round(1.0 / self.vmf_decay) if self.vmf_freeze_step is None else self.vmf_freeze_step

    @property
    def pair_augment(self) -> PairAugmentConfig:
        """The augmentation, with pictures of image_size."""
        return self.augment.model_copy(update={"image_size": self.image_size})


# A checkpoint may go on with these changed: they say where and how a run is made, not what comes out.
FREE_ON_RESUME = frozenset({"out", "workers", "checkpoint_every", "pictures_every", "progress", "pair_cache"})
