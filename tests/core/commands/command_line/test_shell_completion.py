"""What both programs answer to the shell's Tab key, asked as argcomplete's shell functions ask: in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tab_key import REPOSITORY, offered

CORE = "lidar_vl_core.commands.cli"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lidar-vl re", {"replay"}),
        ("lidar-vl replay drive.mcap --over", {"--overwrite"}),
        ("lidar-vl segment cloud.bin --model dem", {"demo", "demo_detector"}),
        ("lidar-vl replay drive.mcap --label-table semantic_k", {"semantic_kitti", "semantic_kitti19"}),
        ("lidar-vl replay drive.mcap --vocabulary nuscenes16", {"nuscenes16", "nuscenes16_driving"}),
        ("lidar-vl query cloud.bin door --engine f", {"fused"}),
    ],
)
def test_commands_options_and_names_are_offered(line: str, expected: set[str], tmp_path: Path) -> None:
    assert offered(CORE, line, tmp_path) == expected


def test_files_are_offered_beside_the_names(tmp_path: Path) -> None:
    (tmp_path / "dense_package").mkdir()
    assert offered(CORE, "lidar-vl query cloud.bin door --model de", tmp_path, tmp_path) == {
        "demo",
        "demo_detector",
        "dense_package/",
    }


def test_nothing_of_it_is_imported_unless_the_shell_asks() -> None:
    code = f"import sys, {CORE} as cli\ntry: cli.main(['--version'])\nexcept SystemExit: print('argcomplete' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    program, told = shown.stdout.splitlines()
    assert program.startswith("lidar-vl ")
    assert told == "False"


@pytest.mark.parametrize("entry", ["lidar_vl_core/commands/cli.py", "offline_training/cli/main.py"])
def test_global_completion_finds_its_mark(entry: str) -> None:
    assert "PYTHON_ARGCOMPLETE_OK" in (REPOSITORY / entry).read_text()[:1024]
