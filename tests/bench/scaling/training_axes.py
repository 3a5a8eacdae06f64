"""Steps of pre-training against processes, and what processes exchange against the size of the network. gloo on this machine."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.scaling.axis import Axis, Ratio, speed_up

_MILLION_WEIGHTS = (1, 2, 4, 8, 16, 32)
_REPEATS = 15
_STEPS, _WARM = 9, 2
BATCH = 2


def processes() -> tuple[Ratio, dict[str, Any]]:
    """Two processes against one, clouds for clouds; and what the one told: seconds of its steps, weights of its network."""
    alone, together = _train(1)[0], _train(2)
    # Two processes do two batches in a step; as fast as one would be half the time for the same clouds.
    both_s = [max(each) / 2 for each in zip(*(told["wall_s"] for told in together), strict=True)]
    how = f"pre-training steps of {BATCH} sweeps with six pictures each, the small network, one thread a process; wall time"
    return speed_up("processes of pre-training", alone["wall_s"], both_s, 2, how), alone


def gradients() -> list[Axis]:
    """What averaging the gradients of two processes takes."""
    told = _children(2, ["gradients"])[0]
    x = tuple(4e6 * count / 1e9 for count in _MILLION_WEIGHTS)
    how = f"average_gradients() of two processes on this machine, by gloo; the fastest of {_REPEATS}"
    return [Axis("gradients: time", "GB of gradients", "s a step", x, tuple(told["seconds"]), how)]


def _train(count: int) -> list[dict[str, Any]]:
    """What each of so many processes tells of its steps."""
    with tempfile.TemporaryDirectory() as out:
        return _children(count, ["train", out])


def _children(count: int, arguments: list[str]) -> list[dict[str, Any]]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    started = []
    for rank in range(count):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = {**os.environ, **{name: str(value) for name, value in place.items()}, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.bench.scaling.training_axes", *arguments]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    told = [child.communicate(timeout=900)[0] for child in started]
    if any(child.returncode for child in started):
        raise RuntimeError(
            f"expected {count} processes to end well, found exit codes {[c.returncode for c in started]}."
        )
    return [json.loads(text.splitlines()[-1]) for text in told]


def _train_here(out: Path) -> dict[str, Any]:
    """Pre-train a few steps; the wall and processor time between the ends of steps."""
    from offline_training.pretraining.config import pretrain_config_of
    from offline_training.pretraining.pretrain import pretrain
    from offline_training.runs import step_run
    from tests.bench.training.pretrain_step import settings

    moments: list[tuple[float, float]] = []
    weights: list[int] = []
    finish = step_run.StepRun.on_train_batch_end

    def noted(self: Any, *arguments: Any, **named: Any) -> None:
        finish(self, *arguments, **named)
        moments.append((time.perf_counter(), time.process_time()))
        weights[:] = [sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)]

    step_run.StepRun.on_train_batch_end = noted  # type: ignore[method-assign]
    pretrain(pretrain_config_of({**settings(str(out), "espnet", _STEPS), "batch_size": BATCH}, "benchmark"))
    steps = list(zip(moments[_WARM:], moments[_WARM + 1 :], strict=False))
    return {"wall_s": [b[0] - a[0] for a, b in steps], "cpu_s": [b[1] - a[1] for a, b in steps], "weights": weights[0]}


def _gradients_here() -> dict[str, Any]:
    import torch

    from offline_training.runs.ranks import average_gradients, joined_ranks

    seconds = []
    with joined_ranks(uses_cuda=False):
        for count in _MILLION_WEIGHTS:
            weight = torch.nn.Parameter(torch.zeros(count * 1_000_000))
            weight.grad = torch.ones_like(weight)
            times_s = []
            for _ in range(_REPEATS):
                started_s = time.perf_counter()
                average_gradients([weight])
                times_s.append(time.perf_counter() - started_s)
            seconds.append(min(times_s))
    return {"seconds": seconds}


if __name__ == "__main__":
    told = _train_here(Path(sys.argv[2]) / os.environ["RANK"]) if sys.argv[1] == "train" else _gradients_here()
    print(json.dumps(told))
