"""The images of docker/: what they copy is there, what they install is written down, and how they run is careful."""

import os
import re
import shutil
import stat
import subprocess
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

_REPOSITORY = Path(__file__).resolve().parents[2]
_DOCKER = _REPOSITORY / "docker"
_DOCKERFILES = sorted(_DOCKER.glob("*.Dockerfile"))
_OF_EACH = pytest.mark.parametrize("path", _DOCKERFILES, ids=lambda path: path.name)
_DIGEST = "sha256:" + "0123456789abcdef" * 4
# Of Ubuntu and of ROS' own repository beside the packages of messages; asked for by name with `apt-cache show` in .ci/ros.
_APT = {"python3-venv", "python3-dev", "g++", "git", "libsparsehash-dev", "python3-colcon-common-extensions"}


def _instructions(path: Path) -> list[str]:
    """The instructions of a Dockerfile, one line each, without comments."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


def _copied(path: Path) -> list[Path]:
    lines = [line.split() for line in _instructions(path) if line.startswith("COPY ") and "--from" not in line]
    return [Path(source) for line in lines for source in line[1:-1]]


def apt_names(path: Path) -> set[str]:
    """What a Dockerfile installs by apt."""
    found = re.findall(r"apt-get install -y --no-install-recommends ([^&\n]+)", "\n".join(_instructions(path)))
    return {name for names in found for name in names.split()}


@_OF_EACH
def test_images_copy_only_what_is_in_the_repository(path):
    copied = _copied(path)
    assert copied
    assert [str(source) for source in copied if not (_REPOSITORY / source).exists()] == []


@_OF_EACH
def test_what_images_copy_is_not_ignored(path):
    ignored = [line for line in (_REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] not in "#!"]
    for source in _copied(path):
        places = [str(place) for place in (source, *source.parents)]
        assert not any(fnmatch(place, one) for place in places for one in ignored), source


@_OF_EACH
def test_apt_names_are_known_ones_or_those_of_packages_that_package_xml_declares(path):
    package = ElementTree.parse(_REPOSITORY / "ros2_ws" / "src" / "lidar_vl_ros" / "package.xml").getroot()
    declared = {depend.text for kind in ("exec_depend", "test_depend") for depend in package.findall(kind)}
    of_ros = {f"ros-jazzy-{name.replace('_', '-')}" for name in declared}
    assert apt_names(path) <= _APT | of_ros


@_OF_EACH
def test_pip_takes_only_uv_by_hash_and_uv_only_what_a_lock_holds(path):
    locked = {name for lock in ("constraints.txt", "docker/robot_packages.txt") for name in _locked_names(lock)}
    extras = set(re.findall(r"^(\w+) = \[", (_REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE))
    for command in re.findall(r"(?:uv )?pip install [^&|\n]+", "\n".join(_instructions(path))):
        if command.startswith("pip"):
            assert "--no-deps --require-hashes -r installer.txt" in command
            continue
        given = re.sub(r"-[cb] \S+|--python \S+|--?[\w-]+", "", command.removeprefix("uv pip install")).split()
        for name in given:
            if name.strip("'").startswith("."):
                assert set(re.findall(r"\w+", name)) <= extras
            elif name.startswith("git+"):
                assert re.search("@[0-9a-f]{40}$", name), name
            else:
                assert name in locked
        assert any(name.startswith("git+") for name in given) or " -c " in command


def _locked_names(lock: str) -> set[str]:
    lines = (_REPOSITORY / lock).read_text().splitlines()
    return {Requirement(line.rstrip(" \\")).name for line in lines if line[0] not in "# "}


@_OF_EACH
def test_an_image_runs_as_no_root_and_tells_docker_how_it_is(path):
    last = "\n".join(_instructions(path)).rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last, re.MULTILINE)
    assert re.search("^HEALTHCHECK ", last, re.MULTILINE)


def test_entry_points_are_scripts_that_bash_can_read():
    for path in (_REPOSITORY / "docker").glob("*.sh"):
        assert path.stat().st_mode & stat.S_IXUSR, path
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0, path


def test_compose_builds_images_that_exist_with_shared_memory_no_root_and_nothing_to_write_to_but_tmp():
    compose = yaml.safe_load((_DOCKER / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        assert (_DOCKER / Path(service["build"]["dockerfile"]).name).is_file(), name
        assert "shm_size" in service or service.get("ipc") == "host", name
        assert service["user"] == "${UID:-1000}:${GID:-1000}", name
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        # Docker mounts a tmpfs without exec; Triton, in training, loads what it compiles into $HOME, which is /tmp.
        assert service["tmpfs"] == (["/tmp:exec"] if name == "training" else ["/tmp"]), name


@pytest.fixture
def checkout(tmp_path):
    """A copy of docker/, and a `docker` that tells the digest in answer.txt beside it."""
    shutil.copytree(_DOCKER, tmp_path / "docker")
    for path in (tmp_path / "docker").glob("*.Dockerfile"):
        path.write_text(re.sub(r"@sha256:[0-9a-f]{64}", "", path.read_text()))
    (tmp_path / "docker.asked").write_text("")
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/docker.asked\ncat {tmp_path}/answer.txt\n')
    program.chmod(0o755)
    return tmp_path


def _pin(checkout: Path, *words: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PATH": f"{checkout / 'bin'}:{os.environ['PATH']}"}
    command = [checkout / "docker" / "pin_images.sh", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_base_image_stands_with_its_digest():
    command = [_DOCKER / "pin_images.sh", "--check"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


def test_images_are_pinned_by_the_digest_that_the_registry_tells(checkout):
    (checkout / "answer.txt").write_text(_DIGEST + "\n")
    found = _pin(checkout, "--check")
    assert found.returncode == 1
    assert "ros:jazzy-ros-base" in found.stderr
    assert _pin(checkout).returncode == 0
    assert _pin(checkout, "--check").returncode == 0
    for path in (checkout / "docker").glob("*.Dockerfile"):
        original = (_DOCKER / path.name).read_text()
        stages = set(re.findall(r" AS (\w+)$", original, re.MULTILINE))
        for line in re.findall(r"^FROM (.+)$", path.read_text(), re.MULTILINE):
            image = line.split()[0]
            assert image in stages or image.endswith(f"@{_DIGEST}"), line
        assert re.sub(r"@sha256:[0-9a-f]{64}", "", path.read_text()) == re.sub(r"@sha256:[0-9a-f]{64}", "", original)
    assert len((checkout / "docker.asked").read_text().splitlines()) == 3  # each image once


def test_what_is_no_digest_is_not_written(checkout):
    (checkout / "answer.txt").write_text("")
    before = {path: path.read_text() for path in (checkout / "docker").glob("*.Dockerfile")}
    told = _pin(checkout)
    assert told.returncode == 1
    assert "expected a digest sha256:... from the registry, found ''" in told.stderr
    assert {path: path.read_text() for path in before} == before
