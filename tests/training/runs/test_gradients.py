"""Steps of several parts and in half precision: the gradient is that of the large batch in single precision, or the step is left out."""

import json
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from offline_training.runs.fit import fit, step_batches
from offline_training.runs.gradients.parts import Parts
from offline_training.runs.gradients.precision import LossScale, autocast
from offline_training.runs.run_config import AnyRunConfig
from offline_training.runs.step_run import Rhythm, StepRun

_SAMPLES = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
_Pair = namedtuple("_Pair", "first second")


@dataclass(frozen=True)
class _Rows:
    rows: Tensor
    names: tuple[str, ...] = ()
    pair: _Pair | None = None


class _Fitting(StepRun):
    """A linear layer that learns the sum of its inputs."""

    def __init__(self, config: AnyRunConfig, steps: int, factor: float = 1.0) -> None:
        super().__init__(config, Path(config.out), Rhythm(steps, 1000))
        self.network, self.factor, self.seen_types = nn.Linear(6, 1), factor, set()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)
        self.begin(None)

    def set_rates(self):
        return 0.1

    def losses(self, batch):
        answer = self.network(batch.rows)
        self.seen_types.add(answer.dtype)
        return {"loss": (answer.float().squeeze(1) - batch.rows.sum(1)).square().mean() * self.factor}

    def numbers(self, batch):
        return {"rows": len(batch.rows)}


def _trained(folder, steps=3, batch=8, accumulate=1, precision="32-true", factor=1.0):
    config = AnyRunConfig(out=str(folder), device="cpu", workers=0, precision=precision, progress=False)
    run = _Fitting(config, steps, factor)
    places = [[(step, place) for place in range(batch * accumulate)] for step in range(steps)]
    dataset = {place: _SAMPLES[(place[0] * 8 + place[1]) % 64] for step in places for place in step}
    batches = step_batches(dataset, places, lambda rows: _Rows(torch.stack(rows)), config, accumulate=accumulate)
    fit(run, batches)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return run, lines


@pytest.mark.parametrize("accumulate", [2, 4])
def test_parts_of_a_batch_make_the_step_of_the_whole(tmp_path, accumulate):
    whole, told = _trained(tmp_path / "whole", batch=8)
    parts, told_of_parts = _trained(tmp_path / "parts", batch=8 // accumulate, accumulate=accumulate)
    torch.testing.assert_close(parts.network.state_dict(), whole.network.state_dict())
    for one, other in zip(told_of_parts, told, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)
        assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-5)
        assert one["rows"] == 8 // accumulate


@pytest.mark.parametrize(("precision", "dtype"), [("bf16-mixed", torch.bfloat16), ("16-mixed", torch.float16)])
def test_a_half_precise_run_follows_the_single_precise_one(tmp_path, precision, dtype):
    single, _ = _trained(tmp_path / "single", steps=10, factor=0.1)
    half, told = _trained(tmp_path / "half", steps=10, precision=precision, factor=0.1)
    assert half.seen_types == {dtype}
    assert all(parameter.dtype == torch.float32 for parameter in half.network.parameters())
    torch.testing.assert_close(half.network.state_dict(), single.network.state_dict(), rtol=0.02, atol=0.02)
    assert ("loss_scale" in told[0]) == (precision == "16-mixed")


def test_a_gradient_that_the_loss_scale_makes_infinite_is_no_bad_step(tmp_path):
    run, told = _trained(tmp_path, steps=4, precision="16-mixed", factor=3e33)  # times 65,536 no float32
    assert [line["loss_scale"] for line in told] == [2.0**15, 2.0**14, 2.0**13, 2.0**12]
    assert told[-1]["bad_steps"] == 0
    assert all(bool(value.isfinite().all()) for value in run.network.state_dict().values())


def test_the_loss_scale_grows_after_good_steps_and_goes_on_where_it_was():
    scale = LossScale.of("16-mixed")
    for _ in range(1999):
        scale.update(is_bad=False)
    again = LossScale.of("16-mixed")
    again.restore(scale.to_state())
    again.update(is_bad=False)
    assert (scale.value, again.value) == (2.0**16, 2.0**17)
    gradient = torch.full((3,), 2.0**18)
    again.take_out([gradient])
    assert gradient.tolist() == [2.0] * 3
    for _ in range(40):
        again.update(is_bad=True)
    assert (again.value, again.can_shrink) == (1.0, False)
    assert LossScale.of("bf16-mixed").to_state() == {}


def test_auto_is_single_precision_on_a_processor():
    with autocast("auto", torch.device("cpu")):
        assert not torch.is_autocast_enabled("cpu")


def test_parts_move_every_tensor_and_stay_what_they_are_where_nothing_moves():
    part = _Rows(torch.ones(2), ("a",), _Pair(torch.ones(3), [torch.ones(4), 5]))
    parts = Parts((part,))
    assert parts.to("cpu").parts[0] is part
    moved = parts.to("meta").parts[0]
    assert (moved.rows.device.type, moved.pair.first.device.type, moved.pair.second[0].device.type) == ("meta",) * 3
    assert (moved.names, moved.pair.second[1]) == (("a",), 5)
