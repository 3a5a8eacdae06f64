"""The pages that people read, and the commands that they name."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((REPOSITORY / "docs" / "examples").glob("*.py"))
PAGES = sorted(
    REPOSITORY / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "ros2_ws/src/lidar_vl_ros/README.md",
        "ros2_ws/src/lidar_vl_ros/QUALITY_DECLARATION.md",
        *(path.relative_to(REPOSITORY) for path in (REPOSITORY / "docs").rglob("*.md")),
    )
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_STARTS_MODULES = r"(.*/)?(python3?|torchrun)"
_BETWEEN_COMMANDS = ("&&", "||", "|", ";", "&")


@dataclass(frozen=True)
class Command:
    """One command of a page: its words as a shell splits them, without comment and without variables set before it."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words[:6])}"

    @property
    def module(self) -> str | None:
        """What `python -m` or `torchrun -m` starts, or None for other commands."""
        place = self._place_of_module()
        return None if place is None else self.words[place]

    @property
    def module_arguments(self) -> tuple[str, ...]:
        """The words after the module."""
        place = self._place_of_module()
        return () if place is None else self.words[place + 1 :]

    def _place_of_module(self) -> int | None:
        for place, word in enumerate(self.words[:-1]):
            if word == "-m" and any(re.fullmatch(_STARTS_MODULES, before) for before in self.words[:place]):
                return place + 1
        return None


def name_of(path: Path) -> str:
    """The path of a page as tests print it."""
    return str(path.relative_to(REPOSITORY))


def blocks(page: Path, *languages: str) -> list[str]:
    """The text of a page's code blocks in these languages."""
    return [text for language, text in _BLOCK.findall(page.read_text()) if language in languages]


def shell_commands(page: Path) -> Iterator[Command]:
    """Every command of the page's bash blocks, each part of a && chain by itself."""
    for block in blocks(page, "", "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for words in _commands_of(line):
                yield Command(name_of(page), words)


def mentioned_commands(page: Path) -> Iterator[Command]:
    """What stands between single backticks and is more than one word: often a command, whole or in part."""
    for code in re.findall(r"`([^`]+)`", _BLOCK.sub("", page.read_text())):
        try:
            words = shlex.split(code)
        except ValueError:  # half a quotation is no command
            continue
        if len(words) > 1:
            yield Command(name_of(page), tuple(words))


def _commands_of(line: str) -> Iterator[tuple[str, ...]]:
    split = shlex.shlex(line, posix=True, punctuation_chars=True)
    split.whitespace_split = True
    words: list[str] = []
    for word in [*split, ";"]:
        if word not in _BETWEEN_COMMANDS:
            words.append(word)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            del words[0]
        if words:
            yield tuple(words)
        words = []
