"""The class tables and label maps of known data sets, by name, as `tables/*.yaml` says them: the folder is the list."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.classes.name_map import NameMap
from lidar_vl_core.classes.table_file import LabelSource, TableFile, path_for, read_table_file, require_every_class
from lidar_vl_core.foundation.errors import BadLabels
from lidar_vl_core.foundation.near_names import did_you_mean

FOLDER = Path(__file__).parent / "tables"
RawT = TypeVar("RawT", int, str)


def class_table(name: str) -> ClassTable:
    """The class table of that name; raises BadLabels listing the names there are."""
    tables = _file_of(name).tables
    if name not in tables:
        choices = class_table_names()
        raise BadLabels(
            f"class table: expected one of {', '.join(choices)}, found {name!r}.{did_you_mean(name, choices)}"
        )
    return tables[name]


def label_map(source_table: str, target: ClassTable) -> LabelMap:
    """The map from the labels of a data set (or another table) into `target`; raises BadLabels listing the choices.

    Sources: the names of class tables, and of raw labels such as nuscenes_lidarseg or semantic_kitti.
    """
    file = _file_of(source_table)
    is_table = source_table in file.tables
    if source_table == target.name:
        return LabelMap(source_table, target, _class_of_raw({k: k for k in range(len(target))}, is_table))
    labels = file.labels.get(source_table)
    if labels is None or target.name not in labels.class_name_of_raw:
        told = (
            f"There are {', '.join(_every_map())}.{did_you_mean(source_table, label_table_names())}"
            if labels is None
            else f"Read them in {_tables_of(labels)}."
        )
        raise BadLabels(f"no map from the labels of {source_table!r} to the classes of {target.name!r}. {told}")
    place = f"{file.path}: labels.{source_table}.to.{target.name}"
    class_ids = _class_ids(place, labels.class_name_of_raw[target.name], target)
    return LabelMap(source_table, target, _class_of_raw(class_ids, is_table), labels.raw_mask)


def name_map(source: str, target: ClassTable) -> NameMap:
    """The map from the names in a data set's files of boxes into `target`; raises BadLabels listing the choices."""
    file = _file_of(source)
    meanings = file.box_names.get(source, {})
    if target.name not in meanings:
        choices = [
            f"{name} -> {table}" for one in _every_file() for name in one.box_names for table in one.box_names[name]
        ]
        raise BadLabels(
            f"no map from the boxes of {source!r} to the classes of {target.name!r}. There are {', '.join(choices)}."
        )
    place = f"{file.path}: box_names.{source}.{target.name}"
    return NameMap(source, target, _class_ids(place, meanings[target.name], target))


def class_table_names() -> tuple[str, ...]:
    """All names that class_table() accepts."""
    return tuple(table for file in _every_file() for table in file.tables)


def label_table_names() -> tuple[str, ...]:
    """Everything that label_map() takes as a source: class tables and the raw labels of data sets, sorted."""
    return tuple(sorted({name for file in _every_file() for name in (*file.tables, *file.labels)}))


def box_table_names() -> tuple[str, ...]:
    """Everything whose names classes of boxes may have: data sets, and tables that are read in others, sorted."""
    return tuple(sorted({name for file in _every_file() for name in file.box_names}))


def submitted_ids(source: str, target: ClassTable) -> np.ndarray:
    """(K,) uint32: the raw id that stands for each class of `target` in a submission to the server of a data set.

    Raises BadLabels where its file names none, or one that would not be read back as its class.
    """
    file = _file_of(source)
    labels = file.labels.get(source)
    if labels is None or target.name not in labels.submitted:
        raise BadLabels(f"{file.path}: expected labels.{source}.submitted.{target.name}, found none. Add the raw ids.")
    place, raw_of_class = f"{file.path}: labels.{source}.submitted.{target.name}", labels.submitted[target.name]
    require_every_class(place, target, raw_of_class)
    raw = np.array([raw_of_class[name] for name in target.names], np.uint32)
    wrong = raw[label_map(source, target).apply(raw) != np.arange(len(target))]
    if len(wrong):
        raise BadLabels(f"{place}: expected ids that the map reads as their class, found {wrong.tolist()}.")
    return raw


def _file_of(name: str) -> TableFile:
    """The file that defines the name; an empty one, which stands for the folder, where none can."""
    path = path_for(name, FOLDER)
    return TableFile(FOLDER, {}, {}, {}) if path is None else read_table_file(path)


def _every_file() -> list[TableFile]:
    return [read_table_file(path) for path in sorted(FOLDER.glob("*.yaml"))]


def _every_map() -> list[str]:
    return [
        f"{source} -> {target}"
        for file in _every_file()
        for source, labels in file.labels.items()
        for target in labels.class_name_of_raw
    ]


def _tables_of(labels: LabelSource) -> str:
    return f"the classes of {' or '.join(labels.class_name_of_raw)}"


def _class_ids(place: str, class_name_of_raw: Mapping[RawT, str | None], target: ClassTable) -> dict[RawT, int]:
    unknown = {name for name in class_name_of_raw.values() if name is not None and name not in target.names}
    if unknown:
        raise BadLabels(
            f"{place}: expected classes of {target.name} ({', '.join(target.names)}), found {', '.join(sorted(unknown))}."
        )
    return {raw: IGNORE_ID if name is None else target.id_of(name) for raw, name in class_name_of_raw.items()}


def _class_of_raw(class_ids: Mapping[int, int], is_table: bool) -> np.ndarray:
    """(R,) int16, -1 where there is no such id; the ids of a class table also have 255."""
    ids = {**class_ids, IGNORE_ID: IGNORE_ID} if is_table else class_ids
    class_of_raw = np.full(max(ids) + 1, -1, np.int16)
    class_of_raw[list(ids)] = list(ids.values())
    return class_of_raw
