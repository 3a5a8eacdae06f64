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


def _register_shape() -> tuple[int, int, int, bool]:
    """Float32 values per vector register, registers per row of a tile, rows of a tile, and whether bytes can be multiplied.

    Rows x registers of sums, one row of weights and one input value must fit in 32 registers, in 16 on AVX2.
    """
    if llvmlite.binding.get_default_triple().startswith(("aarch64", "arm64")):
        return 4, 4, 6, False
    features = config.CPU_FEATURES  # type: ignore[attr-defined]  # NUMBA_CPU_FEATURES: compile for another processor than this one
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    if re.search(r"\+avx512f\b", features):
        return 16, 4, 6, bool(re.search(r"\+avx512vnni\b", features))
    return 8, 3, 4, bool(re.search(r"\+avxvnni\b", features))


LANES, MAX_VECTORS, TILE_ROWS, HAS_VNNI = _register_shape()
INDEX = ir.IntType(64)
INT32 = ir.IntType(32)
_LANE_0 = ir.Constant(INT32, 0)
_ALL_LANES = ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES)


class RegisterTile:
    """Sums of rows of vectors: loaded from memory, added to in registers, stored again."""

    _lane: ir.Type = ir.FloatType()

    def __init__(self, builder: ir.IRBuilder, rows: Sequence[ir.Value], vectors: int, align: int) -> None:
        """rows: a pointer each, aligned to so many bytes."""
        self._builder, self._rows, self._vectors, self._align = builder, rows, vectors, align
        self._vector = ir.VectorType(self._lane, LANES)
        self._multiply_add = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(self._vector, [self._vector] * 3), self._instruction()
        )
        self._sums: list[list[ir.Value]] = []
        for row in rows:
            self._sums.append([cgutils.alloca_once(builder, self._vector) for _ in range(vectors)])
            for number, total in enumerate(self._sums[-1]):
                builder.store(builder.load(self._vector_at(row, number), align=align), total)

    def add_products(self, scalars: Sequence[ir.Value], factors: ir.Value) -> None:
        """Each row of sums += its scalar times one row of vectors. scalars: a pointer per row; factors: one."""
        builder, undefined = self._builder, ir.Constant(self._vector, ir.Undefined)
        vectors = [builder.load(self._vector_at(factors, number), align=self._align) for number in range(self._vectors)]
        for pointer, sums in zip(scalars, self._sums, strict=True):
            scalar = builder.insert_element(undefined, builder.load(pointer), _LANE_0)
            spread = builder.shuffle_vector(scalar, undefined, _ALL_LANES)
            for vector, total in zip(vectors, sums, strict=True):
                builder.store(self._added(spread, vector, builder.load(total)), total)

    def store(self) -> None:
        """Write the sums where they came from."""
        for row, sums in zip(self._rows, self._sums, strict=True):
            for number, total in enumerate(sums):
                self._builder.store(self._builder.load(total), self._vector_at(row, number), align=self._align)

    def _instruction(self) -> str:
        return f"llvm.fmuladd.v{LANES}f32"

    def _added(self, spread: ir.Value, vector: ir.Value, total: ir.Value) -> ir.Value:
        return self._builder.call(self._multiply_add, [spread, vector, total])

    def _vector_at(self, row: ir.Value, number: int) -> ir.Value:
        return self._builder.gep(self._builder.bitcast(row, self._vector.as_pointer()), [INDEX(number)])


class Int8Tile(RegisterTile):
    """Sums of int32: a scalar is four unsigned bytes, a lane of factors four signed ones, and all four products are added.

    VPDPBUSD, which neither saturates nor rounds. Only where HAS_VNNI.
    """

    _lane: ir.Type = INT32

    def _instruction(self) -> str:
        return f"llvm.x86.avx512.vpdpbusd.{32 * LANES}"

    def _added(self, spread: ir.Value, vector: ir.Value, total: ir.Value) -> ir.Value:
        return self._builder.call(self._multiply_add, [total, spread, vector])


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
