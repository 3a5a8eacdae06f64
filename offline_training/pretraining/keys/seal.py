"""Configuration keys of Seal; used in ../methods/seal.py."""

from typing import Literal

from offline_training.pretraining.base.config import ProjectionConfig, StoreKeys


class SealConfig(ProjectionConfig, StoreKeys):
    """Keys of Seal; batch_size counts places, each scanned at two times."""

    method: Literal["seal"] = "seal"


CONFIG = SealConfig
