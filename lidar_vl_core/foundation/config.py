"""Typed configurations: pydantic models from YAML and overrides; unknown, repeated and mistyped keys are refused. Reads files."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from lidar_vl_core.foundation.config_problems import told_problems
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean, near_name
from lidar_vl_core.foundation.overrides import override
from lidar_vl_core.foundation.yaml_text.checked_loader import YAML_ERRORS, CheckedLoader
from lidar_vl_core.foundation.yaml_text.told_errors import told_yaml_error

_MAX_BYTES = 1_000_000  # a configuration is small; more is a wrong file
_SHOWN = 300  # characters of what is wrong, which may repeat what the file says
Use = tuple[bool, tuple[str, ...], str]  # are the keys read, the keys, when they are: "with ...", "without ..."


class Config(BaseModel):
    """Base of every configuration: frozen, strict types, no extra keys, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def _changed(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Those of the keys that differ from their defaults: what to refuse of keys that do nothing under the others.

        A configuration that was written out, as a checkpoint's, lists all keys; so that a key is given says little.
        """
        fields = type(self).model_fields
        return tuple(key for key in keys if getattr(self, key) != fields[key].get_default(call_default_factory=True))

    def uses(self) -> tuple[Use, ...]:
        """Which keys have an effect only with certain values of others; otherwise only their defaults are accepted."""
        return ()

    @model_validator(mode="after")
    def _every_key_is_read(self, info: ValidationInfo) -> "Config":
        told = [
            f"{', '.join(idle)}: expected only {condition}, because it has no effect otherwise"
            for is_read, keys, condition in self.uses()
            if not is_read and (idle := self._changed(keys))
        ]
        if told and not is_stored(info):
            raise ValueError("; ".join(told))
        return self


def is_stored(info: ValidationInfo) -> bool:
    """Whether a run stored this configuration: keys without effect are no reason to refuse its results."""
    return bool(info.context and info.context.get("stored"))


ConfigT = TypeVar("ConfigT", bound=BaseModel)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping. Raises BadConfig naming the file and, where known, the line."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        beside = {each.stem: each.name for each in path.parent.glob("*.y*ml") if each != path}
        near = None if path.exists() else near_name(path.stem, beside)
        raise BadConfig(
            f"{path}: expected a readable YAML file, found: {error.strerror}. Check the path."
            f"{'' if near is None else f' Did you mean {beside[near]}?'}"
        ) from error
    if len(raw) > _MAX_BYTES:
        raise BadConfig(f"{path}: expected at most {_MAX_BYTES} bytes, found more. This is not a configuration file.")
    try:
        content = yaml.load(raw.decode("utf-8"), CheckedLoader)  # noqa: S506  a SafeLoader with more refusals
    except YAML_ERRORS as error:
        raise BadConfig(f"{path}: {told_yaml_error(error)}.") from error
    if not isinstance(content, dict):
        found = (
            "an empty file" if content is None else "a list" if isinstance(content, list) else repr(content)[:_SHOWN]
        )
        raise BadConfig(f"{path}: expected a mapping of names to values (`name: value`), found {found}.")
    return content


def load_config(model: type[ConfigT], path: Path, overrides: dict[str, Any] | None = None) -> ConfigT:
    """Read a YAML file into a typed configuration; `overrides` as of load_overridden."""
    return validated(model, load_overridden(path, overrides or {}), str(path))


def load_overridden(path: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Read a YAML mapping in which `overrides` win; dotted names reach into nested mappings and lists, `~/` into the home folder."""
    content = load_yaml(path)
    for name, value in overrides.items():
        override(content, name, value, path)
    expanded: dict[str, Any] = home_expanded(content)
    return expanded


def home_expanded(value: Any) -> Any:  # noqa: ANN401
    """The same values with every text that begins with `~/` as a path below the home folder, as a shell reads it."""
    if isinstance(value, dict):
        return {name: home_expanded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [home_expanded(each) for each in value]
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~/") else value


def load_named(model: type[ConfigT], folder: Path, name: str, kind: str) -> ConfigT:
    """The configuration of that name in a folder, or of that YAML file. Raises BadConfig listing the known names."""
    if name.endswith((".yaml", ".yml")):
        return load_config(model, Path(name))
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise BadConfig(
            f"{kind}: expected one of {', '.join(known)} or a .yaml file, found {name!r}.{did_you_mean(name, known)}"
        )
    return load_config(model, folder / f"{name}.yaml")


def validated(model: type[ConfigT], content: dict[str, Any], origin: str, stored: bool = False) -> ConfigT:
    """Check a mapping against a typed configuration. Raises BadConfig naming every wrong key.

    stored: by a run, so that keys which do nothing under the others are passed over.
    """
    try:
        # Lax on list -> tuple only: JSON mode is strict about numbers and text, and knows no tuples.
        return model.model_validate_json(_as_json(content, origin), strict=True, context={"stored": stored})
    except ValidationError as error:
        raise BadConfig(f"{origin}: {told_problems(model, error)}.") from error


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Turn `name=value` words of a command line into overrides; values are read as YAML scalars. Raises BadConfig."""
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadConfig(f"override {pair!r}: expected name=value. Write e.g. learning_rate=0.001.")
        try:
            overrides[name] = yaml.load(value, CheckedLoader)  # noqa: S506  a SafeLoader with more refusals
        except YAML_ERRORS as error:
            raise BadConfig(f"override {pair[:_SHOWN]!r}: {told_yaml_error(error)}.") from error
    return overrides


def _as_json(content: dict[str, Any], origin: str) -> str:
    import json

    try:
        return json.dumps(content, allow_nan=False)
    except ValueError as error:
        place, found = next(_endless(content))
        raise BadConfig(f"{origin}: {place}: expected a finite number, found {found}.") from error
    except TypeError as error:
        raise BadConfig(f"{origin}: expected text, numbers, lists and mappings, found: {error}.") from error


def _endless(value: object, place: str = "") -> Iterator[tuple[str, float]]:
    """Keys and values of the numbers that are NaN or infinite."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _endless(each, f"{place}.{key}".removeprefix("."))
    if isinstance(value, float) and not math.isfinite(value):
        yield place, value
