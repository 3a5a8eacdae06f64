"""Precomputed scene features of OpenSeg or LSeg in OpenScene's files, and the text they are compared with."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lidar_vl_core.foundation.errors import BadDataset, BadRequest
from offline_training.datasets.base.sample import Sample
from offline_training.words.image_models.base.config import OpenSceneFeaturesConfig
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.towers.text_side import TextSide, open_text_side
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.openscene_files import from_fused, fused_files, read_fused
from offline_training.words.scenes.scene_features import SceneFeatures


class OpenSceneFeatures(DenseImageModel):
    """Reads the output of OpenScene's fusion; never looks at an image."""

    def __init__(self, folder: Path, text: TextSide) -> None:
        """Raises BadDataset if the folder holds no features."""
        self._folder, self._text = Path(folder), text
        self.channels, self.logit_scale = text.channels, text.logit_scale
        files = sorted(self._folder.glob("*.pt"))
        if not files:
            raise BadDataset(
                f"{self._folder}: expected features of scenes, <scene>.pt or <scene>_0.pt, found none. Unpack OpenScene's features there."
            )
        listed = "".join(f"{path.name} {path.stat().st_size}\n" for path in files)
        self._listed_sha256 = hashlib.sha256(listed.encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """Names and sizes of the files (hashing hundreds of gigabytes would take too long), and the text."""
        return {"model": "openscene_features", "files_sha256": self._listed_sha256, "text": self._text.identity()}

    def scene_features(self, sample: Sample, config: ExtractConfig) -> SceneFeatures:
        """The features of a sample's points.

        Raises BadDataset for missing or damaged files, or files of another cloud.
        """
        fused = read_fused(fused_files(self._folder, sample.name), len(sample.cloud))
        if fused.feature.shape[1] != self.channels:
            raise BadDataset(
                f"{sample.name}: expected features of {self.channels} channels, as in the text embeddings, found "
                f"{fused.feature.shape[1]}. OpenSeg goes with ViT-L/14@336px (768), LSeg with ViT-B/32 (512)."
            )
        return from_fused(fused, sample, config)

    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Refuse images (H, W, 3): the files hold features of points. Raises BadRequest."""
        raise BadRequest(
            f"{self._folder}: expected a request for scene features, found one for an image. The stored features are "
            "of points only: choose a model that processes images."
        )

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(prompts, C) unit vectors; see DenseImageModel."""
        return self._text.text_features(prompts)


def open_openscene_features(config: OpenSceneFeaturesConfig) -> OpenSceneFeatures:
    """The features of a configuration. Raises BadConfig unless exactly one text side is set."""
    text = open_text_side(config.kind, config.text_embeddings, config.text_names, config.text_model)
    return OpenSceneFeatures(Path(config.folder), text)
