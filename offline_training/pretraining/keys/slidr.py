"""Configuration keys of SLidR; used in ../methods/slidr.py."""

from typing import Literal

from offline_training.pretraining.base.config import OneScanConfig, StoreKeys


class SlidrConfig(OneScanConfig, StoreKeys):
    """Keys of SLidR."""

    method: Literal["slidr"] = "slidr"


CONFIG = SlidrConfig
