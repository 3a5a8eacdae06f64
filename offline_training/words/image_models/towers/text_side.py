"""The text side of a model without its own text tower: rows from a file, or another model's tower."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models.base.config import OpenClipConfig, Siglip2Config
from offline_training.words.image_models.base.text_rows import read_text_rows


class TextSide(Protocol):
    """Embeds prompts."""

    channels: int
    logit_scale: float

    def identity(self) -> dict[str, Any]:
        """Everything that determines the rows, as JSON."""
        ...

    def text_features(self, prompts: Sequence[str]) -> Tensor:
        """(P, C) unit rows. Raises UnknownPrompt for prompts that a file does not have."""
        ...


def open_text_side(
    kind: str, embeddings: str | None, names: str | None, model: OpenClipConfig | Siglip2Config | None
) -> TextSide:
    """The configured text side. Raises BadConfig unless exactly one is set."""
    if (embeddings is None) == (model is None):
        raise BadConfig(
            f"model {kind}: expected text_embeddings (with text_names) or text_model, found "
            f"{'neither' if model is None else 'both'}. Name what the words are compared by."
        )
    if isinstance(model, Siglip2Config):
        from offline_training.words.image_models.towers.siglip2_model import open_siglip2

        return open_siglip2(model)
    if model is not None:
        from offline_training.words.image_models.towers.open_clip_model import open_clip_model

        return open_clip_model(model)
    return read_text_rows(Path(str(embeddings)), None if names is None else Path(names))
