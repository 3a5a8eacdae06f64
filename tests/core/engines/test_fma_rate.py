"""The benchmark's loop of multiply-adds computes what it says, and has nothing but them."""

import re

import numpy as np
import pytest

from tests.bench.core import fma_rate


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_every_sum_is_multiplied_and_added_to_in_every_step(steps: int):
    factor, addend = np.float32(0.5), np.float32(1.0)
    sums = factor * np.arange(fma_rate.SUMS, dtype=np.float32)
    for _ in range(steps):
        sums = sums * factor + addend
    assert fma_rate.multiply_add_loop(steps, factor, addend) == sums.sum()


def test_no_sum_is_left_out_by_the_compiler_and_none_goes_through_memory():
    fma_rate.multiply_add_loop(1, np.float32(0.5), np.float32(1.0))
    (code,) = fma_rate.multiply_add_loop.inspect_asm().values()
    wide = [line.split() for line in code.splitlines() if re.search(r"\b(vfn?madd\w*ps|fmla)\b", line)]
    in_memory = [line for line in wide if any("(" in operand or "[" in operand for operand in line[1:])]
    assert len(wide) >= fma_rate.SUMS
    assert in_memory == []
