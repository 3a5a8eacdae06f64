"""Commands of the pages that need no data set and no ROS graph are run as written, with the packaged models on a short drive."""

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import lidar_vl_core
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.commands import cli
from offline_training.cli import main as training_cli
from offline_training.synthetic.sensors import drive
from tests.pages import PAGES, Command, blocks, name_of, shell_commands
from tests.written.embedding_packages import write_embedding_package

MAIN: dict[str, Callable[..., int]] = {"lidar-vl": cli.main, "lidar-vl-train": training_cli.main}
ASKED_WORDS = ("a", "in", "car", "person", "wheelchair", "fallen", "tree", "red", "chair", "sofa", "table")
NEEDS_MORE = {"build-engine", "--tensorrt", "top", "--version"}  # TensorRT, a running node; the last is no command


def runs_here(command: Command) -> bool:
    words = command.words
    if NEEDS_MORE & set(words) or any(word.startswith("/") and word.endswith(".mcap") for word in words):
        return False
    of_training = (("lidar-vl-train", "check-data", "ros_bag"), ("lidar-vl-train", "export", "demo"))
    return words[0] == "lidar-vl" or words[:3] in of_training


COMMANDS = {command.words: command for page in PAGES for command in shell_commands(page) if runs_here(command)}
PAGES_IN_PYTHON = [page for page in PAGES if blocks(page, "python")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Everything that the commands read, by the names that they use."""
    folder = tmp_path_factory.mktemp("inputs")
    recording = folder / "drive.mcap"
    assert drive.main(["--out", str(recording), "--seed", "13", "--frames", "3", "--image-width", "160"]) == 0
    (folder / "data").mkdir()
    os.link(recording, folder / "data" / "my_drive.mcap")
    with open_recording(recording) as opened:
        clouds = [frame.cloud for frame in opened.frames()]
    for name in ("clouds", "my_clouds", "my_scans"):
        (folder / name).mkdir()
        for number, cloud in enumerate(clouds):
            np.column_stack([cloud.xyz_m, cloud.intensity]).astype("<f4").tofile(folder / name / f"{number:06}.bin")
    os.link(folder / "clouds" / "000000.bin", folder / "000000.bin")
    lidar_vl_core.load("demo").segment(clouds[0]).save(folder / "scan.ply")
    for package in ("demo", "demo_detector"):
        shipped = Path(lidar_vl_core.__file__).parent / "models" / package
        shutil.copytree(shipped, folder / package.replace("demo", "my"))
    os.rename(folder / "my", folder / "my_model")
    write_embedding_package(folder / "my_words", words=ASKED_WORDS)
    return folder


@pytest.fixture
def workplace(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the inputs, where the command is run."""
    shutil.copytree(inputs, tmp_path / "here", copy_function=os.link)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS.values(), ids=str)
def test_a_command_of_the_pages_works_as_written(command, workplace):
    program, *arguments = command.words
    assert MAIN[program](arguments) == 0
    written = [path for option, path in pairwise(arguments) if option in ("--out", "--image")]
    assert [path for path in written if not (workplace / path).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_IN_PYTHON, ids=name_of)
def test_python_of_a_page_runs_as_written(page, workplace):
    points = np.fromfile(workplace / "000000.bin", "<f4").reshape(-1, 4)
    for block in blocks(page, "python"):
        exec(compile(block, name_of(page), "exec"), {"points": points})
