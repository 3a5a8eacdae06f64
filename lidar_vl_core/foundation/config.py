"""Typed configurations: pydantic models from YAML and overrides; unknown, repeated and mistyped keys are refused. Reads files."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from lidar_vl_core.foundation.config_problems import told_problems, told_yaml_error
from lidar_vl_core.foundation.errors import BadConfig, shortened
from lidar_vl_core.foundation.near_names import did_you_mean, near_name
from lidar_vl_core.foundation.overrides import override

_MAX_BYTES = 1_000_000  # a configuration is small; more is a wrong file
_MAX_VALUES = 50_000
_MAX_DEPTH = 50  # nested lists and mappings
_MAX_NUMBER_LENGTH = 400  # of a number's text: 1e308 written out takes 309
_SHOWN = 300  # characters of what is wrong, which may repeat what the file says
_YAML_ERRORS = (
    yaml.YAMLError,
    ValueError,
    OverflowError,
    RecursionError,
)  # of characters and numbers that are none, too

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


_SCALARS = {  # YAML 1.2 core schema without octal and hexadecimal numbers; a number with leading zeros stays text
    "null": (r"^(?:~|null|)$", ["~", "n", ""]),
    "bool": (r"^(?:true|false)$", list("tf")),
    "int": (r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    "float": (
        r"^(?:[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?(?:0|[1-9][0-9]*)\.?[eE][-+]?[0-9]+"
        r"|[-+]?(?:0|[1-9][0-9]*)\.|[-+]?\.inf|\.nan)$",
        list("-+.0123456789"),
    ),
}
ConfigT = TypeVar("ConfigT", bound=BaseModel)


class _CheckedLoader(yaml.SafeLoader):
    """SafeLoader that refuses keys given twice, aliases, tags, depth and numbers without end, and reads scalars by YAML 1.2.

    PyYAML's own rules (YAML 1.1) read 1e-3 as text, `no` as False, 010 as 8 and 12:30 as 750.
    """

    yaml_implicit_resolvers: ClassVar[dict] = {}  # type: ignore[misc]  # PyYAML declares it without ClassVar
    _values, _depth = 0, 0

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
        event = self.peek_event()
        tag, text = getattr(event, "tag", None), getattr(event, "value", None)
        self._values += 1
        self._depth += 1
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases are not accepted", event)
        if tag is not None and (tag != "!" or text is None):  # "!" before text says that it is text
            raise _refused(f"tag {tag!r} is not accepted", event)
        if self._depth > _MAX_DEPTH:
            raise _refused(f"more than {_MAX_DEPTH} nested lists and mappings", event)
        if self._values > _MAX_VALUES:
            raise _refused(f"more than {_MAX_VALUES} values", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode):
            if node.tag.endswith((":int", ":float")) and len(node.value) > _MAX_NUMBER_LENGTH:
                raise _refused(f"a number of more than {_MAX_NUMBER_LENGTH} characters", event)
            node.value.encode()  # refuses half a surrogate pair, which nothing could print
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict) or str(key) in seen:  # 1 and "1" are one key in JSON
                raise _refused(f"key {key!r} is given twice or is not a name", key_node)
            seen.add(str(key))
        return super().construct_mapping(node, deep)


def _refused(problem: str, place: Any) -> yaml.YAMLError:  # noqa: ANN401  an event or a node
    shown = problem if len(problem) <= _SHOWN // 2 else f"{problem[: _SHOWN // 2]}..."
    return yaml.constructor.ConstructorError(None, None, shown, place.start_mark)


for _name, (_pattern, _first) in _SCALARS.items():
    _CheckedLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), _first)


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
        content = yaml.load(raw.decode("utf-8"), _CheckedLoader)  # noqa: S506  a SafeLoader with more refusals
    except _YAML_ERRORS as error:
        raise BadConfig(f"{path}: expected YAML in UTF-8, found: {told_yaml_error(error)}.") from error
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
    """Read a YAML mapping in which `overrides` win; dotted names reach into nested mappings and lists."""
    content = load_yaml(path)
    for name, value in overrides.items():
        override(content, name, value, path)
    return content


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
    """Turn `name=value` words of a command line into overrides; values are read as YAML scalars."""
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadConfig(f"override {pair!r}: expected name=value. Write e.g. learning_rate=0.001.")
        try:
            overrides[name] = yaml.load(value, _CheckedLoader)  # noqa: S506  a SafeLoader with more refusals
        except _YAML_ERRORS as error:
            raise BadConfig(f"override {pair[:_SHOWN]!r}: expected a YAML value, found: {shortened(error)}.") from error
    return overrides


def _as_json(content: dict[str, Any], origin: str) -> str:
    import json

    try:
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadConfig(f"{origin}: expected text, numbers, lists and mappings, found: {error}.") from error
