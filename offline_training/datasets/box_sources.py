"""The data sets that have boxes, and how each is opened for detection. They are the modules of datasets/boxes."""

from collections.abc import Iterable
from typing import Any

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from lidar_vl_core.foundation.folder_members import by_name, folder_members
from offline_training.datasets import boxes
from offline_training.datasets.base.box_source import BoxSource, BoxSpec, EveryNthBoxes
from offline_training.datasets.base.sample_source import MadeSource
from offline_training.datasets.data_sources import DataSource, data_set_spec, make, require_folders

BOX_SPECS: tuple[BoxSpec[Any], ...] = folder_members(boxes, "BOXES", BoxSpec)
_BOXES_OF = by_name(BOX_SPECS, lambda spec: spec.kind)


def box_spec(kind: str) -> BoxSpec[Any] | None:
    """How a data set's boxes are read, None where it has none; raises BadConfig for a kind that does not exist."""
    data_set_spec(kind)
    return _BOXES_OF.get(kind)


def require_boxes(sources: Iterable[DataSource], classes: ClassTable, sweeps: int = 1) -> None:
    """Look whether every data set is there with its boxes, without PyTorch; makes nothing. Raises as open_boxes() would."""
    for source in sources:
        spec = _checked_spec(source, classes, sweeps)
        labels = data_set_spec(source.kind)
        if labels.made_files is None and not spec.are_there(source, labels.chosen_sequences(source)):
            raise BadDataset(
                f"{source.folder}: expected boxes of {source.kind}, found none. Unpack its annotations as well."
            )


def open_boxes(source: DataSource, classes: ClassTable, sweeps: int = 1, workers: int = 1) -> BoxSource:
    """The data set a source names, with its boxes in a table of detection; what it makes itself is made first.

    sweeps: joined to one sample, the annotated one and those before it. Raises BadDataset or BadConfig with what is missing.
    """
    spec = _checked_spec(source, classes, sweeps)
    labels = data_set_spec(source.kind)
    dataset = spec.open(source, labels.chosen_sequences(source), classes, sweeps)
    if isinstance(dataset, MadeSource):
        make(dataset, spec.kind, len(dataset), workers)
    if source.label_skip != 1 and not labels.thins_scenes:
        dataset = EveryNthBoxes(dataset, source.label_skip)
    if len(dataset) == 0:
        raise BadConfig(
            f"data set {spec.kind} in {source.folder}: expected at least one scan, found none. Check its selection."
        )
    return dataset


def _checked_spec(source: DataSource, classes: ClassTable, sweeps: int) -> BoxSpec[Any]:
    """How a data set's boxes are read, where they can be read so and its folder is there."""
    spec = box_spec(source.kind)
    if spec is None:
        raise BadConfig(
            f"data set {source.kind} in {source.folder}: expected one with boxes ({', '.join(_BOXES_OF)}), found labels of "
            "points alone. Choose another data set for detection."
        )
    if classes.name not in spec.classes:
        raise BadConfig(
            f"data set {spec.kind} in {source.folder}: expected classes of {' or '.join(spec.classes)}, found {classes.name}. "
            "Use one of these class tables."
        )
    if not 1 <= sweeps <= spec.most_sweeps:
        raise BadConfig(
            f"data set {spec.kind} in {source.folder}: expected 1 to {spec.most_sweeps} sweeps a sample, found {sweeps}. "
            "Set sweeps to a number in that range."
        )
    require_folders([source])
    return spec
