"""Opens the image-language model of a configuration. Heavy imports wait until a kind is requested."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from offline_training.words.image_models.base.config import ImageModelConfig
from offline_training.words.image_models.base.dense_model import DenseImageModel


def open_image_model(config: ImageModelConfig) -> DenseImageModel:
    """The model of a configuration, loaded, on its device. Raises BadConfig, BadModelPackage or BadCheckpoint."""
    return _MODELS[config.kind](config)


def _open_clip(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.towers.open_clip_model import open_clip_model

    return open_clip_model(config)


def _siglip2(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.towers.siglip2_model import open_siglip2

    return open_siglip2(config)


def _radio(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.towers.radio_model import open_radio

    return open_radio(config)


def _onnx(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.onnx_towers import open_onnx_towers

    return open_onnx_towers(config)


def _toy(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.toy_model import open_toy_model

    return open_toy_model(Path(config.folder))


def _classes_as_words(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.classes_as_words import open_classes_as_words

    return open_classes_as_words(config)


def _openscene_features(config: Any) -> DenseImageModel:  # noqa: ANN401 - by its kind
    from offline_training.words.image_models.openscene_features import open_openscene_features

    return open_openscene_features(config)


# A further kind: its configuration in base/config.py, and in ImageModelConfig there; its constructor here.
_MODELS: dict[str, Callable[[Any], DenseImageModel]] = {
    "open_clip": _open_clip,
    "siglip2": _siglip2,
    "radio": _radio,
    "onnx": _onnx,
    "toy": _toy,
    "classes_as_words": _classes_as_words,
    "openscene_features": _openscene_features,
}
