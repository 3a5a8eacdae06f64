"""YAML as ROS reads it in parameter files and arguments: small, without aliases, with no tag but !!str."""

from typing import Any

import yaml

_MAX_CHARACTERS = 1_000_000
_MAX_DEPTH = 50  # nested lists and mappings
_TEXT = "tag:yaml.org,2002:str"


def read_ros_yaml(text: str) -> Any:  # noqa: ANN401
    """The content of a text. Raises ValueError, in one short line, for what ROS would not read or could not hold."""
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"expected at most {_MAX_CHARACTERS} characters of YAML, found more")
    try:
        return yaml.load(text, _RosCheckedLoader)  # noqa: S506  a SafeLoader with more refusals
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f" in line {mark.line + 1}, column {mark.column + 1}"
        wrong = error.problem if isinstance(error, _RefusedError) else "something else"
        raise ValueError(f"expected YAML, found {wrong}{place}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError("expected YAML, found characters or numbers that do not exist") from error


class _RefusedError(yaml.MarkedYAMLError):
    """Sound YAML that ROS does not accept, or that has no end."""


class _RosCheckedLoader(yaml.SafeLoader):
    """Aliases, which ROS refuses, could make an endless list of a short text."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
        event = self.peek_event()
        self._depth += 1
        tag = getattr(event, "tag", None)
        wrong = (
            "an alias" if isinstance(event, yaml.AliasEvent)
            else f"a tag other than !!str ({tag[:80]!r})" if tag not in (None, "!", _TEXT)
            else f"more than {_MAX_DEPTH} lists within lists" if self._depth > _MAX_DEPTH
            else None
        )  # fmt: skip
        if wrong:
            raise _RefusedError(problem=wrong, problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node
