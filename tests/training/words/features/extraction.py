"""Runs of the command that makes features, by a model of mean colours."""

from offline_training.words.features.extract_features import extract_features
from tests.training.words.features.feature_scenes import MeanColors
from tests.training.words.features.made_features import words_config

SCENES = 3


def extract_config(out, **extract):
    return words_config(out, extract={"border_px": 2, **extract}, threads=1, progress=False)


def extracted(settings, model=None):
    model = model or MeanColors()
    return extract_features(settings, lambda config: model), model


def feature_files(store):
    return {path.name: path.read_bytes() for path in store.folder.glob("*.npz")}
