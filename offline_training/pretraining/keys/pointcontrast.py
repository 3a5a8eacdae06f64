"""Configuration keys of PointContrast; used in ../methods/pointcontrast.py."""

from typing import Literal

from offline_training.pretraining.base.config import ContrastKeys, Count, PretrainConfig


class PointContrastConfig(PretrainConfig, ContrastKeys):
    """Keys of PointContrast."""

    method: Literal["pointcontrast"] = "pointcontrast"
    matches: Count = 4096  # points per process in the loss, each in both views


CONFIG = PointContrastConfig
