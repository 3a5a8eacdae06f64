"""What a fine-tuning run is made of: one flat configuration."""

from typing import Literal

from lidar_vl_core.labels import ClassTable, class_table
from offline_training.backbone_config import BackboneConfig
from offline_training.data_sources import DataSource
from offline_training.datasets.augment import AugmentConfig


class FinetuneConfig(BackboneConfig):
    """Supervised segmentation. A YAML file holds what differs from these defaults."""

    out: str  # folder of the run: checkpoints/, tensorboard/, metrics.jsonl
    train: tuple[DataSource, ...]
    validation: tuple[DataSource, ...] = ()
    classes: str = "nuscenes16"  # class table of lidar_vl_core.labels

    max_steps: int = 10000
    batch_size: int = 4  # scans
    learning_rate: float = 0.003  # at its peak
    weight_decay: float = 0.01
    warm_up: float = 0.05  # share of the steps in which the rate rises from a 25th
    final_rate: float = 0.001  # share of the peak at the last step; cosine in between
    gradient_norm: float = 10.0  # clipped above
    ema_decay: float = 0.999  # of the averaged weights that are validated and exported; 0 = none
    lovasz_weight: float = 1.0  # against cross-entropy 1
    label_smoothing: float = 0.0
    class_weight_power: float = (
        0.0  # cross-entropy weights frequency^-power, mean 1 over the classes present; 0 = equal
    )
    class_weight_scans: int = 100  # from which the frequencies are counted

    augment: AugmentConfig = AugmentConfig()
    max_points: int = 200000  # per scan, a random choice where there are more

    start_from: str | None = None  # checkpoint of another run whose (averaged) weights this run begins with
    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"  # auto: bf16-mixed on CUDA, 32-true on a CPU
    threads: int = 0  # of torch on the CPU; 0 = as many as there are cores
    workers: int = 1  # processes that prepare batches; 0 = in the training process
    checkpoint_every: int = 200  # steps
    validate_every: int = 1000  # steps
    progress: bool = True  # a bar, where there is a terminal

    @property
    def class_table(self) -> ClassTable:
        """The classes the network is to tell apart."""
        return class_table(self.classes)


# A checkpoint may go on with these changed: they say where and how a run is made, not what comes out.
FREE_ON_RESUME = frozenset({"out", "workers", "checkpoint_every", "validate_every", "progress", "validation"})
