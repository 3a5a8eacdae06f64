"""SIGTERM ends every command as Ctrl-C does: in one line, with its temporaries gone."""

import signal
import subprocess
import sys

import pytest

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
