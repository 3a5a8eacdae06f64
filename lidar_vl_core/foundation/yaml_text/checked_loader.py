"""YAML as we accept it: plain names, texts, numbers, lists and mappings within limits; everything else is a YAML error."""

import re
from typing import Any, ClassVar

import yaml

_MAX_VALUES = 50_000
_MAX_DEPTH = 50  # nested lists and mappings
_MAX_NUMBER_LENGTH = 400  # of a number's text: 1e308 written out takes 309
_SHOWN = 150  # characters of a key or a tag

# Beside YAMLError: of characters and numbers that are none.
YAML_ERRORS = (yaml.YAMLError, ValueError, OverflowError, RecursionError)

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


class CheckedLoader(yaml.SafeLoader):
    """SafeLoader that refuses keys given twice, aliases, tags, depth and numbers without end, and reads scalars by YAML 1.2.

    PyYAML's own rules (YAML 1.1) read 1e-3 as text, `no` as False, 010 as 8 and 12:30 as 750.
    """

    yaml_implicit_resolvers: ClassVar[dict] = {}  # type: ignore[misc]  # PyYAML declares it without ClassVar
    _values, _depth = 0, 0

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
        """A node, unless it is one that we refuse."""
        event = self.peek_event()
        tag, text = getattr(event, "tag", None), getattr(event, "value", None)
        self._values += 1
        self._depth += 1
        if isinstance(event, yaml.AliasEvent):
            raise Refused("expected every value written out, aliases are not accepted", event.start_mark)
        if tag is not None and (tag != "!" or text is None):  # "!" before text says that it is text
            raise Refused(f"expected no tags, found {_short(tag)}", event.start_mark)
        if self._depth > _MAX_DEPTH:
            raise Refused(f"expected at most {_MAX_DEPTH} nested lists and mappings, found more", event.start_mark)
        if self._values > _MAX_VALUES:
            raise Refused(f"expected at most {_MAX_VALUES} values, found more", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode):
            if node.tag.endswith((":int", ":float")) and len(node.value) > _MAX_NUMBER_LENGTH:
                raise Refused(
                    f"expected a number of at most {_MAX_NUMBER_LENGTH} characters, found more", event.start_mark
                )
            if not node.value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in node.value):
                raise Refused("expected characters, found half of a surrogate pair", event.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A mapping whose keys are all different names. Raises Refused."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise Refused(f"expected a name before the ':', found {_short(key)}", key_node.start_mark)
            if str(key) in seen:  # 1 and "1" are one key in JSON
                raise Refused(f"expected every key once, {_short(key)} is given twice", key_node.start_mark)
            seen.add(str(key))
        return super().construct_mapping(node, deep)


class Refused(yaml.MarkedYAMLError):
    """Sound YAML that we do not accept; `problem` says why."""

    def __init__(self, problem: str, mark: Any) -> None:  # noqa: ANN401  either of PyYAML's two kinds
        super().__init__(problem=problem, problem_mark=mark)


def _short(found: object) -> str:
    shown = repr(found)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


for _name, (_pattern, _first) in _SCALARS.items():
    CheckedLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(_pattern), _first)
