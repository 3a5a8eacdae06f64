"""What our stub says of TensorRT is what the installed module has: a call that does not exist is found without a GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

from cuda.bindings import runtime

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


def test_every_call_of_cuda_is_one_that_its_bindings_have():
    source = (REPOSITORY / "lidar_vl_core" / "engines" / "tensorrt" / "cuda.py").read_text()
    calls = set(re.findall(r'_call\("(cuda\w+)"', source))
    assert len(calls) > 15
    assert {name for name in calls if not hasattr(runtime, name)} == set()
    kinds = set(re.findall(r"_runtime\.(cuda\w+)\.(cuda\w+)", source))
    assert len(kinds) == 3
    assert {kind for kind in kinds if not hasattr(getattr(runtime, kind[0]), kind[1])} == set()
    assert int(runtime.cudaStream_t(5)) == 5  # as TensorRT takes it
