"""Features of scenes that lie ready in OpenScene's files, OpenSeg's or LSeg's, and the text they are compared with."""

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
    """Reads what OpenScene's fusion has written; never looks at a picture."""

    def __init__(self, folder: Path, text: TextSide) -> None:
        """Raises BadDataset where the folder holds no features."""
        self._folder, self._text = Path(folder), text
        self.channels, self.logit_scale = text.channels, text.logit_scale
        files = sorted(self._folder.glob("*.pt"))
        if not files:
            raise BadDataset(
                f"{self._folder}: expected features of scenes, <scene>.pt or <scene>_0.pt, found none. Unpack them there."
            )
        listed = "".join(f"{path.name} {path.stat().st_size}\n" for path in files)
        self._listed_sha256 = hashlib.sha256(listed.encode()).hexdigest()

    def identity(self) -> dict[str, Any]:
        """The files by name and size (they may be hundreds of gigabytes), and the text."""
        return {"model": "openscene_features", "files_sha256": self._listed_sha256, "text": self._text.identity()}

    def scene_features(self, sample: Sample, config: ExtractConfig) -> SceneFeatures:
        """The features of a sample's points. Raises BadDataset for missing or damaged files, or those of another cloud."""
        fused = read_fused(fused_files(self._folder, sample.name), len(sample.cloud))
        if fused.feature.shape[1] != self.channels:
            raise BadDataset(
                f"{sample.name}: expected features of {self.channels} channels, as the text has, found "
                f"{fused.feature.shape[1]}. OpenSeg goes with ViT-L/14@336px (768), LSeg with ViT-B/32 (512)."
            )
        return from_fused(fused, sample, config)

    def image_features(self, images: Sequence[np.ndarray]) -> list[Tensor]:
        """Raises BadRequest: there are features of points, none of pictures."""
        raise BadRequest(
            f"{self._folder}: expected to be asked for features of scenes, found a picture. Features from disk are of "
            "points alone: choose a model that looks at pictures."
        )

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """See DenseImageModel."""
        return self._text.text_features(prompts)


def open_openscene_features(config: OpenSceneFeaturesConfig) -> OpenSceneFeatures:
    """From a configuration. Raises BadConfig unless the text side is named once."""
    text = open_text_side(config.kind, config.text_embeddings, config.text_names, config.text_model)
    return OpenSceneFeatures(Path(config.folder), text)
