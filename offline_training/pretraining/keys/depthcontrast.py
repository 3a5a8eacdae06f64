"""Keys of DepthContrast. What it does with them: ../methods/depthcontrast.py."""

from typing import Literal

from offline_training.pretraining.base.config import PretrainConfig, Temperature


class DepthContrastConfig(PretrainConfig):
    """DepthContrast."""

    method: Literal["depthcontrast"] = "depthcontrast"
    temperature: Temperature = 0.07


CONFIG = DepthContrastConfig
