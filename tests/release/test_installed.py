"""What a release gives: sdist and wheel, installed where nothing else of this repository is, label a cloud and find boxes.

`make test-release` runs these; they need a package index. Every Python 3.10 to 3.13 of this machine is tried, with numpy 1.26 and 2.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lidar_vl_core.foundation.version import VERSION

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "docs" / "examples"
BUILD = "from setuptools import build_meta as b; import sys; getattr(b, 'build_' + sys.argv[1])(sys.argv[2])"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NUMPY_OF = {"1.26": "numpy==1.26.*", "2": "numpy>=2"}
NO_WHEELS = {("3.13", "1.26")}  # numpy 1.26 knows Python 3.9 to 3.12


def found_python(version: str) -> str | None:
    """An interpreter of that version: this one, on the path, or one of pyenv's."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    of_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    return str(of_pyenv[-1]) if of_pyenv else shutil.which(f"python{version}")


CASES = [
    pytest.param(python, numpy, id=f"Python {version}, numpy {numpy}")
    for version in PYTHONS
    if (python := found_python(version)) is not None
    for numpy in NUMPY_OF
    if (version, numpy) not in NO_WHEELS
]


def run(*command: str | Path, cwd: Path) -> str:
    """What it prints; nothing of this repository is on its path."""
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """Built from the files that git knows."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).splitlines():
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, source / name)
    run(sys.executable, "-c", BUILD, "sdist", out, cwd=source)
    return next(out.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    """Built from the sdist alone."""
    unpacked, out = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("wheel")
    run("tar", "-xzf", sdist, "-C", unpacked, cwd=unpacked)
    run(sys.executable, "-c", BUILD, "wheel", out, cwd=next(unpacked.iterdir()))
    return next(out.glob("*.whl"))


@pytest.fixture
def installed(tmp_path, wheel):
    """Installs the wheel into a new environment: (python, *what `uv pip install` takes) -> its folder of programs."""

    def install(python: str, *words: str | Path) -> Path:
        bin_folder = tmp_path / "env" / "bin"
        if not bin_folder.exists():
            run(python, "-m", "venv", "env", cwd=tmp_path)
        run(sys.executable, "-m", "uv", "pip", "install", "-q", "--python", bin_folder / "python", *words, cwd=tmp_path)
        return bin_folder

    return install


def test_the_wheel_holds_all_that_the_packages_read_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = ("lidar_vl_core", "offline_training")
    tracked = run("git", "ls-files", *packages, cwd=REPOSITORY).splitlines()
    assert set(tracked) <= names
    assert {name.partition("/")[0] for name in names} == {*packages, f"lidar_vl-{VERSION}.dist-info"}


@pytest.mark.parametrize(("python", "numpy"), CASES)
def test_the_core_alone_labels_a_cloud_and_finds_boxes(installed, wheel, tmp_path, python, numpy):
    programs = installed(python, wheel, NUMPY_OF[numpy])
    assert run(programs / "python", "-c", "import numpy; print(numpy.__version__)", cwd=tmp_path).startswith(
        f"{numpy}."
    )
    assert run(programs / "lidar-vl", "--version", cwd=tmp_path).startswith(f"lidar-vl {VERSION}")
    assert "driveable_surface" in run(programs / "python", EXAMPLES / "segment_a_cloud.py", cwd=tmp_path)
    assert "boxes" in run(programs / "python", EXAMPLES / "detect_boxes.py", cwd=tmp_path)
    told = run(programs / "lidar-vl", "segment", "labelled.ply", "--model", "demo", "--out", "again.npz", cwd=tmp_path)
    assert re.search(r"car +\d", told)
    without = run(programs / "python", "-m", "pip", "list", "--disable-pip-version-check", cwd=tmp_path)
    assert not re.search(r"^(torch|matplotlib|rclpy|huggingface)", without, re.MULTILINE)


def test_with_the_extra_of_training_a_network_is_pre_trained(installed, wheel, tmp_path):
    versions = re.findall(r"^\S+==[^\\\n]+", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    (tmp_path / "versions.txt").write_text("\n".join(versions))  # with hashes pip would want one of the wheel, too
    run(sys.executable, "-m", "venv", "env", cwd=tmp_path)
    torch = next(version for version in versions if version.startswith("torch=="))
    run(
        "env/bin/pip", "install", "-q", torch, cwd=tmp_path
    )  # takes the build that fits the machine, uv the one for CUDA
    programs = installed(sys.executable, "-c", "versions.txt", f"{wheel}[train,synthetic]")
    assert "pretrain" in run(programs / "lidar-vl-train", "--help", cwd=tmp_path)
    assert "checkpoint:" in run(programs / "python", EXAMPLES / "pretrain_olivine.py", "1", cwd=tmp_path)
