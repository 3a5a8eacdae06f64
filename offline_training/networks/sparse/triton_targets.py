"""python -m offline_training.networks.sparse.triton_targets [--targets 80,90] : compile the Triton kernels without a GPU.

Every kernel in every type it is used with, one line each; ends with an error where one does not compile.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine, compute_capabilities, run_tool

TARGETS = (80, 86, 89, 90, 120)  # A100, RTX 30, RTX 40, H100, RTX 50
TYPES = ("fp16", "bf16", "fp32")
_WIDTH = 64  # channels in and out
_POINTERS = ("x", "weight", "y", "y_gradient", "sums", "slots", "targets", "in_rows", "out_rows", "starts")
_INDEX_POINTERS = ("slots", "targets", "in_rows", "out_rows", "starts")


def compiled(targets: Sequence[int], types: Sequence[str] = TYPES) -> Iterator[str]:
    """Compile, and tell of each: kernel, type, target, shared memory, bytes of machine code, and products on tensor cores."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from offline_training.networks.sparse.triton_kernels import convolve, fitting, weight_gradient

    for kernel, more in ((convolve, {}), (weight_gradient, {"SHARES": 4})):
        for kind in types:
            constants = {"C_IN": _WIDTH, "C_OUT": _WIDTH, "KERNEL": 27, **more, **_arithmetic(kind)}
            config = fitting(kernel.configs, {}, **constants)[-1]
            constants |= config.kwargs
            names = kernel.fn.arg_names
            signature = {name: "constexpr" if name in constants else _type_of(name, kind) for name in names}
            # What torch hands over is aligned; without this promise each number is loaded alone.
            aligned = {(place,): [["tt.divisibility", 16]] for place, name in enumerate(names) if name in _POINTERS}
            for target in targets:
                source = ASTSource(kernel.fn, signature, constants, aligned)
                options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
                result = triton.compile(source, target=GPUTarget("cuda", target, 32), options=options)
                products = result.asm["ptx"].count("mma.sync") + result.asm["ptx"].count("wgmma.mma_async")
                yield (
                    f"{kernel.fn.__name__:16} {kind}  sm_{target:<4} {result.metadata.shared:6} B shared "
                    f"{len(result.asm['cubin']):7} B code {products:4} tensor core instructions"
                )


def _arithmetic(kind: str) -> dict[str, Any]:
    import triton.language as tl

    product = {"fp16": tl.float16, "bf16": tl.bfloat16, "fp32": tl.float32}[kind]
    return {"PRODUCT": product, "TOTAL": tl.float32, "PRECISION": "tf32"}


def _type_of(name: str, kind: str) -> str:
    if name not in _POINTERS:
        return "i32"
    return "*i32" if name in _INDEX_POINTERS else "*fp32" if name == "sums" else f"*{kind}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each kernel, type and target; returns the exit code."""
    parser = CommandLine(
        prog="python -m offline_training.networks.sparse.triton_targets",
        description="Compile the Triton kernels without a GPU.",
    )
    parser.add_argument(
        "--targets", type=compute_capabilities, default=TARGETS, metavar="A,B", help="compute capabilities; 90 is 9.0"
    )
    parser.add_argument("--types", nargs="+", choices=TYPES, default=TYPES, help="number types (default: all)")
    return run_tool(parser, _print_compiled, arguments)


def _print_compiled(options: argparse.Namespace) -> None:
    for line in compiled(options.targets, options.types):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
