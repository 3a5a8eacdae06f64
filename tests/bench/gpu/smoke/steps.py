"""Steps of the smoke test: each is told as ok, failed or left out, and the next one follows whatever happened."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from tests.bench.gpu.smoke.outcome import FAILED, LEFT_OUT, OK, Outcome

_LONGEST_MESSAGE = 600


class LeftOutError(Exception):
    """This machine cannot do the step; the text says why."""


@dataclass(frozen=True)
class Step:
    """One thing that has to work; run(device) says in a line what it found, or raises."""

    name: str
    run: Callable[[torch.device], str]


def run_steps(steps: Sequence[Step], device: torch.device) -> Iterator[Outcome]:
    """All of them, one after the other."""
    for step in steps:
        started_s = time.monotonic()
        try:
            verdict, message = OK, step.run(device)
            if device.type == "cuda":
                torch.cuda.synchronize(device)  # an error of a kernel belongs to its own step
        except LeftOutError as reason:
            verdict, message = LEFT_OUT, str(reason)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            verdict, message = FAILED, f"{type(error).__name__}: {error} [{where.name}, line {where.lineno}]"
        yield Outcome(step.name, verdict, " ".join(message.split())[:_LONGEST_MESSAGE], time.monotonic() - started_s)


def require_close(name: str, difference: float, limit: float) -> str:
    """A line of text, or RuntimeError where the difference is above its limit or no number."""
    if not difference <= limit:
        raise RuntimeError(f"{name}: expected a difference of at most {limit:g}, found {difference:g}")
    return f"{name} {difference:.1e}"
