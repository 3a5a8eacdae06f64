"""A miniature of a study that tests its pipeline in minutes: what replaces data, networks and training lengths.

Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Generic, TypeVar

from offline_training.datasets import rgbd
from offline_training.datasets.data_sources import data_set_spec
from offline_training.networks.sparse.minkunet_shapes import SHAPES, weight_count
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES
from offline_training.reproduction.base.study import StudyConfig, StudyRow
from offline_training.runs.backbone_config import BackboneConfig

StudyT = TypeVar("StudyT", bound=StudyConfig[Any, Any])

SWEEP_CLASSES, ROOM_CLASSES = "nuscenes16", "synthetic_rooms"
_STEPS, _EPOCHS = 2, 1
_IMAGE_WIDTH = {"synthetic": 96, "synthetic_rooms": 80}  # pixels
_FIRST_SEED = {True: 31000, False: 39000}  # of training and of test data: never the same
_SCENES = {True: 2, False: 1}
_WIDTH = 8  # channels of every stage of a MinkUNet


@dataclass(frozen=True)
class Smoke(Generic[StudyT]):
    """The miniature of a study, and its differences from the study, one line each."""

    study: StudyT
    told: tuple[str, ...]


class Substitutions:
    """The list of replacements, each reported once."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def put(self, what: str, after: str) -> None:
        """Report that `what` is replaced by `after`."""
        self._lines[f"{what} -> {after}"] = None

    def leave_out(self, what: str, reason: str) -> None:
        """Report that `what` is not tested."""
        self._lines[f"not tested: {what}: {reason}"] = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines in the order of their first report."""
        return tuple(self._lines)


def small_sources(sources: Sequence[Mapping[str, Any]], is_trained_on: bool, told: Substitutions) -> list[Any]:
    """A few synthetic sweeps, or rooms instead of RGB-D data, with the source's share of labels."""
    return [small_source(source, is_trained_on, told) for source in sources]


def small_source(source: Mapping[str, Any], is_trained_on: bool, told: Substitutions) -> dict[str, Any]:
    """The miniature of one data set."""
    kind, scenes = small_kind(source["kind"]), _SCENES[is_trained_on]
    of = "streets" if kind == "synthetic" else "rooms"
    # Two sweeps of each place, because some methods compare them.
    own = {"frames_per_street": scenes, "lidar": "hdl32"} if kind == "synthetic" else {"views_per_room": 4}
    made = {
        "kind": kind,
        "folder": f"{{out}}/made/{of}",
        "first_seed": _FIRST_SEED[is_trained_on],
        of: scenes,
        "image_width": _IMAGE_WIDTH[kind],
        **own,
    }
    sweeps = ", 2 sweeps each" if kind == "synthetic" else ""
    what = f"{scenes} synthetic {of}{sweeps}" if is_trained_on else f"another synthetic {of[:-1]}"
    told.put(f"{source['kind']} to {'train on' if is_trained_on else 'test on'}", what)
    if data_set_spec(source["kind"]).made_files is None:
        told.leave_out(f"the reader of {source['kind']}", "`lidar-vl-train check-data` checks the data themselves")
    return made | ({"label_skip": source["label_skip"]} if "label_skip" in source else {})


def small_kind(kind: str) -> str:
    """The kind of synthetic data set that replaces this kind."""
    is_room = data_set_spec(kind).source.__module__.startswith(rgbd.__name__)
    return "synthetic_rooms" if is_room else "synthetic"


def small_network(config: BackboneConfig, told: Substitutions) -> dict[str, Any]:
    """Changes that make the network of a run tiny; its grid is kept."""
    if config.network in WAFFLEIRON_SHAPES:
        told.put(config.network, "waffleiron_small on 2000 points, cells four times as wide")
        return {"network": "waffleiron_small", "waffle_max_points": 2000, "waffle_cell_m": 4 * config.waffle_cell_m}
    if config.network not in SHAPES:
        return {}
    changes = {"stem": _WIDTH, "planes": [_WIDTH] * 8, "blocks": [1] * 8}
    small = config.model_copy(update={name: tuple(v) if isinstance(v, list) else v for name, v in changes.items()})
    before, after = (weight_count(each.shape, len(each.features)) for each in (config, small))
    told.put(config.network, f"{_WIDTH} channels, one block per stage: {100 * after / before:.2g} % of its weights")
    return changes


def small_length(epochs: int | None, max_steps: int | None, told: Substitutions) -> dict[str, Any]:
    """A few steps or epochs, whichever the run counts."""
    if epochs is not None:
        told.put(f"{epochs} epochs", f"{_EPOCHS}")
        return {"epochs": _EPOCHS}
    told.put(f"{max_steps} steps", f"{_STEPS}")
    return {"max_steps": _STEPS}


def small_table(study: StudyConfig[Any, Any], told: Substitutions) -> dict[str, Any]:
    """Title, source and seeds of a smoke table, whose numbers mean nothing."""
    if len(study.seeds) > 1:
        told.put(f"seeds {', '.join(map(str, study.seeds))}", f"{study.seeds[0]}")
    return {
        "title": f"SMOKE RUN, its numbers mean nothing: {study.title}",
        "source": "A test of the pipeline: tiny networks, a few steps on a few synthetic scenes. Comparable with nothing.",
        "seeds": study.seeds[:1],
    }


def without_published(row: StudyRow) -> dict[str, Any]:
    """A row's change: published numbers are removed, since ours mean nothing."""
    return {"published": {}} if row.published else {}


def name_of(path: str) -> str:
    """The last part of a path, for the report."""
    return PurePath(path).name
