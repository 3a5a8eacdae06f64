"""One file of `tables/`: the class tables of a data set, and what its labels mean in them and in others. Reads files.

The file is called as what it defines begins: `nuscenes.yaml` has the table nuscenes16 and the labels nuscenes_lidarseg.

    tables:                             # any number; the order of the classes is their id
      toy3:
        car: [255, 158, 0]              # red, green, blue
    labels:
      toy_raw:                          # the ids in the data set's own label files
        class_bits: 16                  # only where bits above them hold something else: instance numbers
        to:
          toy3: {0: ~, 7: car}          # raw id -> class, ~ = ignored; any other id is refused
        submitted:
          toy3: {car: 7}                # only where its server takes raw ids: the one for each class
      toy3:                             # or a table of this file, class by class
        to:
          nuscenes16: {car: car}
    box_names:
      toy_boxes:                        # the names in the data set's own files of boxes
        toy3: {Sedan: car, Bird: ~}     # name -> class, ~ = none of them; any other name is refused
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.config import Config, load_config
from lidar_vl_core.foundation.errors import BadLabels

_MAX_RAW_ID = 0xFFFF

_RawId = Annotated[int, Field(ge=0, le=_MAX_RAW_ID)]
_Channel = Annotated[int, Field(ge=0, le=255)]
_Color = tuple[_Channel, _Channel, _Channel]
_Colors = Annotated[dict[str, _Color], Field(min_length=1, max_length=IGNORE_ID - 1)]
_Meanings = Annotated[dict[str, str | None], Field(min_length=1)]


class _Labels(Config):
    class_bits: int | None = Field(None, ge=1, le=16)
    to: dict[str, _Meanings] = Field(min_length=1)
    submitted: dict[str, dict[str, _RawId]] = Field(default_factory=dict)


class _Content(Config):
    tables: dict[str, _Colors] = Field(default_factory=dict)
    labels: dict[str, _Labels] = Field(default_factory=dict)
    box_names: dict[str, Annotated[dict[str, _Meanings], Field(min_length=1)]] = Field(default_factory=dict)


@dataclass(frozen=True)
class LabelSource:
    """What the labels of one source mean, by class table."""

    raw_mask: int | None  # bits of a label that hold its class; None = all
    class_name_of_raw: Mapping[str, Mapping[int, str | None]]  # table -> raw id -> class, None = ignored
    submitted: Mapping[str, Mapping[str, int]]  # table -> class -> raw id that a submission has for it


@dataclass(frozen=True)
class TableFile:
    """What one file of `tables/` says."""

    path: Path
    tables: Mapping[str, ClassTable]
    labels: Mapping[str, LabelSource]
    box_names: Mapping[
        str, Mapping[str, Mapping[str, str | None]]
    ]  # source -> table -> name -> class, None = none of them


def path_for(name: str, folder: Path) -> Path | None:
    """Of the files whose name begins the given one, that with the longest: kitti360_19 is not looked for in kitti.yaml."""
    fitting = (path for path in folder.glob("*.yaml") if name.startswith(path.stem))
    return max(fitting, key=lambda path: len(path.stem), default=None)


@functools.cache
def read_table_file(path: Path) -> TableFile:
    """Read and check a file once. Raises BadConfig for a wrong key or value, BadLabels for names and ids that do not fit."""
    content = load_config(_Content, path)
    if not content.tables and not content.labels and not content.box_names:
        raise BadLabels(f"{path}: expected tables, labels or box_names, found none. Add them, or remove the file.")
    for name in (*content.tables, *content.labels, *content.box_names):
        if path_for(name, path.parent) != path:
            raise BadLabels(
                f"{path}: expected names that begin with {path.stem}, by which they are found, and not with the name of another "
                f"file, found {name}. Rename it, or the file."
            )
    tables = {
        name: ClassTable(name, tuple(colors), np.array(list(colors.values()), np.uint8))
        for name, colors in content.tables.items()
    }
    labels = {source: _label_source(path, source, said, tables) for source, said in content.labels.items()}
    return TableFile(path, tables, labels, content.box_names)


def _label_source(path: Path, source: str, said: _Labels, tables: Mapping[str, ClassTable]) -> LabelSource:
    if source in tables and said.class_bits is not None:
        raise BadLabels(
            f"{path}: labels.{source}.class_bits: expected none, because {source} is a class table. Remove it."
        )
    by_table = {}
    for target, meanings in said.to.items():
        place = f"{path}: labels.{source}.to.{target}"
        ids = _ids_of_classes(place, tables[source], meanings) if source in tables else _raw_ids(place, meanings)
        by_table[target] = dict(zip(ids, meanings.values(), strict=True))
    return LabelSource(None if said.class_bits is None else (1 << said.class_bits) - 1, by_table, said.submitted)


def _ids_of_classes(place: str, table: ClassTable, names: Mapping[str, object]) -> list[int]:
    require_every_class(place, table, names)
    return [table.id_of(name) for name in names]


def _raw_ids(place: str, keys: Mapping[str, object]) -> list[int]:
    for key in keys:
        if not (key.isascii() and key.isdigit() and str(int(key)) == key and int(key) <= _MAX_RAW_ID):
            raise BadLabels(
                f"{place}: expected raw ids 0 to {_MAX_RAW_ID}, found {key!r}. Write each id once, without leading zeros."
            )
    return [int(key) for key in keys]


def require_every_class(place: str, table: ClassTable, names: Mapping[str, object]) -> None:
    """Raise BadLabels, beginning with `place`, unless the names are those of the table's classes."""
    missing, unknown = [name for name in table.names if name not in names], [n for n in names if n not in table.names]
    if missing or unknown:
        raise BadLabels(
            f"{place}: expected every class of {table.name} once, found {missing} missing and {unknown} unknown."
        )
