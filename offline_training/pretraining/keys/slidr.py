"""Keys of SLidR. What it does with them: ../methods/slidr.py."""

from typing import Literal

from offline_training.pretraining.base.config import OneScanConfig, StoreKeys


class SlidrConfig(OneScanConfig, StoreKeys):
    """SLidR."""

    method: Literal["slidr"] = "slidr"


CONFIG = SlidrConfig
