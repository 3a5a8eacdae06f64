"""What every training run is told, whatever it trains: where it writes, its classes, and how it computes."""

from typing import Literal

from pydantic import field_validator

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, class_table_names
from lidar_vl_core.foundation.near_names import known_name
from offline_training.runs.backbone_config import BackboneConfig, DeviceConfig

HOW_MANY_WORK = frozenset({"threads", "workers"})  # decides over no number but the rounding of sums


class AnyRunConfig(DeviceConfig):
    """A run of any network."""

    out: str  # folder of the run: checkpoints/, tensorboard/, metrics.jsonl, or a folder of these for each stage
    classes: str = "nuscenes16"  # class table of the data's own labels

    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"  # auto: bf16-mixed on CUDA, 32-true on a CPU
    threads: int = 0  # of torch on the CPU; 0 = as many as there are cores
    workers: int = 1  # processes that prepare batches; 0 = in the training process
    progress: bool = True  # a bar, where there is a terminal

    @field_validator("classes")
    @classmethod
    def _is_a_table(cls, name: str) -> str:
        return known_name(name, class_table_names())

    @property
    def class_table(self) -> ClassTable:
        """The classes of the data's own labels."""
        return class_table(self.classes)


class RunConfig(AnyRunConfig, BackboneConfig):
    """A run of one backbone of points; each kind of training adds its own keys."""
