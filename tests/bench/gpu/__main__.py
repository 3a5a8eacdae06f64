"""Try every CUDA path, then measure all of it, ours beside others' packages.

The smoke test (--smoke alone: about three minutes) tells of each step whether it is ok, failed or left out, and goes on. Then
every side whose numbers agree with our reference is timed. OUT gets gpu_bench.json, .md and .png; --device cpu runs what exists there.
"""

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine

PARTS = ("roofline", "geometry", "layers", "network", "end_to_end", "training_step")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where nothing failed, 1 where something did, 2 where there is no CUDA device."""
    asked = _parser().parse_args(arguments)
    import torch

    if asked.device == "cuda" and not torch.cuda.is_available():
        print(
            f"--device cuda: expected a CUDA device, found none (torch {torch.__version__}). Run it on a machine with a GPU of "
            "NVIDIA and torch's CUDA build, or give --device cpu for the paths that exist there.",
            file=sys.stderr,
        )
        return 2
    from tests.bench.gpu.bench import Bench
    from tests.bench.gpu.report import write_report
    from tests.bench.peers.known import sides

    device = torch.device(asked.device)
    outcomes = [] if asked.no_smoke else _smoke(asked.groups, asked.device)
    bench = Bench(
        device,
        sides(device),
        tuple(asked.voxels),
        tuple(asked.points),
        asked.network,
        asked.precision,
        asked.repeats,
        asked.latencies,
    )
    rows, failed = ([], []) if asked.smoke else _measure(bench, asked.only)
    told = {
        "machine": about(device),
        "settings": {"network": asked.network, "precision": asked.precision, "repeats": asked.repeats},
        "absent": bench.sides.absent,
        "smoke": [outcome.to_dict() for outcome in outcomes],
        "rows": rows,
    }
    print("saved to", ", ".join(map(str, write_report(asked.out, told))))
    failed += [outcome.step for outcome in outcomes if outcome.verdict == "failed"]
    if failed:
        print(f"failed: {'; '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def about(device: Any) -> dict[str, str]:
    """The machine and the versions that figures belong to."""
    import importlib.metadata

    import torch

    from tests.bench.report.machine import machine

    told = {**machine(), "torch": torch.__version__}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        told["GPU"] = (
            f"{properties.name}, sm_{properties.major}{properties.minor}, {properties.total_memory / 2**30:.0f} GiB"
        )
        told["CUDA"] = str(torch.version.cuda)
    names = (
        "triton",
        "spconv",
        "spconv-cu126",
        "spconv-triton",
        "warpconvnet",
        "fvdb-core",
        "torch-lattice",
        "torchsparse",
        "flex-gemm",
    )
    for name in names:
        try:
            told[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return told


def _smoke(groups: Sequence[str], device: str) -> list[Any]:
    from tests.bench.gpu.smoke.groups import outcomes_of

    outcomes = []
    for group in groups:
        for outcome in outcomes_of(group, device):
            print(outcome.line(), flush=True)
            outcomes.append(outcome)
    return outcomes


def _measure(bench: Any, parts: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of all parts, and the names of those that failed."""
    from tests.bench.report.table import print_table

    rows, failed = [], []
    for part in parts:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        try:
            own = importlib.import_module(f"tests.bench.gpu.{part}").measure(bench)
        except Exception:
            traceback.print_exc()
            failed.append(part)
            continue
        print_table(own)
        rows += own
    return rows, failed


def _parser() -> argparse.ArgumentParser:
    from tests.bench.gpu.smoke.groups import GROUPS

    parser = CommandLine(
        prog="python -m tests.bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="the smoke test alone")
    parser.add_argument("--no-smoke", action="store_true", help="measure without it")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=tuple(GROUPS), help="of the smoke test")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--voxels", nargs="+", type=int, default=(10_000, 30_000, 60_000, 100_000, 300_000))
    parser.add_argument("--points", nargs="+", type=int, default=(35_000, 168_000))
    parser.add_argument("--network", default="minkunet_18a", help="a MinkUNet of minkunet_shapes.py")
    parser.add_argument("--precision", choices=("fp16", "bf16", "tf32", "fp32"), default="fp16")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--latencies", type=int, default=200, help="runs of which percentiles are taken")
    parser.add_argument("--out", type=Path, default=Path("out/bench_gpu"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
