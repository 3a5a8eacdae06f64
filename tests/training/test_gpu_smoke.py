"""The smoke test of the GPU benchmark, as far as a CPU tells: each step is told, also one that fails, dies or hangs."""

import pytest
import torch

from tests.bench.gpu.__main__ import main
from tests.bench.gpu.smoke import form_steps, groups, map_steps, peer_steps
from tests.bench.gpu.smoke.groups import outcomes_of
from tests.bench.gpu.smoke.outcome import FAILED, LEFT_OUT, OK
from tests.bench.gpu.smoke.steps import LeftOutError, Step, run_steps

CPU = torch.device("cpu")


def test_on_a_cpu_the_smoke_test_runs_packages_with_the_one_thread_with_which_spconv_is_right(monkeypatch):
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    assert "spconv, layer, fp32" in [step.name for step in peer_steps.steps(CPU)]
    assert threads == [1]


def test_without_a_cuda_device_it_ends_with_what_to_do(capsys):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert main([]) == 2
    assert "--device cuda: expected a CUDA device, found none" in capsys.readouterr().err


def test_a_step_that_fails_is_told_and_the_next_one_follows():
    def leaves_out(_device: torch.device) -> str:
        raise LeftOutError("no GPU")

    steps = [
        Step("a", lambda _: "1 / 0"),
        Step("b", lambda _: str(1 / 0)),
        Step("c", leaves_out),
        Step("d", lambda _: ""),
    ]
    outcomes = list(run_steps(steps, CPU))
    assert [each.verdict for each in outcomes] == [OK, FAILED, LEFT_OUT, OK]
    assert "ZeroDivisionError: division by zero" in outcomes[1].message
    assert outcomes[2].message == "no GPU"


def test_a_process_that_dies_or_hangs_is_one_more_step_that_failed(monkeypatch, tmp_path):
    monkeypatch.setattr(groups.sys, "executable", "false")
    assert [each.verdict for each in outcomes_of("ranks", "cpu")] == [FAILED]
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nsleep 20\n")
    hangs.chmod(0o755)
    monkeypatch.setattr(groups.sys, "executable", str(hangs))
    monkeypatch.setitem(groups.GROUPS, "ranks", ("", 0.2))
    assert "not done after 0.2 s" in next(iter(outcomes_of("ranks", "cpu"))).message


def test_the_paths_of_a_cpu_are_ok(monkeypatch):
    monkeypatch.setattr(form_steps, "_VOXELS", 300)
    asked = [
        step
        for step in form_steps.steps(CPU)
        if step.name in ("form offset, fp32", "form auto, bf16", "form triton, fp16")
    ]
    assert [each.verdict for each in run_steps(asked, CPU)] == [OK, OK, LEFT_OUT]
    assert [each.verdict for each in run_steps(map_steps.steps(CPU), CPU)] == [OK] * 4
