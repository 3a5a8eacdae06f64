"""Several runs at a time, in processes of their own: an end that reaches all of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys, time
from pathlib import Path
from offline_training.reproduction.base.jobs import run_in_jobs
from offline_training.runs.stopping import RunStopped, StopSignals

def run(name, folder):
    (folder / f"{name}.begun").touch()
    with StopSignals() as stop:
        for step in range(600):
            time.sleep(0.1)
            if stop.is_asked:
                (folder / f"{name}.saved").touch()
                stop.end_if_asked(f"stopped at step {step}")

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    try:
        list(run_in_jobs("study", run, [(name, folder) for name in "abcd"], 2))
    except RunStopped as stopped:
        print(stopped.told)
        sys.exit(stopped.code)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signum", "code", "to_all"),
    [(signal.SIGINT, 130, False), (signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)],
    ids=["ctrl-c to one", "ctrl-c in a terminal", "sigterm"],
)
def test_a_signal_lets_runs_under_way_save_and_begins_no_other(tmp_path, signum, code, to_all):
    (tmp_path / "study.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "study.py"), str(tmp_path)],
        stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, start_new_session=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + 60
    while len(list(tmp_path.glob("*.begun"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    time.sleep(0.5)
    if to_all:
        os.killpg(process.pid, signum)
    else:
        process.send_signal(signum)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == code
    assert told.endswith("saved; the same command resumes\n")
    assert {path.stem for path in tmp_path.glob("*.saved")} == {path.stem for path in tmp_path.glob("*.begun")}
    assert len(list(tmp_path.glob("*.begun"))) == 2
