"""SIGTERM ends every command as Ctrl-C does: in one line, with its temporaries gone, nothing half written."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.clouds.point_cloud import PointCloud
from tests.written.labelled_bags import write_labelled_bag

_COMMAND = """
import sys, tempfile, time
from pathlib import Path
from lidar_vl_core.foundation.result_folder import result_folder

def run(options):
    place = Path(sys.argv[1])
    with result_folder(place / "out", {"a"}), tempfile.TemporaryDirectory(dir=place):
        print("at work", flush=True)
        time.sleep(60)

class Parser:
    prog = "it"
    def parse_args(self, _arguments):
        import argparse
        return argparse.Namespace(run=run)

MODULE.command_parser = Parser
MODULE.complete_where_asked = lambda *_: None
sys.exit(MODULE.main([]))
"""


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit that it is ignored


@pytest.mark.parametrize(
    ("module", "name"), [("lidar_vl_core.commands.cli", "lidar-vl"), ("offline_training.cli.main", "lidar-vl-train")]
)
@pytest.mark.parametrize(
    ("signum", "code", "told"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_a_command_in_one_line_with_its_temporaries_gone(tmp_path, module, name, signum, code, told):
    script = f"import {module} as MODULE\n{_COMMAND}"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_ctrl_c,
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signum)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == code
    assert errors.startswith(f"{name}: {told}")
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_nothing_half_written(tiny_package: Path, tmp_path: Path) -> None:
    bag = tmp_path / "long.mcap"
    xyz_m = np.random.default_rng(1).uniform(-40, 40, (30_000, 3)).astype(np.float32)
    still = (PointCloud(xyz_m, np.zeros(len(xyz_m), np.float32), 1 + k, "lidar") for k in range(120))
    write_labelled_bag(bag, still)
    command = [sys.executable, "-m", "lidar_vl_core.commands.cli", "replay", str(bag), "--model", str(tiny_package)]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True, preexec_fn=_heed_ctrl_c
    )
    deadline_s = time.monotonic() + 60
    while not list(tmp_path.glob(".out.*/new/.predictions*")):  # at work
        assert time.monotonic() < deadline_s
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    # A shell shows 130 for both: Python ends itself by the signal where it met it inside exec(), as imports use it.
    assert process.returncode in (130, -signal.SIGINT)
    assert said == "lidar-vl: interrupted, nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["long.mcap"]
