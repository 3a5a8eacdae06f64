"""The pages people read first: short, and everything they name is there."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from lidar_vl_core.foundation.version import VERSION

REPOSITORY = Path(__file__).resolve().parents[1]
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
ROOTS = ("lidar_vl_core", "offline_training", "ros2_ws", "launch", "docker", "tests", "docs")


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def shell_lines(page: Path) -> list[str]:
    """Commands of the page's bash blocks, without comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    shell = [block for language, block in blocks if language in ("", "bash")]
    return [line for block in shell for line in block.replace("\\\n", " ").splitlines() if line.strip()]


COMMANDS = [
    pytest.param(words[0], words[1:], id=f"{name_of(page)}: {' '.join(words[:3])}")
    for page in PAGES
    for line in shell_lines(page)
    if (words := shlex.split(line, comments=True)) and words[0] in ("lidar-vl", "lidar-vl-train")
]


def test_the_readme_is_short_and_its_first_command_comes_early():
    lines = (REPOSITORY / "README.md").read_text().splitlines()
    assert len(lines) <= 100
    assert next(number for number, line in enumerate(lines, 1) if line.startswith("make demo")) <= 30


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_and_pictures_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    lost = [
        target
        for target in targets
        if not target.startswith(("http", "#", "mailto:")) and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_that_a_page_names_are_there(page):
    named = re.findall(rf"(?<![\w/.])((?:{'|'.join(ROOTS)})/[\w./-]*\w)", page.read_text())
    lost = [path for path in named if "NAME" not in path and not (REPOSITORY / path).exists()]
    assert lost == []


@pytest.mark.parametrize(("program", "arguments"), COMMANDS)
def test_a_command_of_the_pages_is_one_the_programs_take(program, arguments):
    if program == "lidar-vl":
        from lidar_vl_core.commands.cli import command_parser
    else:
        from offline_training.cli.main import command_parser
    command_parser().parse_args(arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_modules_that_a_page_starts_are_there(page):
    modules = re.findall(r"-m ((?:lidar_vl_core|offline_training|lidar_vl_ros)[\w.]*)", page.read_text())
    folder = {"lidar_vl_ros": REPOSITORY / "ros2_ws" / "src" / "lidar_vl_ros"}
    for module in modules:
        path = folder.get(module.split(".")[0], REPOSITORY).joinpath(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_tests_that_the_reliability_page_names_exist():
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs" / "reliability.md").read_text()))
    files = [*(REPOSITORY / "tests").rglob("test_*.py")]
    there = {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert named
    assert named <= there


def test_all_that_name_the_version_name_the_same():
    ros = "ros2_ws/src/lidar_vl_ros"
    places = {
        "lidar_vl_core/foundation/version.py": r'^VERSION = "(.+)"',
        "pyproject.toml": r'^version = "(.+)"',
        "CITATION.cff": r"^version: (.+)",
        "CHANGELOG.md": r"^## (\d\S+)",
        f"{ros}/setup.py": r'^ +version="(.+)"',
        f"{ros}/package.xml": r"<version>(.+)</version>",
        f"{ros}/lidar_vl_ros/__init__.py": r'^__version__ = "(.+)"',
    }
    found = {
        place: re.search(pattern, (REPOSITORY / place).read_text(), re.MULTILINE) for place, pattern in places.items()
    }
    assert {place: match and match[1] for place, match in found.items()} == dict.fromkeys(places, VERSION)


def test_the_citation_names_the_paper_of_every_method_of_pre_training():
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["references"]
    names = {paper["abbreviation"].lower().replace("-", "_") for paper in cited}
    methods = {path.stem for path in (REPOSITORY / "offline_training/pretraining/keys").glob("[a-z]*.py")}
    assert methods - {"weak_cross_entropy"} <= names  # which is a control, of no paper
