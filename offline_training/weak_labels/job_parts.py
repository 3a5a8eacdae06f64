"""Builds the parts of a job from its configuration: labeler, superpixels and store.

Heavy imports wait until a kind is requested.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadBag, BadConfig, BadDataset, BadImage, LidarVlError
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.data_sources import open_source
from offline_training.weak_labels.classes.ontology import Ontology, load_ontology
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.weak_labels.pictures.picture_path import PicturePath
from offline_training.weak_labels.pictures.weak_labeler import LabelReader, WeakLabeler
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.superpixels import SamSuperpixels, SlicSuperpixels, Superpixels

_OF_ONE_SAMPLE = (BadBag, BadDataset, BadImage)  # raised by a single damaged sample
_LOOKED_AT = 8  # samples, evenly over all


def open_labeler(config: WeakLabelConfig) -> WeakLabeler | LabelReader | None:
    """The labeler of a configuration, with its model loaded. Raises BadConfig, or what its kind raises."""
    if config.labeler is None:
        return None
    return _LABELERS[config.labeler.kind](config, config.labeler, load_ontology(config.ontology))


def open_superpixels(config: WeakLabelConfig) -> Superpixels | None:
    """The superpixel method; None if none is requested. Raises BadConfig."""
    if config.superpixels == "slic":
        return SlicSuperpixels(config.slic_segments, config.slic_compactness, config.slic_sigma)
    if config.superpixels == "sam":
        if config.sam_masks is None:
            raise BadConfig("superpixels: expected sam_masks, the folder of SAM's masks, found none. Set it.")
        return SamSuperpixels(PicturePath(Path(config.sam_masks), config.sam_template), config.uncovered)
    return None


def open_store(
    config: WeakLabelConfig, labeler: WeakLabeler | LabelReader | None, superpixels: Superpixels | None
) -> LabelStore:
    """The store to write to. Raises BadConfig if neither labels nor superpixels are requested."""
    if labeler is None and superpixels is None:
        raise BadConfig("expected a labeler or superpixels: slic | sam, found neither. Set one of them.")
    return LabelStore(
        Path(config.out),
        None if labeler is None else labeler.identity(),
        None if labeler is None else labeler.ontology,
        None if superpixels is None else superpixels.identity(),
        config.uncovered,
    )


def open_sources(config: WeakLabelConfig) -> list[SampleSource]:
    """The data sets whose images are labelled. Raises BadDataset or BadConfig naming what is missing."""
    return [open_source(source, class_table("nuscenes16"), workers=machine_cores()) for source in config.source]


def require_images(sources: Sequence[SourceConfig], datasets: Sequence[SampleSource]) -> None:
    """Raise BadDataset for a data set none of whose samples that are looked at has an image: nothing could be labelled."""
    for source, dataset in zip(sources, datasets, strict=True):
        places = sorted({len(dataset) * k // _LOOKED_AT for k in range(_LOOKED_AT)})
        if not any(views_or_error(dataset, place) for place in places):
            raise BadDataset(
                f"{source.title}: expected images with the scans, found none in {len(places)} of {len(dataset)} scans. Name a data "
                f"set with images; `lidar-vl-train check-data {source.kind} {source.folder}` tells what is there."
            )


def views_at(dataset: SampleSource, index: int) -> tuple[CameraView, ...]:
    """The views of a sample, without reading its cloud if the data set allows."""
    return dataset.views(index) if isinstance(dataset, _HasViews) else dataset[index].views


def views_or_error(dataset: SampleSource, index: int) -> tuple[CameraView | LidarVlError, ...]:
    """As views_at(); of a sample whose views cannot be read, such as one with a damaged image header, the error."""
    try:
        return views_at(dataset, index)
    except _OF_ONE_SAMPLE as error:
        return (error,)


def all_views(datasets: Sequence[SampleSource]) -> Iterator[CameraView | LidarVlError]:
    """Iterate over every view of every sample in order, or the error of a sample."""
    return (view for dataset in datasets for index in range(len(dataset)) for view in views_or_error(dataset, index))


@runtime_checkable
class _HasViews(Protocol):
    def views(self, index: int) -> tuple[CameraView, ...]: ...


def _precomputed(config: WeakLabelConfig, own: Any, ontology: Ontology) -> LabelReader:  # noqa: ANN401 - by its kind
    from offline_training.weak_labels.classes.class_values import class_values
    from offline_training.weak_labels.labelers.precomputed import PrecomputedLabels

    values = class_values(load_ontology(own.values), ontology, own.ignored_values)
    return PrecomputedLabels(PicturePath(Path(own.folder), own.template), values, ontology)


def _closed_set(config: WeakLabelConfig, own: Any, ontology: Ontology) -> WeakLabeler:  # noqa: ANN401
    from offline_training.weak_labels.labelers.closed_set import ClosedSetLabeler

    return ClosedSetLabeler(Path(own.model), ontology, config.batch_size, config.threads)


def _espnet(config: WeakLabelConfig, own: Any, ontology: Ontology) -> WeakLabeler:  # noqa: ANN401
    from offline_training.weak_labels.labelers.espnet_labeler import EspnetLabeler

    return EspnetLabeler(Path(own.weights), ontology, load_ontology(own.values), (own.height, own.width), own.min_score)


def _grounded_sam(config: WeakLabelConfig, own: Any, ontology: Ontology) -> WeakLabeler:  # noqa: ANN401
    from offline_training.weak_labels.labelers.grounded_sam import GroundedSamLabeler

    return GroundedSamLabeler(
        Path(own.detector),
        Path(own.segmenter),
        ontology,
        own.box_threshold,
        own.text_threshold,
        config.rule,
        config.uncovered,
        own.boxes_at_once,
        own.device,
    )


def _sam3(config: WeakLabelConfig, own: Any, ontology: Ontology) -> WeakLabeler:  # noqa: ANN401
    from offline_training.weak_labels.labelers.sam3 import Sam3Labeler

    return Sam3Labeler(Path(own.model), ontology, own.score_threshold, config.rule, config.uncovered, own.device)


# A further kind: its configuration in config.LabelerConfig, its constructor here.
_LABELERS: dict[str, Callable[[WeakLabelConfig, Any, Ontology], WeakLabeler | LabelReader]] = {
    "precomputed": _precomputed,
    "closed_set": _closed_set,
    "espnet": _espnet,
    "grounded_sam": _grounded_sam,
    "sam3": _sam3,
}
