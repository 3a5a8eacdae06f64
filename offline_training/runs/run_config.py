"""What every training run is told, whatever it trains: where it writes, its classes, and how it computes."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, class_table_names
from lidar_vl_core.foundation.config import Use
from lidar_vl_core.foundation.near_names import known_name
from offline_training.runs.backbone_config import BackboneConfig, DeviceConfig

HOW_MANY_WORK = frozenset({"threads", "workers", "prefetch"})  # decides over no number but the rounding of sums


class AnyRunConfig(DeviceConfig):
    """A run of any network."""

    out: str  # folder of the run: checkpoints/, tensorboard/, metrics.jsonl, or a folder of these for each stage
    classes: str = "nuscenes16"  # class table of the data's own labels

    seed: int = Field(default=0, ge=0)
    # auto: bf16-mixed on CUDA, 32-true on a CPU; 16-mixed is float16 with a loss scale, for GPUs without bfloat16
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    threads: int = Field(default=0, ge=0)  # of torch on the CPU; 0 = as many as there are cores
    workers: int = Field(default=1, ge=0)  # processes that prepare batches; 0 = in the training process
    prefetch: Annotated[int, Field(ge=1)] = 2  # batches that each of them prepares ahead
    progress: bool = True  # a bar, where there is a terminal

    @field_validator("classes")
    @classmethod
    def _is_a_table(cls, name: str) -> str:
        return known_name(name, class_table_names())

    def uses(self) -> tuple[Use, ...]:
        """Keys that are read only under others."""
        return (*super().uses(), (self.workers > 0, ("prefetch",), "with workers above 0"))

    @property
    def class_table(self) -> ClassTable:
        """The classes of the data's own labels."""
        return class_table(self.classes)


class RunConfig(AnyRunConfig, BackboneConfig):
    """A run of one backbone of points; each kind of training adds its own keys."""
