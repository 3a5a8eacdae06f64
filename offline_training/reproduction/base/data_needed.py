"""The data sets, weights and labels that a study needs, found in its configurations, and whether they are present."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline_training.datasets.data_sources import SPECS

ROOT = "{data}"  # placeholder in configurations for the root of the data sets
_SPEC_OF = {spec.kind: spec for spec in SPECS}
_MADE_BY = {"weak_labels": "`lidar-vl-train weak-label` writes it"}  # how to get anything that is not a data set
_ELSEWHERE = {"open_clip", "siglip2"}  # models whose library manages the weights


@dataclass(frozen=True)
class Needed:
    """Something that must be present before a study can run."""

    what: str  # the kind of a data set, or the key that names it
    path: str | None  # as in the configurations, with {data}; None: managed by another program
    kind: str | None = None  # of a data set
    advice: str = ""

    @property
    def name(self) -> str:
        """Short, for a list: a data set's kind, or a path below the root."""
        return self.what if self.path is None or self.kind is not None else self.path.removeprefix(f"{ROOT}/")

    def at(self, data: Path | None) -> str | None:
        """Where it is expected; None without a root, or if another program manages it."""
        if self.path is None or (data is None and ROOT in self.path):
            return None
        return self.path.replace(ROOT, str(data))

    def is_there(self, data: Path | None) -> bool | None:
        """Whether the folder or file exists; None if that cannot be checked."""
        place = self.at(data)
        return None if place is None else Path(place).exists()

    def how_to_get(self, data: Path | None) -> str:
        """What to do when it is missing."""
        if self.kind is not None:
            return f"unpack it there, then: lidar-vl-train check-data {self.kind} {self.at(data) or self.path}"
        return self.advice or "put it there"


def data_needed(configurations: Iterable[Any]) -> tuple[Needed, ...]:
    """Everything that these JSON values name, each once; generated data sets need nothing."""
    return tuple(dict.fromkeys(one for each in configurations for one in _found(each, "")))


def _found(value: Any, key: str) -> Iterator[Needed]:  # noqa: ANN401  any JSON value
    if isinstance(value, Mapping):
        yield from _in_mapping(value, key)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _found(one, key)
    elif isinstance(value, str) and ROOT in value:
        yield Needed(key.replace("_", " "), value, advice=_MADE_BY.get(key, ""))


def _in_mapping(value: Mapping[str, Any], key: str) -> Iterator[Needed]:
    kind = value.get("kind")
    if kind in _SPEC_OF:
        if _SPEC_OF[kind].made_files is None:
            yield Needed(kind, str(value.get("folder")), kind)
        return
    if kind in _ELSEWHERE and value.get("pretrained") is not None and ROOT not in str(value["pretrained"]):
        name = f"{value.get('name', '')} ({value['pretrained']})".strip()
        yield Needed(f"{kind}'s {name}", None, advice=f"managed by {kind}, not checked")
    for name, one in value.items():
        yield from _found(one, name if kind is None or name == "text_model" else f"{kind}_{name}")
