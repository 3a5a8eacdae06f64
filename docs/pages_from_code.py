"""Parts of pages that are printed from the code: rooms, data sets, limits, parameters, API reference. A hook of mkdocs."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REPOSITORY = Path(__file__).resolve().parents[1]
_PACKAGES = {
    "Core": _REPOSITORY / "lidar_vl_core",
    "Training": _REPOSITORY / "offline_training",
    "ROS 2": _REPOSITORY / "ros2_ws" / "src" / "lidar_vl_ros" / "lidar_vl_ros",
}
_ROOMS, _DATA_SETS, _LIMITS = "<!-- printed: rooms -->", "<!-- printed: data sets -->", "<!-- printed: limits -->"
_PARAMETERS = "<!-- printed: parameters -->"
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_DIFFERENCES = "<!-- printed: differences -->"
_LIMIT_LINE = r"^_?(M(?:AX|OST)_\w+) = ([\d_.]+)(?: << (\d+))?(?: *# *(.*))?$"
_LIMITED = {
    "MCAP and ROS 1 bags": "bags/unpacking.py",
    "sqlite bags": "bags/sqlite_file.py",
    "a sqlite database": "bags/sqlite/database.py",
    "cloud files": "clouds/formats/size_limits.py",
    "PointCloud2": "clouds/point_cloud2_header.py",
    "YAML and configurations": "foundation/config.py",
    "text and JSON": "foundation/files.py",
    "arrays in .npz": "foundation/plain_arrays.py",
    "model packages": "model_packages/package_files.py",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add a page of the API reference for every room."""
    reference = [
        {title: [{room.name: _page_of(package, room)} for room in _rooms(package)]}
        for title, package in _PACKAGES.items()
    ]
    config.nav = [*(config.nav or []), {"API reference": reference}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Write these pages."""
    for package in _PACKAGES.values():
        for room in _rooms(package):
            files.append(File.generated(config, _page_of(package, room), content=_reference(package, room)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is printed."""
    if _ROOMS in markdown:
        markdown = markdown.replace(_ROOMS, _rooms_table())
    if _DATA_SETS in markdown:
        from offline_training.datasets.data_set_table import data_set_table

        markdown = markdown.replace(_DATA_SETS, data_set_table())
    if _DIFFERENCES in markdown:
        from offline_training.reproduction.differences import difference_tables

        markdown = markdown.replace(_DIFFERENCES, difference_tables())
    if _LIMITS in markdown:
        markdown = markdown.replace(_LIMITS, _limits_table())
    if _PARAMETERS in markdown:
        markdown = markdown.replace(_PARAMETERS, _parameter_tables())
    return markdown


def _parameter_tables() -> str:
    """Name, type, default, range and meaning of each node's parameters, from the JSON schemas of the package."""
    text = []
    for path in sorted((_PACKAGES["ROS 2"].parent / "schema").glob("*.schema.json")):
        schema = json.loads(path.read_text())
        rows = _parameter_rows(schema["$defs"]["parameters"], schema["$defs"], "")
        text += [f"### Parameters of {path.name.partition('.')[0]}", ""]
        text += ["| parameter | type | default | range | |", "|---|---|---|---|---|", *rows, ""]
    return "\n".join(text)


def _parameter_rows(schema: dict[str, Any], definitions: dict[str, Any], above: str) -> Iterator[str]:
    """One row for each parameter; those of a group, or of each NAME in it, stand below its name."""
    for name, field in schema["properties"].items():
        inner, below = field, f"{above}{name}."
        if "additionalProperties" in field and "$ref" in field["additionalProperties"]:
            inner, below = field["additionalProperties"], f"{below}NAME."
        if "$ref" in inner:
            yield from _parameter_rows(definitions[inner["$ref"].rpartition("/")[2]], definitions, below)
            continue
        kinds = field.get("anyOf", [field])
        kind = " or ".join(each.get("type", "any").replace("null", "unset") for each in kinds)
        bounds = {key: each[key] for each in kinds for key in _BOUNDS if key in each}
        told = ", ".join(f"{_BOUNDS[key]} {value:,}" for key, value in bounds.items())
        yield f"| `{above}{name}` | {kind} | `{json.dumps(field.get('default'))}` | {told} | {field.get('description', '')} |"


def _limits_table() -> str:
    """The limits of every reader from its module: name, value, comment."""
    rows = ["| read from | limit | value | |", "|---|---|---|---|"]
    for what, path in _LIMITED.items():
        text = (_PACKAGES["Core"] / path).read_text()
        for name, number, shift, told in re.findall(_LIMIT_LINE, text, re.MULTILINE):
            value = f"{int(number) << int(shift):,}" if shift else f"{float(number):,.0f}"
            rows.append(f"| {what} | {name.lower().replace('_', ' ')} | {value} | {told} |")
    return "\n".join(rows)


def _rooms(package: Path) -> list[Path]:
    """The folders of code of a package, lowest floor first, then the package itself where it has modules of its own."""
    floors = _floors(package)
    rooms = sorted(path for path in package.iterdir() if (path / "__init__.py").is_file())
    rooms.sort(key=lambda room: floors.index(room.name) if room.name in floors else len(floors))
    return rooms + ([package] if _modules(package) else [])


def _floors(package: Path) -> list[str]:
    """Names of a package's rooms from the lowest up, as its contract of layers has them."""
    contracts = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == [package.name])
    return [name for layer in reversed(layers) for name in re.findall(r"\w+", layer)]


def _modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _folders(room: Path, package: Path) -> Iterator[Path]:
    """A room and the folders in it; of the package itself only its own modules."""
    yield room
    if room != package:
        yield from sorted(path.parent for path in room.glob("*/**/__init__.py"))


def _page_of(package: Path, room: Path) -> str:
    return f"api/{package.name}/{room.name}.md"


def _dotted(package: Path, path: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _reference(package: Path, room: Path) -> str:
    modules = [module for folder in _folders(room, package) for module in _modules(folder)]
    return f"# {_dotted(package, room)}\n\n" + "\n\n".join(f"::: {_dotted(package, module)}" for module in modules)


def _rooms_table() -> str:
    """Every folder of code with its modules, package by package, from the lowest floor up."""
    parts = []
    for title, package in _PACKAGES.items():
        parts.append(f"### {title}: `{package.name}`\n\n| folder | modules |\n|---|---|")
        for room in _rooms(package):
            for folder in _folders(room, package):
                if modules := _modules(folder):
                    name = folder.relative_to(package.parent).as_posix()
                    parts.append(f"| `{name}` | {', '.join(module.stem for module in modules)} |")
        parts.append("")
    return "\n".join(parts)
