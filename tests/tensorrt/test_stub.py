"""What our stub says of TensorRT is what the installed module has: a call that does not exist is found without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_stub_names_nothing_that_the_module_lacks():
    command = [
        sys.executable,
        "-m",
        "mypy.stubtest",
        "tensorrt_rtx",
        "--ignore-missing-stub",
        "--ignore-disjoint-bases",
    ]
    environment = os.environ | {"MYPYPATH": str(REPOSITORY / "stubs")}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
