"""Vector registers as LLVM instructions: how many there are, and tiles of sums that stay in them.

What the products of the engine and of the training are written with; numba has no words for it.
"""

import re
from collections.abc import Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import config
from numba.core import cgutils


def _register_shape() -> tuple[int, int, int]:
    """Float32 values per vector register, registers per row of a tile, rows of a tile.

    Rows x registers of sums, one row of weights and one input value must fit in 32 registers, in 16 on AVX2.
    """
    if llvmlite.binding.get_default_triple().startswith(("aarch64", "arm64")):
        return 4, 4, 6
    features = config.CPU_FEATURES  # type: ignore[attr-defined]  # NUMBA_CPU_FEATURES: compile for another processor than this one
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    return (16, 4, 6) if re.search(r"\+avx512f\b", features) else (8, 3, 4)


LANES, MAX_VECTORS, TILE_ROWS = _register_shape()
INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_LANE_0 = ir.Constant(ir.IntType(32), 0)
_ALL_LANES = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)


class RegisterTile:
    """Sums of rows of vectors: loaded from memory, added to in registers, stored again."""

    def __init__(self, builder: ir.IRBuilder, rows: Sequence[ir.Value], vectors: int, align: int) -> None:
        """rows: a float pointer each, aligned to so many bytes."""
        self._builder, self._rows, self._vectors, self._align = builder, rows, vectors, align
        self._multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
        )
        self._sums: list[list[ir.Value]] = []
        for row in rows:
            self._sums.append([cgutils.alloca_once(builder, _VECTOR) for _ in range(vectors)])
            for number, total in enumerate(self._sums[-1]):
                builder.store(builder.load(self._vector_at(row, number), align=align), total)

    def add_products(self, scalars: Sequence[ir.Value], factors: ir.Value) -> None:
        """Each row of sums += its scalar times one row of vectors. scalars: a float pointer per row; factors: one."""
        builder = self._builder
        vectors = [builder.load(self._vector_at(factors, number), align=self._align) for number in range(self._vectors)]
        for pointer, sums in zip(scalars, self._sums, strict=True):
            scalar = builder.insert_element(_UNDEFINED, builder.load(pointer), _LANE_0)
            spread = builder.shuffle_vector(scalar, _UNDEFINED, _ALL_LANES)
            for vector, total in zip(vectors, sums, strict=True):
                builder.store(builder.call(self._multiply_add, [spread, vector, builder.load(total)]), total)

    def store(self) -> None:
        """Write the sums where they came from."""
        for row, sums in zip(self._rows, self._sums, strict=True):
            for number, total in enumerate(sums):
                self._builder.store(self._builder.load(total), self._vector_at(row, number), align=self._align)

    def _vector_at(self, row: ir.Value, number: int) -> ir.Value:
        return self._builder.gep(self._builder.bitcast(row, _VECTOR.as_pointer()), [INDEX(number)])


def rows_of_pair(builder: ir.IRBuilder, pairs: ir.Value, number: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Input row and output row of a pair, which is stored as input row << 32 | output row."""
    pair = builder.load(builder.gep(pairs, [number]))
    return builder.ashr(pair, INDEX(32)), builder.and_(pair, INDEX(0xFFFFFFFF))


def row_at(builder: ir.IRBuilder, array: ir.Value, row: ir.Value, stride: ir.Value) -> ir.Value:
    """Pointer to a row of so many values."""
    return builder.gep(array, [builder.mul(row, stride)])


def data_of_arrays(context: Any, builder: ir.IRBuilder, kinds: Sequence[Any], arrays: Sequence[Any]) -> list[ir.Value]:  # noqa: ANN401
    """Pointers to the first value of arrays that numba hands over."""
    return [context.make_array(kind)(context, builder, array).data for kind, array in zip(kinds, arrays, strict=True)]
