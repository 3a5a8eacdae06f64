"""The programs of docs/examples that need the training package: each runs as a newcomer would run it."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def test_a_data_set_of_ones_own_gives_its_scans(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "add_a_dataset.py")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"00{k}: 1000 points, 100 of a car" for k in range(3)]
