"""What happens to one vector of a layer's answers before and after the products, as LLVM instructions.

Loops over the few columns of a row, left to the compiler, spend their time on deciding whether arrays overlap.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lidar_vl_core.engines.cpu.registers import INT32, LANES, data_of_arrays

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTEGERS = ir.VectorType(INT32, LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)


def _set_sum(typing_context: Any, values: Any, y: Any, residual: Any, weights: Any, bias: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        values, y, residual, weights, bias = _pointers(context, builder, signature, arguments, (0, 3))
        total = builder.fadd(_load(builder, weights, bias), _load(builder, values, residual))
        _store(builder, total, values, y)
        return context.get_dummy_value()

    return types.void(values, types.int64, types.int64, weights, types.int64), generate


def _set_bias(typing_context: Any, values: Any, y: Any, weights: Any, bias: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        values, y, weights, bias = _pointers(context, builder, signature, arguments, (0, 2))
        _store(builder, _load(builder, weights, bias), values, y)
        return context.get_dummy_value()

    return types.void(values, types.int64, weights, types.int64), generate


def _rectify(typing_context: Any, values: Any, y: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        values, y = _pointers(context, builder, signature, arguments, (0,))
        value = _load(builder, values, y)
        _store(builder, _selected(builder, "<", value, _spread(0.0)), values, y)
        return context.get_dummy_value()

    return types.void(values, types.int64), generate


def _add_scaled(typing_context: Any, values: Any, y: Any, sums: Any, place: Any, weights: Any, scale: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        values, y, sums, place, weights, scale = _pointers(context, builder, signature, arguments, (0, 2, 4))
        total = builder.sitofp(_load(builder, sums, place, _INTEGERS), _FLOATS)
        product = builder.fmul(total, _load(builder, weights, scale))
        _store(builder, builder.fadd(_load(builder, values, y), product), values, y)
        return context.get_dummy_value()

    return types.void(values, types.int64, sums, types.int64, weights, types.int64), generate


def _round_to(typing_context: Any, octets: Any, place: Any, values: Any, y: Any, steps_per_unit: Any, zero: Any) -> Any:  # noqa: ANN401
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        octets, place, values, y, steps_per_unit, zero = _pointers(context, builder, signature, arguments, (0, 2))
        rint = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_FLOATS, [_FLOATS]), f"llvm.rint.v{LANES}f32"
        )
        steps = builder.call(
            rint, [builder.fmul(_load(builder, values, y), _broadcast(builder, steps_per_unit, _FLOATS))]
        )
        steps = _selected(builder, ">", _selected(builder, "<", steps, _spread(-128.0)), _spread(127.0))
        shifted = builder.add(builder.fptosi(steps, _INTEGERS), _broadcast(builder, zero, _INTEGERS))
        _store(builder, builder.trunc(shifted, _BYTES), octets, place)
        return context.get_dummy_value()

    return types.void(octets, types.int64, values, types.int64, types.float32, types.int32), generate


def _pointers(
    context: Any,  # noqa: ANN401
    builder: ir.IRBuilder,
    signature: Any,  # noqa: ANN401
    arguments: Sequence[Any],
    arrays: Sequence[int],
) -> list[ir.Value]:
    """The arguments, with the pointer to the first value instead of each array."""
    data = data_of_arrays(
        context, builder, [signature.args[place] for place in arrays], [arguments[place] for place in arrays]
    )
    replaced = dict(zip(arrays, data, strict=True))
    return [replaced.get(place, argument) for place, argument in enumerate(arguments)]


def _place(builder: ir.IRBuilder, array: ir.Value, index: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.bitcast(builder.gep(array, [index]), kind.as_pointer())


def _load(builder: ir.IRBuilder, array: ir.Value, index: ir.Value, kind: ir.Type = _FLOATS) -> ir.Value:
    return builder.load(_place(builder, array, index, kind), align=4 * LANES)


def _store(builder: ir.IRBuilder, vector: ir.Value, array: ir.Value, index: ir.Value) -> None:
    align = LANES if vector.type == _BYTES else 4 * LANES
    builder.store(vector, _place(builder, array, index, vector.type), align=align)


def _spread(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [value] * LANES)


def _selected(builder: ir.IRBuilder, unless: str, value: ir.Value, limit: ir.Value) -> ir.Value:
    """The value, but the limit where value < limit, or value > limit."""
    return builder.select(builder.fcmp_ordered(unless, value, limit), limit, value)


def _broadcast(builder: ir.IRBuilder, scalar: ir.Value, kind: ir.VectorType) -> ir.Value:
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_INTEGERS, [0] * LANES))


# Places count from the beginning of the array before them, in its own values, and begin a full vector.
set_bias: Any = intrinsic(_set_bias)  # (values, y, weights, bias): y = bias
set_sum: Any = intrinsic(_set_sum)  # (values, y, residual, weights, bias): y = bias + residual
add_scaled: Any = intrinsic(_add_scaled)  # (values, y, sums, place, weights, scale): y += scale * sums, which are int32
rectify: Any = intrinsic(_rectify)  # (values, y): y = max(y, 0)
round_to: Any = intrinsic(
    _round_to
)  # (octets, place, values, y, steps_per_unit, zero): half to even, -128..127, + zero
