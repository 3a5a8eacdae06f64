"""Ctrl-C and SIGTERM in a training, as a user gives them: to the command, in a process of its own; and longer runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from offline_training.cli.main import main
from offline_training.finetuning import finetune as finetune_module
from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.finetune import finetune
from offline_training.pretraining import pretrain as pretrain_module
from offline_training.pretraining.pretrain import pretrain
from offline_training.runs import step_run
from offline_training.runs.checkpoint import Checkpoint, load_checkpoint
from offline_training.runs.stopping import RunStopped, StopSignals
from tests.training.finetuning.rooms import Rooms, config, settings
from tests.training.pretraining import pretrain_scenes
from tests.training.training_log import losses, wait_for_steps

REPOSITORY = Path(__file__).resolve().parents[3]
COMMAND = """
import sys, time
from offline_training.cli.main import main
from offline_training.finetuning import finetune as module
from tests.training.finetuning.rooms import Rooms
if __name__ == "__main__":
    module.open_source = lambda *_: Rooms()
    if "--stuck" in sys.argv:
        right = module.Finetuning.losses
        def stuck(run, batch):
            if run.step == 3:
                print("stuck", flush=True)
                time.sleep(60)
            return right(run, batch)
        module.Finetuning.losses = stuck
    import offline_training.cli.training as training
    training.require_for_finetuning = lambda _: None
    sys.exit(main(["finetune", "--config", sys.argv[1]]))
"""


def command(folder: Path, *more: str, **changes: object) -> subprocess.Popen:
    """`lidar-vl-train finetune` of rooms in `folder`/run, as the leader of a group of processes."""
    path, script = folder / "run.yaml", folder / "command.py"
    path.write_text(yaml.safe_dump(settings(folder / "run", **changes)))
    script.write_text(COMMAND)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        [sys.executable, str(script), str(path), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip


def tensors(folder: Path) -> dict[str, bytes]:
    found = load_checkpoint(folder / "checkpoints").tensors
    return {name: tensor.numpy().tobytes() for name, tensor in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_signal_saves_and_says_so_in_one_line_and_the_same_command_ends_with_the_same_bytes(
    tmp_path, signum, workers, monkeypatch
):
    changes = {"max_steps": 40, "checkpoint_every": 100, "workers": workers}
    process = command(tmp_path, **changes)
    wait_for_steps(tmp_path / "run", 3, process)
    os.killpg(process.pid, signum) if signum == signal.SIGINT else process.send_signal(signum)  # a terminal tells all
    _, told = process.communicate(timeout=120)
    assert process.returncode in (130, 143), told
    step = load_checkpoint(tmp_path / "run" / "checkpoints").step
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[signum], told
    assert told.splitlines()[-1] == f"lidar-vl-train: stopped at step {step} of 40; saved; the same command resumes"
    assert 3 <= step < 40
    assert len(losses(tmp_path / "run")) == step
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    for name in ("run", "whole"):
        finetune(config(tmp_path / name, **{**changes, "workers": 0}))
    assert tensors(tmp_path / "run") == tensors(tmp_path / "whole")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


@pytest.mark.slow
def test_a_second_signal_ends_at_once_and_harms_no_checkpoint(tmp_path):
    process = command(tmp_path, "--stuck", max_steps=40, checkpoint_every=2)
    assert process.stdout.readline() == "stuck\n"
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None  # it waits for the end of the step
    begin_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=50)
    assert time.monotonic() - begin_s < 30
    assert process.returncode == 130
    assert told.splitlines()[-1].startswith("lidar-vl-train: interrupted")
    assert load_checkpoint(tmp_path / "run" / "checkpoints").step == 2


def stopping_at(step: int, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal within a method of the run, in that step."""
    right = getattr(finetune_module.Finetuning, method)

    def hit(run, *arguments):
        if run.step == step:
            monkeypatch.setattr(finetune_module.Finetuning, method, right)
            signal.raise_signal(signal.SIGTERM)
        return right(run, *arguments)

    monkeypatch.setattr(finetune_module.Finetuning, method, hit)


def test_a_signal_that_comes_while_the_processes_ask_each_other_is_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    right, asked = step_run.largest_over_ranks, []

    def ask(number, device):
        asked.append(number)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGTERM)  # after this process told what it knew
        return right(number, device)

    monkeypatch.setattr(step_run, "largest_over_ranks", ask)
    with pytest.raises(RunStopped) as stop:
        finetune(config(tmp_path, max_steps=6))
    assert stop.value.signum == signal.SIGTERM
    assert load_checkpoint(tmp_path / "checkpoints").step == 3


