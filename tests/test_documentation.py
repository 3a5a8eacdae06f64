"""The pages people read first: short, and everything they name is there."""

import re
from pathlib import Path

import pytest
import yaml

from lidar_vl_core.foundation.version import VERSION
from tests.pages import PAGES, REPOSITORY, name_of

ROOTS = ("lidar_vl_core", "offline_training", "ros2_ws", "launch", "docker", "tests", "docs")


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
        if not target.startswith(("http", "mailto:")) and not leads_somewhere(page, *target.partition("#")[::2])
    ]
    assert lost == []


def leads_somewhere(page: Path, name: str, heading: str) -> bool:
    """Whether the file is there, and the heading in it."""
    path = page.parent / name if name else page
    return path.exists() and (not heading or heading in headings(path))


def headings(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles)
    return {re.sub(r"[-\s]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_paths_that_a_page_names_are_there(page):
    named = re.findall(rf"(?<![\w/.])((?:{'|'.join(ROOTS)})/[\w./-]*\w)", page.read_text())
    lost = [path for path in named if "NAME" not in path and not (REPOSITORY / path).exists()]
    assert lost == []


def test_tests_that_the_reliability_page_names_exist():
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs" / "reliability.md").read_text()))
    folders = ("tests", "ros2_ws/src/lidar_vl_ros/test")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("test_*.py")]
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
