"""Parameter files as launch files hand them to a node: read before anything starts, and with what was given on top.

Like all of this room but `actions`, it needs neither `launch` nor what the node's own Python brings.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

_PARAMETERS = "ros__parameters"
_SHOWN = 300  # characters of a parser's complaint


class LaunchRefused(RuntimeError):
    """Launch arguments or a parameter file with which nothing is to be started."""


class ParameterFile:
    """What a file of parameters says, as YAML reads it; ROS reads it once more."""

    def __init__(self, path: str) -> None:
        """Raises LaunchRefused where there is no file, or none that maps names of nodes to parameters."""
        self.path = path
        self._content = _read(path)
        self._sections = list(_sections_in(self._content, path))

    def of_node(self, node: str) -> dict[str, Any]:
        """What it says of a node, by dotted name. node: with its namespace, /robot/segmentation_node. Raises LaunchRefused if nothing."""
        about = [parameters for pattern, parameters in self._sections if _is_about(pattern, node)]
        if not about:
            found = ", ".join(pattern for pattern, _ in self._sections) or "no section with ros__parameters"
            raise LaunchRefused(
                f"{self.path}: expected parameters of {node}, below '/**' or its name, found {found}. Correct the file."
            )
        return {name: value for parameters in about for name, value in flat(parameters).items()}

    def overridden(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The content of a file that, read after this one, sets what was given for every node this one tells anything."""
        return {"/**": {_PARAMETERS: given}} | _with_parameters(self._content, given)


def write_parameters(content: Mapping[str, Any]) -> str:
    """A new temporary file of parameters; returns its path. As JSON, in which a text is one for every YAML parser."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="lidar_vl_launch_", suffix=".yaml", delete=False, encoding="utf-8"
    ) as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
    return file.name


def flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings by dotted name."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _read(path: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LaunchRefused(
            f"params_file: expected a file of parameters, found {path}: {_one_line(error)}. Correct params_file:=."
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise LaunchRefused(f"{path}: expected YAML, found: {_one_line(error)}. Correct the file.") from error
    if not isinstance(content, dict) or not content:
        raise LaunchRefused(
            f"{path}: expected names of nodes with parameters, as '/**: {{ros__parameters: {{...}}}}', found "
            f"{type(content).__name__}. Correct the file."
        )
    return content


def _sections_in(content: Mapping[Any, Any], path: str, above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Pattern and parameters of every section; names of nodes may be nested in namespaces."""
    for key, inner in content.items():
        pattern = f"{above}/{str(key).strip('/')}"
        if not isinstance(inner, dict) or not isinstance(inner.get(_PARAMETERS, {}), dict):
            found = inner[_PARAMETERS] if isinstance(inner, dict) else inner
            raise LaunchRefused(
                f"{path}: {pattern}: expected ros__parameters: and parameters below it, found {str(found)[:_SHOWN]!r}. "
                "Correct the file."
            )
        if _PARAMETERS in inner:
            yield pattern, inner[_PARAMETERS]
        yield from _sections_in({name: each for name, each in inner.items() if name != _PARAMETERS}, path, pattern)


def _with_parameters(content: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The same sections with other parameters."""
    return {key: given if key == _PARAMETERS else _with_parameters(inner, given) for key, inner in content.items()}


def _is_about(pattern: str, node: str) -> bool:
    """As rcl: '**' stands for any number of names, '*' for one."""
    expression = re.escape(pattern).replace(r"/\*\*", r"(/\w+)*").replace(r"/\*", r"/\w+")
    return re.fullmatch(expression, node) is not None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:_SHOWN]
