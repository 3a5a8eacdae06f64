"""The one folder of data that a configuration means, wherever it names it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadConfig


def folder_overrides(content: Mapping[str, Any], folder: str, path: Path) -> dict[str, str]:
    """Overrides that give a configuration's data set another folder, at every place that names the data set.

    content: of the file at path. Raises BadConfig where it names several data sets, saying how each is given its folder,
    or none.
    """
    sources = dict(_sources(content))
    if len({(source["kind"], source.get("folder")) for source in sources.values()}) == 1:
        return {f"{place}.folder": folder for place in sources}
    told = "; ".join(f"{place}.folder, {source['kind']} in {source.get('folder')}" for place, source in sources.items())
    if sources:
        raise BadConfig(
            f"{path}: --data: expected one data set, found several: {told}. Give the folder of each as NAME=FOLDER."
        )
    raise BadConfig(
        f"{path}: --data: expected a data set with a kind, found none. Write e.g. train.0.kind=semantic_kitti."
    )


def _sources(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Place, such as train.0, and source."""
    for key, value in content.items():
        for number, each in enumerate(value if isinstance(value, list) else ()):
            if isinstance(each, Mapping) and "kind" in each:
                yield f"{key}.{number}", each
