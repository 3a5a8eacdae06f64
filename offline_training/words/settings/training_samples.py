"""The scenes of a run: samples of all its training sources, by number, and their input to a network."""

from collections.abc import Iterable, Iterator

from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.foundation.threads import machine_cores
from lidar_vl_core.voxels.features import COLOUR_FEATURES
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.data_sources import DataSource, open_source
from offline_training.networks.base.point_backbone import Scan
from offline_training.words.settings.vlg_config import VlgConfig


def opened(config: VlgConfig, sources: Iterable[DataSource]) -> list[SampleSource]:
    """Open the data sets of some sources of a run.

    Raises BadConfig if there are none, BadDataset naming what is missing.
    """
    datasets = [open_source(source, config.class_table, machine_cores()) for source in sources]
    if not datasets:
        raise BadConfig("train: expected at least one data set, found none. Add one to the configuration.")
    return datasets


def all_samples(datasets: Iterable[SampleSource]) -> Iterator[Sample]:
    """Iterate over every sample once.

    Raises BadDataset if two have the same name: their features and labels would be mixed up.
    """
    seen: set[str] = set()
    for dataset in datasets:
        for index in range(len(dataset)):
            sample = dataset[index]
            if sample.name in seen:
                raise BadDataset(
                    f"{sample.name}: expected unique scene names, found this one twice. Remove one of the sources that contain it."
                )
            seen.add(sample.name)
            yield sample


def require_truth_in_words(config: VlgConfig) -> tuple[str, ...]:
    """Names of the classes, the same in truth and vocabulary. Raises BadConfig if they differ."""
    if not speaks_of_truth(config):
        asked = ", ".join(config.words.class_table.names)
        raise BadConfig(
            f"vocabulary {config.vocabulary}: expected the classes of {config.classes}, "
            f"{', '.join(config.class_table.names)}, "
            f"found {asked}. Use a vocabulary with these classes, or set pseudo.lists_file (or pseudo.lists=none), "
            "which needs no truth."
        )
    return config.class_table.names


def speaks_of_truth(config: VlgConfig) -> bool:
    """Whether the classes of the vocabulary, without sinks, are those of the data set's truth."""
    return config.words.class_table.names == config.class_table.names


def scan_of(sample: Sample, config: VlgConfig) -> Scan:
    """The network's input from a sample; with colours only if its features need them.

    Raises BadDataset if they are missing.
    """
    cloud = sample.cloud
    if set(COLOUR_FEATURES).isdisjoint(config.features):
        return cloud.measured_xyz_m(), cloud.intensity
    rgb = cloud_rgb(cloud)
    if rgb is None:
        raise BadDataset(
            f"{sample.name}: expected colours for features {', '.join(config.features)}, found none. "
            "Use a coloured cloud, or features without red, green, blue."
        )
    return cloud.measured_xyz_m(), cloud.intensity, rgb
