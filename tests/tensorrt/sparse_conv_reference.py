"""Random problems for the plugin's kernel, and their answers by plain numpy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SparseConvProblem:
    """y[i] = bias + sum_k x[table[i, k]] @ weight[k]; a row of the table that is no row of x is a missing neighbour."""

    x: np.ndarray  # (rows_in, c_in) float16 or float32
    table: np.ndarray  # (rows, kernel) int32
    weight: np.ndarray  # (kernel, c_in, c_out)
    bias: np.ndarray  # (c_out,)

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """rows_in, rows, kernel, c_in, c_out: in the order in which the kernel is told."""
        return len(self.x), *self.table.shape, *self.weight.shape[1:]

    def answer(self) -> np.ndarray:
        """(rows, c_out) in float64, from the numbers as they are stored."""
        padded = np.concatenate([self.x, np.zeros_like(self.x, shape=(1, self.x.shape[1]))]).astype(np.float64)
        known = (self.table >= 0) & (self.table < len(self.x))
        gathered = padded[np.where(known, self.table, len(self.x))]  # (rows, kernel, c_in)
        return np.einsum("rkc,kcn->rn", gathered, self.weight.astype(np.float64)) + self.bias

    def tolerance(self) -> float:
        """Largest error that the rounding of sums in float32, and of a float16 result, can explain."""
        step = np.finfo(self.x.dtype).eps
        return float(np.abs(self.answer()).max(initial=0) * step + 1e-5)


def random_problem(
    rows_in: int, rows: int, kernel: int, c_in: int, c_out: int, dtype: type = np.float32, filled: float = 0.3
) -> SparseConvProblem:
    """A problem in which that share of the neighbours exists."""
    rng = np.random.default_rng((rows, kernel, c_in, c_out))
    table = rng.integers(0, max(1, rows_in), (rows, kernel)).astype(np.int32)
    table[rng.uniform(size=table.shape) >= (filled if rows_in else 0)] = rows_in
    values = [rng.normal(size=shape).astype(dtype) for shape in ((rows_in, c_in), (kernel, c_in, c_out), (c_out,))]
    return SparseConvProblem(values[0], table, values[1] / np.sqrt(dtype(kernel * c_in)), values[2])
