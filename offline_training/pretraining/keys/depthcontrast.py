"""Configuration keys of DepthContrast; used in ../methods/depthcontrast.py."""

from typing import Literal

from offline_training.pretraining.base.config import PretrainConfig, Temperature


class DepthContrastConfig(PretrainConfig):
    """Keys of DepthContrast."""

    method: Literal["depthcontrast"] = "depthcontrast"
    temperature: Temperature = 0.07


CONFIG = DepthContrastConfig
