"""Content of JSON files and arrays in which one value after the other is replaced by a wrong one, for tests of readers."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

WRONG = (
    None, [], {}, "x", "", -1, 0, True, 1e308, float("inf"), float("nan"), 10**400, ["a"], {"a": 1}, "../../etc", "\0",
    [1e308] * 4, [[0] * 3] * 3,
)  # fmt: skip
NO_JSON = ("", "{", "[", "null", "3", '"x"', "[1]", "{}")


def with_wrong_values(content: Any) -> Iterator[tuple[str, Any]]:
    """Where the change is, and the content with it: every value of the first of each list replaced, and every key left out."""
    for place in _places(content):
        for value in WRONG:
            yield (
                f"{place} = {str(value)[:20]!r}",
                _changed(content, place, lambda inner, key, v=value: _put(inner, key, v)),
            )
        if place:
            yield f"no {place}", _changed(content, place, lambda inner, key: inner.__delitem__(key))


def with_wrong_arrays(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The same of named arrays: other types, shapes and numbers."""
    for name, array in arrays.items():
        shape = array.shape
        others = {
            "text": np.full(shape, "x"),
            "complex": np.zeros(shape, complex),
            "times": np.zeros(shape, "M8[s]"),
            "records": np.zeros(shape, [("a", "f4")]),
            "NaN": np.full(shape, np.nan, array.dtype if array.dtype.kind == "f" else float),
            "infinite": np.full(shape, np.inf, array.dtype if array.dtype.kind == "f" else float),
            "large": np.full(shape, 2**40, np.int64),
            "negative": np.full(shape, -2, np.int64),
            "one number": np.zeros(()),
            "nothing": np.zeros(0),
            "three axes": np.zeros((2, 2, 2)),
        }
        for what, other in others.items():
            yield f"{name} {what}", {**arrays, name: other}
        yield f"no {name}", {key: value for key, value in arrays.items() if key != name}


def _places(content: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _places(value, (*place, key))
    elif isinstance(content, list) and content:
        yield from _places(content[0], (*place, 0))


def _changed(content: Any, place: tuple[Any, ...], change: Any) -> Any:
    whole = {"": copy.deepcopy(content)}
    inner: Any = whole
    for key in ("", *place)[:-1]:
        inner = inner[key]
    change(inner, ("", *place)[-1])
    return whole[""]


def _put(inner: Any, key: Any, value: Any) -> None:
    inner[key] = value
