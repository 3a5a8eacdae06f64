"""Every command that a page names is one that its program, module or Makefile takes: words are parsed, nothing is run."""

import argparse
import ast
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from functools import cache
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from tests.bench.scaling.model import Scenario
from tests.pages import EXAMPLES, PAGES, REPOSITORY, Command, mentioned_commands, name_of, shell_commands

ROS_PACKAGE = REPOSITORY / "ros2_ws" / "src" / "lidar_vl_ros"
OURS = ("lidar_vl_core", "offline_training", "lidar_vl_ros", "tests")
OTHERS = ("pytest", "venv", "colcon")  # modules of other packages that pages start
PROGRAMS = ("lidar-vl", "lidar-vl-train")

WHOLE = sorted({command for page in PAGES for command in shell_commands(page)}, key=str)
IN_TEXT = sorted({command for page in [*PAGES, *EXAMPLES] for command in mentioned_commands(page)}, key=str)


def of_modules(commands: Iterable[Command]) -> list[Command]:
    """Those that start a module and name it, and no placeholder."""
    return [command for command in commands if command.module and not re.search(r"\b[A-Z]+\b", command.module)]


@cache
def program_parser(program: str) -> argparse.ArgumentParser:
    if program == "lidar-vl":
        from lidar_vl_core.commands.cli import command_parser
    else:
        from offline_training.cli.main import command_parser
    return command_parser()


@cache
def subcommands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """The program and the parser of each subcommand; no two programs share a name."""
    return {
        name: (program, parser)
        for program in PROGRAMS
        for action in program_parser(program)._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, parser in action.choices.items()
    }


@pytest.mark.parametrize("command", [each for each in WHOLE if each.words[0] in PROGRAMS], ids=str)
def test_a_command_of_the_pages_is_one_the_programs_take(command):
    program, *arguments = command.words
    if arguments in (["--version"], ["check-data", "--list"]):  # prints and exits as soon as it is parsed
        return
    asked = program_parser(program).parse_args(arguments)
    if "reproduce" in arguments and not asked.list:
        require_table(asked.table)


@pytest.mark.parametrize("command", [each for each in IN_TEXT if each.words[0] in {*PROGRAMS, *subcommands()}], ids=str)
def test_a_command_in_a_sentence_names_a_subcommand_and_options_that_there_are(command):
    program, name, *rest = command.words if command.words[0] in PROGRAMS else ("", *command.words)
    if name.startswith("-"):
        assert name in program_parser(program)._option_string_actions
        return
    assert name in subcommands()
    owner, parser = subcommands()[name]
    assert program in ("", owner)
    options = {word.partition("=")[0] for word in rest if re.match("--[a-z]", word)}
    assert options <= set(parser._option_string_actions)
    if name == "reproduce" and re.match("[a-z]", rest[0]):
        require_table(rest[0])


def require_table(name: str) -> None:
    from offline_training.reproduction.base.study import require_study

    require_study(name)


@pytest.mark.parametrize("command", of_modules([*WHOLE, *IN_TEXT]), ids=str)
def test_a_module_that_a_page_starts_is_there_and_takes_its_options(command):
    module, arguments = command.module, command.module_arguments
    if module.split(".")[0] not in OURS:
        assert module in OTHERS
    elif module == "offline_training.cli":
        program_parser("lidar-vl-train").parse_args(arguments)
    elif parser := written_parser(module):
        parser.parse_args(arguments)
    elif any(word.startswith("-") for word in arguments):
        assert module.startswith("lidar_vl_ros"), f"{module} takes no options"
        assert arguments[0] == "--ros-args"


def written_parser(module: str) -> argparse.ArgumentParser | None:
    """The parser that a module makes, or None: read from its text, as importing a benchmark takes many seconds.

    Kept of each argument are its names and what decides which words it takes, where that is written as a literal.
    """
    root = ROS_PACKAGE if module.startswith("lidar_vl_ros") else REPOSITORY
    path = root.joinpath(*module.split("."))
    file = next((file for file in (path.with_suffix(".py"), path / "__main__.py") if file.is_file()), None)
    assert file, f"no module {module}"
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    added = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"]
    parser = argparse.ArgumentParser(prog=module)
    for call in sorted(added, key=lambda call: call.lineno):
        if names := [name.value for name in call.args if isinstance(name, ast.Constant)]:
            parser.add_argument(*names, **literal_keywords(call))
    if module == "tests.bench.scaling":
        for assumed in fields(Scenario):
            parser.add_argument(f"--{assumed.name.replace('_', '-')}")
    return parser if added else None


def literal_keywords(call: ast.Call) -> dict[str, Any]:
    known = {}
    for keyword in call.keywords:
        if keyword.arg in ("action", "nargs", "required", "choices"):
            with suppress(ValueError):  # a name
                known[keyword.arg] = ast.literal_eval(keyword.value)
    return known


MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("command", [each for each in [*WHOLE, *IN_TEXT] if each.words[0] == "make"], ids=str)
def test_a_target_and_the_variables_given_to_it_are_in_the_makefile(command):
    for word in command.words[1:]:
        name, is_variable, _ = word.partition("=")
        assert name in (VARIABLES if is_variable else TARGETS)


@pytest.mark.parametrize("command", [each for each in [*WHOLE, *IN_TEXT] if each.words[0] == "python"], ids=str)
def test_a_script_that_a_page_starts_is_there(command):
    if command.words[1].endswith(".py"):
        assert (REPOSITORY / command.words[1]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_extras_that_a_page_installs_are_declared(page):
    declared = set(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    named = re.findall(r"(?:lidar-vl|['\" ]\.)\[([\w,-]+)\]", page.read_text())
    assert {extra for group in named for extra in group.split(",")} <= declared


def test_every_command_begins_with_a_program_that_is_known_here():
    ours = {*PROGRAMS, "make", "python", ".venv/bin/python", "docker/pin_images.sh"}
    of_others = {"python3", "pip", ".venv/bin/pip", "torchrun", "ros2", "docker", "source", "cd", "export", "sudo"}
    assert {command.words[0] for command in WHOLE} <= ours | of_others
