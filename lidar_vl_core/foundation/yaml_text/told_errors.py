"""What is wrong with a YAML text, in plain words: the place, what was expected, what was found, what to do."""

import re
from typing import Any

import yaml

from lidar_vl_core.foundation.yaml_text.checked_loader import Refused

_HERE, _WHERE_IT_BEGINS = "problem_mark", "context_mark"  # of PyYAML's errors

# What PyYAML says, which place of its two is the one to look at, and what a person should read.
_WORDS = (
    (r"'\\t'", _HERE, "expected spaces, found a tab. Indent with spaces"),
    (r"character (?P<found>'.*'|\".*\") that cannot", _HERE,
     "expected a name or a value, found {found}. Put text that begins with it in quotes"),
    ("could not find expected ':'", _WHERE_IT_BEGINS, "expected `name: value`, found no ': ' in the line"),
    ("sequence entries are not allowed", _HERE, "expected a value, found a list entry ('- ') in the same line. Begin a new line with it"),
    ("mapping keys are not allowed", _HERE, "expected a value, found '? '. Put text that begins with it in quotes"),
    ("mapping values are not allowed", _HERE,
     "expected one `name: value` in a line, found a second ': ' or a wrong indentation. Put text that holds ': ' in quotes"),
    ("undefined tag handle", _HERE, "expected a name or a value, found '!'. Put text that begins with it in quotes"),
    ("directive|<document start>|incompatible YAML|tag handle '.*'$", _HERE, "expected no line that begins with '%', found one. Remove it"),
    ("an (anchor|alias)", _HERE, "expected a name or a value, found '&' or '*'. Put text that begins with it in quotes"),
    ("a tag", _HERE, "expected a name or a value, found '!'. Put text that begins with it in quotes"),
    ("block scalar", _HERE, "expected the end of the line after '|' or '>', found more. Begin the text in the next line"),
    ("double-quoted scalar", _HERE, "expected \\n, \\t, \\\" or \\\\ after a backslash, found another letter. Put the text in single quotes"),
    ("quoted scalar", _WHERE_IT_BEGINS, "expected text in quotes, found no closing quote"),
    ("single document", _HERE, "expected one document, found a second one ('---'). Remove it"),
    ("block mapping.*'-'", _HERE, "expected `name: value` as in the lines before, found a list entry ('- '). Correct the indentation"),
    ("block mapping", _HERE, "expected the next `name: value` in a new line, found further text. Correct the indentation or the quotes"),
    ("block collection", _HERE, "expected a list entry ('- ') as in the lines before, found something else. Correct the indentation"),
    ("flow sequence", _WHERE_IT_BEGINS, "expected a list with ',' between its values and ']' at its end, found one that lacks them"),
    ("flow mapping", _WHERE_IT_BEGINS, "expected a mapping with ',' between its names and '}}' at its end, found one that lacks them"),
    ("node content, but found '<", _HERE, "expected a value, found none"),
    ("(?:node content|but got).* (?P<found>'[^']*')$", _HERE, "expected a value, found {found}"),
)  # fmt: skip
_UNKNOWN = "expected names and values, found something else. Correct the line or put its text in quotes"


def told_yaml_error(error: Exception) -> str:
    """Why a text is not the YAML that is expected, in one line, as the end of a sentence "file: ...": without a full stop."""
    if isinstance(error, UnicodeDecodeError):
        return (
            f"expected YAML, found bytes that are not text (0x{error.object[error.start]:02x} at {error.start}). "
            "Check the path"
        )
    if isinstance(error, yaml.reader.ReaderError):
        return f"expected YAML, found a character that is not text (0x{error.character:02x} at {error.position}). Check the path"
    if isinstance(error, Refused):
        return _at(error.problem_mark, str(error.problem))
    if isinstance(error, yaml.MarkedYAMLError):
        return _at(*_place_and_words(error))
    if isinstance(error, RecursionError):
        return "expected YAML, found lists within lists without end"
    return "expected YAML, found a number or an escaped character that does not exist. Put it in single quotes"


def _place_and_words(error: yaml.MarkedYAMLError) -> tuple[Any, str]:
    said = f"{error.context} {error.problem}"
    for pattern, place, words in _WORDS:
        if found := re.search(pattern, said):
            return getattr(error, place) or error.problem_mark, words.format(**found.groupdict())
    return error.problem_mark, _UNKNOWN


def _at(mark: Any, words: str) -> str:  # noqa: ANN401  either of PyYAML's two kinds, or None
    return words if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {words}"
