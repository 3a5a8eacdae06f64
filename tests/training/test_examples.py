"""The programs of docs/examples that need the training package: each runs as a newcomer would run it."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_a_data_set_of_ones_own_gives_its_scans(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "add_a_dataset.py")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"00{k}: 1000 points, 100 of a car" for k in range(3)]


@pytest.mark.slow
def test_olivine_pretrains_on_synthetic_streets(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "pretrain_olivine.py"), "2"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "step 1: point_pixel " in done.stdout
    assert (tmp_path / "pretrain_olivine" / "checkpoints" / "last.json").is_file()


def test_every_example_is_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}
    assert {name: length for name, length in lengths.items() if length >= 80} == {}
