"""Row 38: a rank or a worker is killed, or shared memory is full: the run ends with the cause, soon, and goes on later."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offline_training.runs.checkpoint import load_checkpoint
from offline_training.runs.sharing.lost_processes import LostProcess, lost_processes_told
from tests.training.runs.two_rank_pretrain import free_port, start
from tests.training.training_log import wait_for_steps

_REPOSITORY = Path(__file__).resolve().parents[3]
_MOST_S = 60
_LITTLE = 192 << 10  # bytes of shared memory: room for semaphores and for no batch


def _alone(out: Path, wrapper: tuple[str, ...] = (), **changes: object) -> subprocess.Popen:
    """A run with a worker that prepares its batches."""
    settings = {"max_steps": 100000, "checkpoint_every": 1, "workers": 1, "batch_size": 8} | changes
    command = [sys.executable, "-m", "tests.training.runs.two_rank_pretrain", str(out), json.dumps(settings)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*wrapper, *command], env=environment, cwd=_REPOSITORY, stderr=subprocess.PIPE)


def _end(process: subprocess.Popen) -> tuple[str, float]:
    """What it said, and the seconds until it had ended."""
    began_s = time.monotonic()
    told = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 1, told
    return told, time.monotonic() - began_s


def _workers_of(process: subprocess.Popen) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


@pytest.mark.slow
def test_when_a_rank_is_killed_the_other_ends_with_the_cause(tmp_path, figures):
    port = free_port()
    ranks = [start(tmp_path, rank, port, {"max_steps": 100000, "batch_size": 1}) for rank in (0, 1)]
    wait_for_steps(tmp_path, 2, ranks[0])
    ranks[1].send_signal(signal.SIGKILL)
    told, took_s = _end(ranks[0])
    ranks[1].communicate()
    assert "LostProcess: ranks: expected all processes of the run to keep running, found another one gone" in told
    figures.count("kills", 1)
    figures.most("s until the run has ended", took_s)
    assert took_s < _MOST_S


@pytest.mark.slow
def test_when_a_worker_is_killed_the_run_ends_with_the_cause_and_its_last_checkpoint(tmp_path, figures):
    process = _alone(tmp_path)
    wait_for_steps(tmp_path, 2, process)
    os.kill(_workers_of(process)[0], signal.SIGKILL)
    told, took_s = _end(process)
    assert "LostProcess: workers: expected every process that prepares batches to live, found one ended" in told
    assert load_checkpoint(tmp_path / "checkpoints").step >= 1
    figures.count("kills", 1)
    figures.most("s until the run has ended", took_s)
    assert took_s < _MOST_S


@pytest.mark.slow
def test_when_shared_memory_is_full_the_run_ends_and_says_what_to_do(tmp_path, figures):
    mount = f"mount -t tmpfs -o size={_LITTLE} tmpfs /dev/shm"
    if subprocess.run(["unshare", "--mount", "sh", "-c", mount], capture_output=True, check=False).returncode == 0:
        process = _alone(tmp_path, ("unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"))
    else:  # who may not mount meets the same end at the largest file that is allowed
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LITTLE, before[1]))
        process = _alone(tmp_path)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told, took_s = _end(process)
    assert "LostProcess: workers: expected" in told
    figures.most("s until the run has ended, with its start", took_s)
    assert took_s < _MOST_S * max(1.0, os.getloadavg()[0] / 2)


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ... shared memory", "workers: expected room"),
        ("DataLoader worker (pid(s) 7) exited unexpectedly", "workers: expected every"),
        ("[gloo/transport/tcp/pair.cc:544] Connection closed by peer [127.0.0.1]:59066", "ranks: "),
        ("NCCL communicator was aborted on rank 0", "ranks: "),
    ],
)  # fmt: skip
def test_what_torch_says_becomes_what_to_do(said, begins):
    with pytest.raises(LostProcess, match=begins), lost_processes_told():
        raise RuntimeError(said)


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), OSError(28, "No space left on device")])
def test_any_other_error_stays_what_it_is(error):
    with pytest.raises(type(error)) as caught, lost_processes_told():
        raise error
    assert caught.value is error
