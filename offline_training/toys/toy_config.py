"""The configuration keys of `toy-language`, and whether it has run; read without PyTorch."""

from pathlib import Path
from typing import Any

from pydantic import Field

from lidar_vl_core.foundation.config import Config
from offline_training.datasets.data_sources import EvenSource
from offline_training.toys.made_before import was_made
from offline_training.words.image_models.base.config import TOY_FILES

QUALITY = "quality.json"


class ToyLanguageConfig(Config):
    """Training of the toy vision-language model. A YAML file holds what differs from these defaults."""

    out: str  # folder: weights.safetensors, words.json, quality.json, similarity_*.png
    train: tuple[EvenSource, ...] = Field(min_length=1)  # synthetic streets and rooms, with images
    test: tuple[EvenSource, ...] = Field(min_length=1)  # other ones, to measure its quality
    channels: int = Field(default=64, ge=8)  # width of the text space
    steps: int = Field(default=1600, ge=1)
    pictures_per_step: int = Field(default=8, ge=1)
    regions_per_picture: int = Field(default=8, ge=1)
    cells_per_region: int = Field(default=48, ge=1)
    cell_weight: float = Field(
        default=2.0, ge=0.0
    )  # weight of the loss of single cells, relative to that of whole regions
    hypernym_share: float = Field(
        default=0.15, ge=0.0, le=1.0
    )  # share of captions with a hypernym, if the class has one
    colour_share: float = Field(
        default=0.4, ge=0.0, le=1.0
    )  # share of captions with a colour, for regions whose colour has a name
    learning_rate: float = Field(default=0.005, gt=0.0)  # peak of the one-cycle schedule
    weight_decay: float = Field(default=0.01, ge=0.0)
    seed: int = 0
    threads: int = 1  # 0 = torch's default; another number changes the last digits of the weights

    def asked(self) -> dict[str, Any]:
        """Everything that determines the weights; of the sources only the keys set, so that a new option changes nothing."""
        asked = self.model_dump(mode="json", exclude={"out", "threads", "train", "test"})
        sources = {"train": self.train, "test": self.test}
        return asked | {
            name: [{"kind": each.kind, **each.model_dump(mode="json", exclude_defaults=True)} for each in of]
            for name, of in sources.items()
        }


def is_toy_made(config: ToyLanguageConfig) -> bool:
    """Whether the folder holds the toy model, trained with this configuration."""
    out = Path(config.out)
    return was_made(out / QUALITY, [out / name for name in TOY_FILES], config.asked())
