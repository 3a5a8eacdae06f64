"""The parser of every program here: whatever is wrong with a command line is told in one line, with exit code 2."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lidar_vl_core.foundation.errors import LidarVlError, one_line, shortened
from lidar_vl_core.foundation.near_names import did_you_mean

_BAD_INPUT, _INTERRUPTED = 2, 130
_KINDS = {"int": "a whole number", "float": "a number"}


class CommandLine(argparse.ArgumentParser):
    """A parser whose errors are one line: what was expected, what was found, and what was probably meant."""

    listed: Callable[[], Mapping[str, Iterable[str]]] | None = None  # names by what they are of, below the help

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  what argparse takes
        super().__init__(*arguments, **options)
        self.register("type", Path, _path)

    def format_help(self) -> str:
        """The help, with the names that are looked up only for it."""
        if self.listed is not None:
            lines = (f"{what}: {', '.join(names)}." for what, names in self.listed().items())
            self.epilog = " ".join(lines)
        return super().format_help()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401  what argparse takes
        """Parse, refusing what is not known: each command names its own options, and unknown ones before missing ones."""
        words = list(sys.argv[1:] if args is None else args)
        self._refuse_unknown_options(words)
        parsed, surplus = super().parse_known_args(words, namespace)
        if surplus:
            self.error(f"unrecognized arguments: {' '.join(surplus)}")
        return parsed, surplus

    def error(self, message: str) -> NoReturn:
        """Print one line on stderr and end with 2. message: as argparse writes it."""
        told = one_line(f"{self.prog}: {_told(message)}")
        self.exit(_BAD_INPUT, f"{told} See `{self.prog} --help`.\n")

    def _refuse_unknown_options(self, words: Sequence[str]) -> None:
        """End where a word is an option that this parser has not, which argparse would tell after what is missing."""
        has_commands = any(isinstance(action, argparse._SubParsersAction) for action in self._actions)
        for word in words:
            if word == "--" or (has_commands and not word.startswith("-")):
                return  # only values follow, or words of a command, which looks at them itself
            name = word.partition("=")[0]
            if name.startswith("--") and " " not in word and not self._options_from(name):
                near = did_you_mean(shortened(name), [each for each in self._option_string_actions if each[:2] == "--"])
                self.error(f"expected an option of this command, found {shortened(name)}.{near}")

    def _options_from(self, name: str) -> list[str]:
        return [option for option in self._option_string_actions if option.startswith(name)]


def _path(text: str) -> Path:
    """Of an argument of type Path, which would take nothing for the current folder, and `~` of `--out=~/x` for a folder's name."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found nothing. Is a variable empty?")
    return Path(os.path.expanduser(text))


def run_tool(
    parser: CommandLine, work: Callable[[argparse.Namespace], None], arguments: Sequence[str] | None = None
) -> int:
    """Do the work of a program without subcommands; returns the exit code: 0, 2 for bad input, 130 for Ctrl-C."""
    options = parser.parse_args(arguments)
    try:
        work(options)
    except LidarVlError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return _BAD_INPUT
    except OSError as error:  # such as a full disk
        told = f"{parser.prog}: expected readable input and writable output, found: {error}. Check paths and disk."
        print(one_line(told), file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def compute_capabilities(text: str) -> list[int]:
    """GPU generations from a command line, "80,90": 90 is 9.0. Raises argparse's ArgumentTypeError for other texts."""
    if not re.fullmatch(r"[1-9]\d{1,2}(,[1-9]\d{1,2})*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"expected compute capabilities such as 80,90, found {shortened(repr(text))}")
    return [int(target) for target in text.split(",")]


def list_in_help(parser: argparse.ArgumentParser, listed: Callable[[], Mapping[str, Iterable[str]]]) -> None:
    """Show names below a command's help, looked up when it is printed."""
    if isinstance(parser, CommandLine):
        parser.listed = listed


def _told(message: str) -> str:
    """argparse's message as what was expected and found; one that it does not know stays as it is."""
    for pattern, tell in _MESSAGES.items():
        if (parts := re.fullmatch(pattern, message, re.DOTALL)) is not None:
            return tell(*parts.groups())
    return message if message.endswith((".", "?")) else f"{message}."


def _missing(names: str) -> str:
    needed = names.split(", ")
    return f"expected {_and(needed)}, found {'none' if len(needed) == 1 else 'neither' if len(needed) == 2 else 'none of them'}."


def _unknown_choice(name: str, found: str, known: str) -> str:
    near = did_you_mean(found[1:-1], choices := re.findall(r"[\w.-]+", known))
    return f"{name}: expected one of {', '.join(choices)}, found {shortened(found)}.{near}"


def _further(words: str) -> str:
    apart = re.fullmatch(r"(?!-)[^\s=]+=\S*( (?!-)[^\s=]+=\S*)*", words) is not None
    remedy = " Values name=value belong next to each other, in one place of the line." if apart else ""
    return f"expected no further arguments, found {shortened(words)}.{remedy}"


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# What argparse says in Python 3.10 to 3.13, and what is told instead.
_MESSAGES: dict[str, Callable[..., str]] = {
    "the following arguments are required: (.*)": _missing,
    r"argument (.+?): invalid choice: (.*) \(choose from (.*)\)": _unknown_choice,
    "unrecognized arguments: (.*)": _further,
    "argument (.+?): expected one argument": lambda name: f"{name}: expected a value, found none.",
    "argument (.+?): expected at least one argument": lambda name: f"{name}: expected one or more values, found none.",
    r"argument (.+?): expected (\d+) arguments": lambda name, count: f"{name}: expected {count} values, found fewer.",
    r"argument (.+?): ignored explicit argument (.*)": lambda name, found: (
        f"{name}: expected no value, found {shortened(found)}."
    ),
    r"argument (.+?): invalid (\w+) value: (.*)": lambda name, kind, found: (
        f"{name}: expected {_KINDS.get(kind, kind)}, found {shortened(found)}."
    ),
    "argument (.+?): not allowed with argument (.*)": lambda name, other: f"expected {other} or {name}, found both.",
    "one of the arguments (.*) is required": lambda names: f"expected one of {', '.join(names.split())}, found none.",
    "ambiguous option: (.*?) could match (.*)": lambda found, names: (
        f"expected one of {names}, found {shortened(found)}."
    ),
    r"argument ([^:]+): (expected .*)": lambda name, told: (
        f"{name}: {told}" if told[-1] in ".?" else f"{name}: {told}."
    ),
}
