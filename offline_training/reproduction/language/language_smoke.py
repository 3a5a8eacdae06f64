"""A miniature of a study of 3DSS-VLG: its stages, rows and questions on a few synthetic scenes, in minutes, without downloads. Pure."""

from typing import Any

from lidar_vl_core.foundation.config import validated
from offline_training.reproduction.base.smoke import (
    ROOM_CLASSES,
    SWEEP_CLASSES,
    Smoke,
    Substitutions,
    name_of,
    small_kind,
    small_length,
    small_network,
    small_sources,
    small_table,
    without_published,
)
from offline_training.reproduction.base.study import joined
from offline_training.reproduction.language.language_study import LanguageColumn, LanguageRow, LanguageStudy
from offline_training.words.settings.vlg_config import VlgConfig

_TOY = "smoke/toy_language.yaml"
_CHANNELS = 16  # of the toy model
_CLASSES = {"synthetic": SWEEP_CLASSES, "synthetic_rooms": ROOM_CLASSES}
_VOCABULARY = {"synthetic": "nuscenes16", "synthetic_rooms": "synthetic_rooms_names"}
_ROOM_GRID = {"voxel_size": [0.1, 0.1, 0.1], "point_cloud_range": [-51.2, -51.2, -3.84, 51.2, 51.2, 3.84]}


def smoke_language(study: LanguageStudy) -> Smoke[LanguageStudy]:
    """The miniature of a study with every row and column, and the list of replacements. Raises BadConfig."""
    told = Substitutions()
    rows = tuple(_small_row(study, row, told) for row in study.rows)
    columns = tuple(_small_column(column, told) for column in study.columns)
    before = "" if study.toy_language is None else " of the study"
    told.put(f"the toy language model{before}", "one with 6 steps and 16 channels")
    asked = {"vocabulary": next(row.run["vocabulary"] for row in rows if row.run)}  # the vocabulary of all rows
    given = {
        "rows": rows,
        "columns": columns,
        "run": asked,
        "toy_language": _TOY,
        "bound": None,
    }  # no bound, because numbers mean nothing
    changes = {**small_table(study, told), **given}
    return Smoke(study.model_copy(update=changes), told.lines)


def _small_row(study: LanguageStudy, row: LanguageRow, told: Substitutions) -> LanguageRow:
    """A row with a miniature run and all its changes to the recipe: the study itself keeps only the words."""
    if row.quoted or row.like is not None:
        return row.model_copy(update=without_published(row))
    settings = study.settings(row)
    config = validated(VlgConfig, settings, f"smoke, {row.name}")
    own = joined(joined(study.run, row.run), _small_run(config, settings, told))
    return row.model_copy(update={**without_published(row), "run": own})


def _small_run(config: VlgConfig, settings: dict[str, Any], told: Substitutions) -> dict[str, Any]:
    kind = small_kind(config.train[0].kind)
    changes = {
        **small_network(config, told),
        "train": small_sources(settings["train"], True, told),
        "validation": small_sources(settings.get("validation", ()), False, told),
        "model": {"kind": "toy", "folder": "{out}/toy_language"},
        "extract": _small_extraction(config, told),
        "specialise": {"epochs": 1, "batch_size": 2, "points_per_scene": 500},
        "guide": {**small_length(None, config.guide.max_steps, told), "batch_size": 1, "max_points": 4000},
        "workers": 0,
    }
    if config.model.kind != "toy":
        told.put(f"the image model {config.model.kind}", "the toy language model")
    told.put(f"{config.specialise.epochs} epochs of the adapter", "1")
    if kind == "synthetic_rooms" and max(config.voxel_size) < _ROOM_GRID["voxel_size"][0]:
        told.put(f"voxels of {config.voxel_size[0]} m", "0.1 m")
        changes |= _ROOM_GRID
    return changes | _small_words(config, kind, told)


def _small_extraction(config: VlgConfig, told: Substitutions) -> dict[str, Any]:
    """Extraction for small images: smaller borders and cells, fewer components than the toy model's channels."""
    extract = config.extract
    changes: dict[str, Any] = {"border_px": min(extract.border_px, 2)}
    if extract.occlusion == "z_buffer":
        changes["z_buffer_cell_px"] = min(extract.z_buffer_cell_px, 2)
    if extract.components is not None:
        changes["components"] = _CHANNELS // 2
        told.put(f"{extract.components} feature components", f"{_CHANNELS // 2}")
    if extract.voxel_m is not None and extract.voxel_m < 0.04:
        changes["voxel_m"] = 0.04
    return changes


def _small_words(config: VlgConfig, kind: str, told: Substitutions) -> dict[str, Any]:
    """The classes of the synthetic scenes, and words that the toy model knows."""
    if config.classes != _CLASSES[kind]:
        told.put(f"classes {config.classes}", _CLASSES[kind])
    if config.vocabulary != _VOCABULARY[kind]:
        told.put(f"vocabulary {name_of(config.vocabulary)}", _VOCABULARY[kind])
    return {"classes": _CLASSES[kind], "vocabulary": _VOCABULARY[kind]}


def _small_column(column: LanguageColumn, told: Substitutions) -> LanguageColumn:
    if column.test is None:
        return column
    test = tuple(small_sources(column.test, False, told))
    kind = test[0]["kind"]
    changes: dict[str, Any] = {"test": test}
    if column.classes is not None and column.classes != _CLASSES[kind]:
        changes |= {"classes": _CLASSES[kind], "vocabulary": _VOCABULARY[kind]}
    return column.model_copy(update=changes)
