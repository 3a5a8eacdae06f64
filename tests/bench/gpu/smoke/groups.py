"""The groups of steps, each in a process of its own: a kernel that goes wrong spoils CUDA for the rest of its process.

python -m tests.bench.gpu.smoke.groups GROUP --device cuda prints one line of JSON for each step.
"""

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.gpu.smoke.outcome import FAILED, Outcome

GROUPS = {  # module with steps(device), and seconds after which it is ended
    "machine": ("tests.bench.gpu.smoke.machine_steps", 60),
    "maps": ("tests.bench.gpu.smoke.map_steps", 60),
    "forms": ("tests.bench.gpu.smoke.form_steps", 240),
    "peers": ("tests.bench.gpu.smoke.peer_steps", 240),
    "kernels": ("tests.bench.gpu.smoke.kernel_steps", 240),
    "vehicle": ("tests.bench.gpu.smoke.vehicle_steps", 600),
    "training": ("tests.bench.gpu.smoke.training_steps", 300),
    "ranks": ("tests.bench.gpu.smoke.rank_steps", 90),
}


def outcomes_of(group: str, device: str) -> Iterator[Outcome]:
    """What came of a group's steps, as they end; one more that failed where the process itself did."""
    _, seconds = GROUPS[group]
    command = [sys.executable, "-m", "tests.bench.gpu.smoke.groups", group, "--device", device]
    # In a session of its own, so that what it started ends with it.
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said, complaints = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        said, complaints = child.communicate()
        complaints = f"{complaints}\nnot done after {seconds} s"
    for line in said.splitlines():
        if line.startswith('{"step"'):
            yield Outcome(**json.loads(line))
    if child.returncode:
        words = " | ".join(complaints.strip().splitlines()[-3:])
        yield Outcome(
            f"{group}: the process", FAILED, f"expected exit code 0, found {child.returncode}: {words}"[-600:], 0.0
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one group here."""
    parser = CommandLine(prog="python -m tests.bench.gpu.smoke.groups")
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("--device", default="cuda")
    asked = parser.parse_args(arguments)
    import torch

    from tests.bench.gpu.smoke.steps import run_steps

    device = torch.device(asked.device)
    for outcome in run_steps(importlib.import_module(GROUPS[asked.group][0]).steps(device), device):
        print(json.dumps(outcome.to_dict()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