def description(folder: Path, name: str) -> dict:
    """Of a checkpoint, without the hash of the whole, which holds where it lies."""
    found = json.loads((folder / "checkpoints" / f"{name}.json").read_text())
    return {key: found[key] for key in ("step", "state", "tensors_sha256")}


@pytest.mark.parametrize("step", [4, 8])
def test_a_measurement_that_was_cut_short_is_made_up_for(tmp_path, monkeypatch, step):
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    changes = {"max_steps": 8, "validate_every": 4, "validation": [{"kind": "pandaset", "folder": "unused"}]}
    finetune(config(tmp_path / "whole", **changes))
    stopping_at(step, "validation", monkeypatch)
    with pytest.raises(RunStopped, match=f"stopped at step {step} of 8"):
        finetune(config(tmp_path / "cut", **changes))
    finetune(config(tmp_path / "cut", **changes))
    for name in ("last", "best"):
        assert description(tmp_path / "cut", name) == description(tmp_path / "whole", name)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch):
    """Fine-tuning and pre-training by name: (out, steps) -> checkpoint."""
    monkeypatch.setattr(finetune_module, "open_source", lambda *_: Rooms())
    monkeypatch.setattr(pretrain_module, "open_source", lambda *_: pretrain_scenes.Rooms(8))
    return {
        "finetune": lambda out, steps: finetune(config(out, max_steps=steps)),
        "pretrain": lambda out, steps: pretrain(pretrain_scenes.config(out, max_steps=steps)),
    }


@pytest.mark.parametrize("name", ["finetune", "pretrain"])
def test_a_finished_run_says_so_goes_on_with_more_steps_and_refuses_fewer(tmp_path, runs, name, caplog):
    run = runs[name]
    first = load_checkpoint(run(tmp_path, 2))
    caplog.clear()
    run(tmp_path, 2)
    assert "finished at step 2; raise max_steps to go on" in caplog.text
    caplog.clear()
    longer = load_checkpoint(run(tmp_path, 5))
    assert (first.step, longer.step) == (2, 5)
    assert "resumes at step 2 with max_steps 5 in place of 2" in caplog.text
    rates = [json.loads(text).get("learning_rate") for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    whole = tmp_path / "whole"
    run(whole, 5)
    of_five = [json.loads(text).get("learning_rate") for text in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [rate for rate in rates if rate is not None][2:] == [rate for rate in of_five if rate is not None][2:]
    with pytest.raises(BadConfig, match="max_steps: expected at least the 5 steps already done"):
        run(tmp_path, 4)
    assert load_checkpoint(tmp_path / "checkpoints").step == 5


def of_epochs(epochs: int) -> dict[str, int]:
    return {"epochs": epochs, "max_steps": FinetuneConfig.model_fields["max_steps"].default}


def test_epochs_are_raised_as_steps_are_but_one_is_not_the_other(tmp_path, runs):
    finetune(config(tmp_path, **of_epochs(1)))
    assert load_checkpoint(finetune(config(tmp_path, **of_epochs(2)))).step == 6
    with pytest.raises(BadConfig, match="epochs: expected at least the 6 steps"):
        finetune(config(tmp_path, **of_epochs(1)))
    with pytest.raises(BadCheckpoint, match="epochs: 2 there, None here"):
        finetune(config(tmp_path, max_steps=9))
    finetune(config(tmp_path / "steps", max_steps=2))
    with pytest.raises(BadCheckpoint, match="epochs: None there, 2 here"):
        finetune(config(tmp_path / "steps", **of_epochs(2)))


def test_signals_are_heard_only_while_somebody_listens():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        stop.end_if_asked("nobody asked")
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(RunStopped, match="stopped after 3 of 9 pictures; saved; the same command resumes") as ended:
            stop.end_if_asked("stopped after 3 of 9 pictures")
        assert ended.value.code == 143
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_command_tells_the_line_and_has_the_code_of_the_signal(tmp_path, runs, monkeypatch, capsys):
    monkeypatch.setattr("offline_training.cli.training.require_for_finetuning", lambda _: None)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(settings(tmp_path / "run", max_steps=5)))
    stopping_at(1, "losses", monkeypatch)
    assert main(["finetune", "--config", str(tmp_path / "c.yaml")]) == 143
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == "lidar-vl-train: stopped at step 2 of 5; saved; the same command resumes"
    )
    assert isinstance(load_checkpoint(tmp_path / "run" / "checkpoints"), Checkpoint)
    assert torch.isfinite(torch.tensor(list(losses(tmp_path / "run").values()))).all()
