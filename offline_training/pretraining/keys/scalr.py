"""Configuration keys of ScaLR; used in ../methods/scalr.py."""

from typing import Literal

from offline_training.pretraining.base.config import PictureConfig


class ScalrConfig(PictureConfig):
    """Keys of ScaLR, which uses one camera of a scan at a time."""

    method: Literal["scalr"] = "scalr"


CONFIG = ScalrConfig
