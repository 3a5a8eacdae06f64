"""Keys of ScaLR. What it does with them: ../methods/scalr.py."""

from typing import Literal

from offline_training.pretraining.base.config import PictureConfig


class ScalrConfig(PictureConfig):
    """ScaLR; it sees one camera of a scan at a time."""

    method: Literal["scalr"] = "scalr"


CONFIG = ScalrConfig
