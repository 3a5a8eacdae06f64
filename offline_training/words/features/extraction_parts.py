"""Builds the parts of an extraction from its configuration: data sets, model, store, and the store's basis."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.words.features.feature_report import FeatureReport
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import configuration_alias, deciding_options
from offline_training.words.image_models.base.dense_model import DenseImageModel
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.settings.training_samples import opened
from offline_training.words.settings.vlg_config import VlgConfig

OpenModel = Callable[[VlgConfig], DenseImageModel]
BASIS_SCENES = 8  # number of first scenes to which the basis is fitted


def open_model(config: VlgConfig) -> DenseImageModel:
    """The model of a configuration, loaded."""
    return open_image_model(config.model)


def open_sources(config: VlgConfig) -> list[SampleSource]:
    """The data sets of a run, training first. Raises BadDataset or BadConfig naming what is missing."""
    return opened(config, (*config.train, *config.validation))


def open_store(config: VlgConfig, model: DenseImageModel) -> FeatureStore:
    """The store to write to."""
    identity = {"model": model.identity(), "extract": deciding_options(config)}
    return FeatureStore(config.features_folder, identity, configuration_alias(config))


def keep_components(report: FeatureReport, config: VlgConfig) -> None:
    """If components are requested: fit the basis once the first scenes are there, and store scenes in it."""
    if config.extract.components is None or not report.scenes:
        return
    if report.store.basis is None:
        report.store.fit_basis(list(report.scenes)[:BASIS_SCENES], config.extract.components)
    report.store.compress(list(report.scenes))


def scenes_at(
    datasets: Sequence[SampleSource], places: Sequence[tuple[int, int]]
) -> Iterator[tuple[str, Callable[[], Sample]]]:
    """Scenes for extract_scenes(): a label for errors and a function that opens each; places: (data set, sample) numbers."""
    for source, sample in places:
        yield f"scene {sample} of data set {source + 1}", partial(datasets[source].__getitem__, sample)
