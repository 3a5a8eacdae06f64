"""Parameter files for a node: read before anything starts, and overridden by launch arguments.

Like all of this folder except `actions`, it needs neither `launch` nor the packages of the node's own Python.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lidar_vl_ros.launching.ros_yaml import read_ros_yaml

_PARAMETERS = "ros__parameters"
_SHOWN = 300  # characters of a parser's complaint


class LaunchRefused(RuntimeError):
    """Invalid launch arguments or an invalid parameter file: nothing is started."""


class ParameterFile:
    """The content of a parameter file, as YAML reads it; ROS reads the file once more."""

    def __init__(self, path: str) -> None:
        """Raises LaunchRefused for a missing file, or one that does not map node names to parameters."""
        self.path = path
        self._content = _read(path)
        self._sections = list(_sections_in(self._content, path))

    def of_node(self, node: str) -> dict[str, Any]:
        """Its parameters for a node, by dotted name. node: with namespace, /robot/segmentation_node. Raises LaunchRefused if none."""
        about = [parameters for pattern, parameters in self._sections if _is_about(pattern, node)]
        if not about:
            found = ", ".join(pattern for pattern, _ in self._sections) or "no section with ros__parameters"
            raise LaunchRefused(f"{self.path}: expected parameters of {node}, below '/**' or its name, found {found}.")
        return {name: value for parameters in about for name, value in flat(parameters).items()}

    def overridden(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The content of a second file that overrides this one with `given`, for every node that this one mentions."""
        return {"/**": {_PARAMETERS: given}} | _with_parameters(self._content, given)


def write_parameters(content: Mapping[str, Any]) -> str:
    """Write a temporary parameter file; returns its path. JSON, whose strings are strings to every YAML parser."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="lidar_vl_launch_", suffix=".yaml", delete=False, encoding="utf-8"
    ) as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
    return file.name


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted names."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _read(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LaunchRefused(
            f"params_file:={path}: expected a parameter file that can be read, found: {_one_line(error)}."
        ) from error
    try:
        content = read_ros_yaml(text)
    except ValueError as error:
        raise LaunchRefused(f"{path}: {error}.") from error
    if not isinstance(content, dict) or not content:
        raise LaunchRefused(
            f"{path}: expected node names with parameters, such as '/**: {{ros__parameters: {{...}}}}', found "
            f"{type(content).__name__}."
        )
    return content


def _sections_in(content: Mapping[Any, Any], path: str, above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Pattern and parameters of every section; node names may be nested in namespaces."""
    for key, inner in content.items():
        pattern = f"{above}/{str(key).strip('/')}"
        if not isinstance(inner, dict) or not isinstance(inner.get(_PARAMETERS, {}), dict):
            found = inner[_PARAMETERS] if isinstance(inner, dict) else inner
            raise LaunchRefused(
                f"{path}: {pattern}: expected ros__parameters: and parameters below it, found {str(found)[:_SHOWN]!r}."
            )
        if _PARAMETERS in inner:
            yield pattern, inner[_PARAMETERS]
        yield from _sections_in({name: each for name, each in inner.items() if name != _PARAMETERS}, path, pattern)


def _with_parameters(content: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The same sections with other parameters."""
    return {key: given if key == _PARAMETERS else _with_parameters(inner, given) for key, inner in content.items()}


def _is_about(pattern: str, node: str) -> bool:
    """Whether a pattern matches a node, as in rcl: '**' stands for any number of names, '*' for one."""
    expression = re.escape(pattern).replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"/\w+")
    return re.fullmatch(expression, node) is not None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_SHOWN]
