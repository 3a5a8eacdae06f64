"""What is wrong with a configuration, in words: each wrong key, what was expected, what was found, what was probably meant."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lidar_vl_core.foundation.near_names import near_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXPECTED = {  # by pydantic's name of the problem; {gt} and the like are its limits
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "dict_type": "a mapping of names to values",
    "finite_number": "a finite number",
}
_MOST_TOLD = 5  # wrong keys in one message; a file of another command has dozens


def told_problems(model: type[BaseModel], error: ValidationError) -> str:
    """The wrong keys of a configuration, the first few of many."""
    items = error.errors()
    # pydantic counts a list whose values are wrong as one without values, and says that as well
    listed = {item["loc"][:-1] for item in items if item["loc"] and isinstance(item["loc"][-1], int)}
    items = [item for item in items if not (item["type"] == "too_short" and item["loc"] in listed)]
    problems = [_problem(model, ".".join(map(str, item["loc"])), item) for item in items]
    more = f"; and {len(problems) - _MOST_TOLD} more" if len(problems) > _MOST_TOLD else ""
    return "; ".join(problems[:_MOST_TOLD]) + more


def _problem(model: type[BaseModel], key: str, item: "ErrorDetails") -> str:
    if key and item["type"] in _EXPECTED:
        expected = _EXPECTED[item["type"]].format(**item.get("ctx", {}))
        return f"{key}: expected {expected}, found {item.get('input')!r:.80}"
    if item["type"] == "missing":
        if isinstance(item["loc"][-1], int):  # of a list of fixed length
            return f"{key}: expected a further value in the list, found {item.get('input')!r:.80}"
        return f"{key}: expected a value, found no such key"
    if item["type"] == "extra_forbidden":
        meant = _meant(item["loc"][-1], _keys_beside(model, item["loc"]))
        return f"{key}: expected no such key, found {item.get('input')!r:.80}{meant}"
    if item["type"] == "literal_error":
        choices = item["ctx"]["expected"]
        return (
            f"{key}: expected {choices}, found {item.get('input')!r:.80}{_meant(item.get('input'), _quoted(choices))}"
        )
    if item["type"] == "unknown_keys":  # a model's own refusal, which names them and the keys there are
        return f"{key}: {item['msg']}" if key else item["msg"]
    if item["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(key, item)
    told = item["msg"].removeprefix("Value error, ")
    if not key:  # our own check of keys that belong together: it names them, and the whole file is no answer
        return told
    return f"{key}: {told}, found {item.get('input')!r:.80}"


def _wrong_tag(key: str, item: "ErrorDetails") -> str:
    """Of one of several models by a key such as `kind`: that key, and what it may be where that is known."""
    tag = item["ctx"]["discriminator"].strip("'")
    choices = f"one of {item['ctx']['expected_tags']}".replace("'", "") if "expected_tags" in item["ctx"] else "a name"
    found = item["input"].get(tag) if isinstance(item["input"], Mapping) else item["input"]
    meant = _meant(found, _quoted(item["ctx"].get("expected_tags", "")))
    return f"{f'{key}.' if key else ''}{tag}: expected {choices}, found {found!r:.80}{meant}"


def _meant(found: object, known: Iterable[str]) -> str:
    near = near_name(found, known)
    return "" if near is None else f" (did you mean {near}?)"


def _quoted(choices: str) -> list[str]:
    return re.findall(r"'([^']*)'", choices)


def _keys_beside(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """The keys of the mapping that holds the key at a place, as far as single models lead there."""
    is_a_name = False  # of one of several configurations, and no key
    for part in place[:-1]:
        if is_a_name:
            is_a_name = False
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = _models_in(annotation)
        if len(inner) != 1:
            return []
        model, is_a_name = inner[0], get_origin(annotation) is dict
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
