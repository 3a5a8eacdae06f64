"""What is installed: every package by version and hash, and none with a hole that is known."""

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REPOSITORY = Path(__file__).resolve().parents[2]
_LOCKS = ("constraints.txt", "installer.txt", "docker/robot_packages.txt")
_FIRST_SOUND = {
    name: Version(str(told["release"]))
    for name, told in yaml.safe_load((Path(__file__).parent / "first_sound_releases.yaml").read_text()).items()
}
_NEEDS_NUMPY_2 = {"ml-dtypes"}  # older in the robot's image, where numpy 1 stays


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """Each pinned requirement of a lock with its hashes."""
    text = (_REPOSITORY / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(Requirement(line.partition(" --hash")[0]), re.findall(r"--hash=(\S+)", line)) for line in lines]


def _version(requirement: Requirement) -> Version:
    (pin,) = requirement.specifier
    assert pin.operator == "=="
    return Version(pin.version)


def _versions_here(name: str) -> dict[str, Version]:
    """The pinned version of each package for this Python."""
    return {
        canonicalize_name(each.name): _version(each)
        for each, _ in locked(name)
        if each.marker is None or each.marker.evaluate()
    }


def _declared() -> list[Requirement]:
    """Every requirement of pyproject.toml: of the core, the extras, and what builds it."""
    project = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"], *(x for e in extras for x in e)]
    return [each for each in map(Requirement, lines) if each.name != "lidar-vl"]


@pytest.mark.parametrize("lock", _LOCKS)
def test_every_package_of_a_lock_has_one_version_and_its_hashes(lock):
    pinned = locked(lock)
    assert pinned
    for requirement, hashes in pinned:
        assert _version(requirement)
        assert hashes, requirement
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes), requirement


def test_what_the_project_asks_for_is_locked_within_its_bounds():
    versions = _versions_here("constraints.txt")
    for requirement in _declared():
        if requirement.marker is None or requirement.marker.evaluate():
            assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize("lock", _LOCKS)
def test_no_locked_release_is_older_than_the_first_one_without_known_holes(lock):
    for requirement, _ in locked(lock):
        first = _FIRST_SOUND.get(canonicalize_name(requirement.name))
        assert first is None or _version(requirement) >= first, f"{requirement}: expected {first} or newer"


def test_the_lower_bounds_of_the_project_let_no_release_with_known_holes_in():
    for requirement in _declared():
        first = _FIRST_SOUND.get(canonicalize_name(requirement.name))
        if first is not None:
            bounds = [Version(each.version) for each in requirement.specifier if each.operator in (">=", "==", "~=")]
            assert bounds, f"{requirement}: expected a lower bound"
            assert max(bounds) >= first, f"{requirement}: expected {first} or newer"


def test_each_line_of_the_list_of_sound_releases_is_about_a_package_that_is_used():
    used = {canonicalize_name(each.name) for lock in _LOCKS for each, _ in locked(lock)}
    assert set(_FIRST_SOUND) <= used


def test_the_robot_has_the_versions_that_are_tested_but_for_numpy_1():
    tested, robot = _versions_here("constraints.txt"), _versions_here("docker/robot_packages.txt")
    assert robot["numpy"] < Version("2")
    apart = {name for name, version in robot.items() if tested[name] != version}
    assert apart <= {"numpy", *_NEEDS_NUMPY_2} | _of_other_pythons(robot)


def _of_other_pythons(robot: dict[str, Version]) -> set[str]:
    """Packages of which the robot's Python 3.12 takes another version than an older one that runs this test."""
    return {
        canonicalize_name(each.name)
        for each, _ in locked("constraints.txt")
        if _version(each) == robot.get(canonicalize_name(each.name)) and each.marker and not each.marker.evaluate()
    }


def test_what_is_installed_here_is_what_is_locked():
    versions = _versions_here("constraints.txt")
    for installed in metadata.distributions():
        locked_version = versions.get(canonicalize_name(installed.metadata["Name"]))
        if locked_version is not None:
            assert Version(Version(installed.version).public) == locked_version, installed.metadata["Name"]


def test_no_file_that_installs_something_names_an_index():
    files = [*(_REPOSITORY / "docker").iterdir(), *(_REPOSITORY / name for name in (*_LOCKS, "Makefile", ".ci/run"))]
    for path in files:
        assert not re.search(r"index-url|--index|find-links|/simple\b|/whl/", path.read_text()), path
