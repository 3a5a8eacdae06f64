"""What both programs do alike at their command line: --version, --overwrite, and answers to the shell's Tab key."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import TextIOWrapper

_OR_A_PATH = ("model", "vocabulary", "config", "card")  # options that take a name that is known, or a path


def print_any_name() -> None:
    """Let print() escape what a terminal cannot show or no UTF-8 has, such as the name of a file from another system."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def stop_printing() -> None:
    """Give Python somewhere else to flush to at its exit, where nobody takes what is printed."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ShowVersion(argparse.Action):
    """Prints version and commit and ends; looked up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="print version and commit, and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print, and end the program."""
        from lidar_vl_core.foundation.version import version_line

        print(version_line(parser.prog))
        parser.exit()


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add the switch without which no earlier result is replaced."""
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results at the same place")


def complete_where_asked(parser: argparse.ArgumentParser, offers: Callable[[], Mapping[str, Sequence[str]]]) -> None:
    """Answer the shell and end, where it asks for what could come next on the line; else do nothing.

    offers: values by the name of the option or argument (`label_table`), or by command and name (`finetune config`),
    made only when the shell asks.
    """
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    offered = offers()
    for command, action in _actions(parser):
        values = offered.get(f"{command} {action.dest}", offered.get(action.dest))
        if values is not None:
            setattr(action, "completer", _Names(values, action.dest in _OR_A_PATH))  # noqa: B010  argcomplete's own attribute, which argparse does not know
    argcomplete.autocomplete(parser)


class _Names:
    """The names there are, and, where a path may stand instead, the files and folders that begin as what is typed."""

    def __init__(self, names: Sequence[str], or_a_path: bool) -> None:
        self._names, self._or_a_path = names, or_a_path

    def __call__(self, prefix: str, **_: object) -> list[str]:
        from argcomplete.completers import FilesCompleter

        return [*self._names, *(FilesCompleter()(prefix) if self._or_a_path else ())]


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Every option and argument of every command, with the command's name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from ((name, each) for _, each in _actions(command))
        else:
            yield "", action
