"""The scenes of a run: samples of all its training sources, by number, and how a network reads one."""

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
    """The data sets of some sources of a run. Raises BadConfig where there are none, BadDataset with what is missing."""
    datasets = [open_source(source, config.class_table, machine_cores()) for source in sources]
    if not datasets:
        raise BadConfig("train: expected at least one data set, found none. Name one in the configuration.")
    return datasets


def all_samples(datasets: Iterable[SampleSource]) -> Iterator[Sample]:
    """Every sample once. Raises BadDataset where two have one name: their features and labels would be mixed up."""
    seen: set[str] = set()
    for dataset in datasets:
        for index in range(len(dataset)):
            sample = dataset[index]
            if sample.name in seen:
                raise BadDataset(
                    f"{sample.name}: expected scenes of different names, found this one twice. Choose other sources."
                )
            seen.add(sample.name)
            yield sample


def require_truth_in_words(config: VlgConfig) -> tuple[str, ...]:
    """Names of the classes, where those of the truth are those asked for. Raises BadConfig where they differ."""
    if not speaks_of_truth(config):
        asked = ", ".join(config.words.class_table.names)
        raise BadConfig(
            f"vocabulary {config.vocabulary}: expected the classes of {config.classes}, {', '.join(config.class_table.names)}, "
            f"found {asked}. Use their vocabulary, or give pseudo.lists_file (or pseudo.lists=none) and need no truth."
        )
    return config.class_table.names


def speaks_of_truth(config: VlgConfig) -> bool:
    """Whether the classes asked for, sinks apart, are those of the data set's truth."""
    return config.words.class_table.names == config.class_table.names


def scan_of(sample: Sample, config: VlgConfig) -> Scan:
    """What the network reads of a sample; colours only where its features ask for them. Raises BadDataset without them."""
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
