"""What this machine can do at most: multiply-adds in registers, and memory traffic. Run: python -m tests.bench.core.fma_rate

The two lines of a roofline. The multiply-adds are those of the fused engine, compiled as it is compiled, without any loads.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.engines.cpu.registers import LANES
from lidar_vl_core.foundation.threads import available_cores

SUMS = 12  # independent of each other: more than a multiply-add of 4 or 5 cycles on two ports keeps waiting
_STEPS = 200_000  # 12 sums of 16 lanes: about a millisecond
_VALUES = 16 * 1024 * 1024  # of each array: 64 MB, more than a cache holds
_REPEATS = 60  # short and many: some of them are not disturbed


def measured_fma_rate(threads: int) -> float:
    """GFLOP/s of float32 multiply-adds in registers on so many threads together; the fastest of some short runs.

    The fastest, as a peak is asked for: whatever else runs only takes from it.
    """
    factor, addend = np.float32(0.5), np.float32(1.0)  # sums tend to 2: neither overflow nor denormal numbers
    seconds = _fastest_together(threads, lambda _: multiply_add_loop(_STEPS, factor, addend))
    return threads * 2 * _STEPS * SUMS * LANES / seconds / 1e9


def measured_bandwidth(threads: int) -> float:
    """GB/s of STREAM's triad a = b + s * c on so many threads together: two arrays read, one written; the fastest run."""
    a, b, c = (np.full(_VALUES, value, np.float32) for value in (0.0, 1.0, 2.0))
    parts = list(zip(*(np.array_split(array, threads) for array in (a, b, c)), strict=True))
    seconds = _fastest_together(threads, lambda part: _triad(*parts[part], np.float32(3.0)), repeats=_REPEATS // 6)
    return 3 * a.nbytes / seconds / 1e9


def _fastest_together(threads: int, work: Callable[[int], Any], repeats: int = _REPEATS) -> float:
    """Seconds from the common start until the last of the threads is done, of the fastest repeat."""
    work(0)  # compiles
    started, done = np.zeros((repeats, threads)), np.zeros((repeats, threads))
    barrier = threading.Barrier(threads)

    def run(part: int) -> None:
        for repeat in range(repeats):
            barrier.wait()
            started[repeat, part] = time.perf_counter()
            work(part)
            done[repeat, part] = time.perf_counter()

    helpers = [threading.Thread(target=run, args=(part,)) for part in range(1, threads)]
    for helper in helpers:
        helper.start()
    run(0)
    for helper in helpers:
        helper.join()
    return float((done.max(axis=1) - started.min(axis=1)).min())


@intrinsic
def _multiply_adds(typing_context: Any, steps: Any, factor: Any, addend: Any) -> Any:
    """Add up `steps` times in each of some vector registers; returns one lane of their sum, so that none is left out."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        vector = ir.VectorType(ir.FloatType(), LANES)
        lane_0, all_lanes = (
            ir.Constant(ir.IntType(32), 0),
            ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES),
        )
        steps, *scalars = arguments
        undefined = ir.Constant(vector, ir.Undefined)
        factors, addends = (
            builder.shuffle_vector(builder.insert_element(undefined, scalar, lane_0), undefined, all_lanes)
            for scalar in scalars
        )
        multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{LANES}f32"
        )
        sums = [cgutils.alloca_once(builder, vector) for _ in range(SUMS)]
        for number, total in enumerate(sums):  # all different, or the compiler keeps one
            builder.store(builder.fmul(factors, ir.Constant(vector, [float(number)] * LANES)), total)
        with cgutils.for_range(builder, steps):
            for total in sums:
                builder.store(builder.call(multiply_add, [builder.load(total), factors, addends]), total)
        result = builder.load(sums[0])
        for total in sums[1:]:
            result = builder.fadd(result, builder.load(total))
        return builder.extract_element(result, lane_0)

    return types.float32(types.int64, types.float32, types.float32), generate


@njit(nogil=True)
def multiply_add_loop(steps: int, factor: float, addend: float) -> float:
    return _multiply_adds(steps, factor, addend)


@njit(nogil=True)
def _triad(a: np.ndarray, b: np.ndarray, c: np.ndarray, factor: float) -> None:
    for i in range(len(a)):
        a[i] = b[i] + factor * c[i]


def main() -> None:
    """Print the rates of one thread and of all cores together."""
    CommandLine(prog="python -m tests.bench.core.fma_rate", description=__doc__.splitlines()[0]).parse_args()
    print(f"{LANES} float32 in a vector register")
    for threads in sorted({1, available_cores()}):
        print(
            f"{threads} threads: {measured_fma_rate(threads):7.1f} GFLOP/s of multiply-adds in registers, "
            f"{measured_bandwidth(threads):6.1f} GB/s of triad"
        )


if __name__ == "__main__":
    main()
