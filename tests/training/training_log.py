"""What a training wrote of its steps, and waiting until it has."""

import json
import subprocess
import time
from pathlib import Path


def lines(out: Path) -> list[dict]:
    return [json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()]


def losses(out: Path) -> dict[int, float]:
    return {line["step"]: line["loss"] for line in lines(out) if "step" in line}


def wait_for_steps(out: Path, steps: int, process: subprocess.Popen) -> None:
    """Until the log has as many lines; the process must not end before."""
    log, deadline_s = out / "metrics.jsonl", time.monotonic() + 300
    while not (log.is_file() and log.read_text().count("\n") >= steps):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
