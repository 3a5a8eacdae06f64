"""Keys of Seal. What it does with them: ../methods/seal.py."""

from typing import Literal

from offline_training.pretraining.base.config import ProjectionConfig, StoreKeys


class SealConfig(ProjectionConfig, StoreKeys):
    """Seal; batch_size counts places, each seen at two times."""

    method: Literal["seal"] = "seal"


CONFIG = SealConfig
