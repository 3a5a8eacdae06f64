"""The configuration keys of the toy teacher's training, and whether it has run; read without PyTorch."""

from pathlib import Path
from typing import Any, Literal

from lidar_vl_core.foundation.config import Config
from offline_training.datasets.data_sources import EvenSource
from offline_training.toys.made_before import was_made

WEIGHTS, QUALITY = "weights.safetensors", "quality.json"


class ToyTeacherConfig(Config):
    """Training of the toy teacher. A YAML file holds what differs from these defaults."""

    out: str  # folder: weights.safetensors, quality.json
    train: EvenSource  # synthetic, with images
    test: EvenSource  # other streets, to measure its quality
    learns: Literal["classes", "views"] = (
        "classes"  # views: without classes, by recognising image locations in other views
    )
    steps: int = 1200
    batch_size: int = 8  # images
    learning_rate: float = 0.004  # peak of the one-cycle schedule
    weight_decay: float = 5e-4
    seed: int = 0
    threads: int = 0  # 0 = number of cores

    def asked(self) -> dict[str, Any]:
        """Everything that determines the weights."""
        excluded = {"out", "threads"} | ({"learns"} if self.learns == "classes" else set())  # which older reports lack
        return self.model_dump(mode="json", exclude=excluded)


def is_teacher_made(config: ToyTeacherConfig) -> bool:
    """Whether the folder holds the teacher, trained with this configuration."""
    out = Path(config.out)
    return was_made(out / QUALITY, (out / WEIGHTS,), config.asked())
