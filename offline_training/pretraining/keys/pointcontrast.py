"""Keys of PointContrast. What it does with them: ../methods/pointcontrast.py."""

from typing import Literal

from offline_training.pretraining.base.config import ContrastKeys, Count, PretrainConfig


class PointContrastConfig(PretrainConfig, ContrastKeys):
    """PointContrast."""

    method: Literal["pointcontrast"] = "pointcontrast"
    matches: Count = 4096  # points of a process that the loss sees in both views


CONFIG = PointContrastConfig
