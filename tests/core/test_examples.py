"""The programs of docs/examples that need no training: each runs as a newcomer would run it."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.written.embedding_packages import write_embedding_package

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def run(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_every_example_is_short() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py") if len(path.read_text().splitlines()) >= 80} == set()


def test_words_find_points_and_a_missing_word_shows_the_usage(tmp_path: Path) -> None:
    write_embedding_package(tmp_path / "package")
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "scan.npz", xyz_m=rng.uniform(-10, 10, (500, 3)).astype(np.float32), intensity=rng.random(500))
    done = run("ask_with_words.py", "package", "scan.npz", "car", "tree", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "points" in done.stdout
    assert (tmp_path / "words.png").exists()
    asked = run("ask_with_words.py", "package", cwd=tmp_path)
    assert (asked.returncode, "PACKAGE" in asked.stderr) == (1, True)
