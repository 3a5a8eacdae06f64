"""Run every benchmark, print one table and save it as JSON."""

import argparse
import importlib
import json
import platform
import sys
from pathlib import Path

from lidar_vl_core.foundation.files import write_text

PARTS = (
    "bench_codec",
    "bench_pairing",
    "bench_geometry",
    "bench_boxes",
    "bench_objects",
    "bench_losses",
    "bench_label_cache",
    "bench_scene_features",
    "bench_pretrain_data",
    "bench_pretrain_step",
    "bench_network",
    "bench_open_vocabulary",
    "bench_node",
    "bench_open_vocabulary_node",
)


def main() -> int:
    """Measure the asked parts one after another; exit code 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/bench.json"))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    rows = []
    for part in arguments.only:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.bench.{part}").measure()
    print_table(rows)
    write_text(arguments.out, json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    print(f"saved to {arguments.out}")
    return 0 if all(row["passed"] is not False for row in rows) else 1


def print_table(rows: list[dict]) -> None:
    """Print rows {name, value, unit, target, passed}; `passed` is None where there is no target."""
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        verdict = {True: "ok", False: "MISSED", None: ""}[row["passed"]]
        print(f"{row['name']:<{width}}  {row['value']:>12.4g} {row['unit']:<10} {row['target'] or '':<12} {verdict}")


def machine() -> dict[str, str]:
    """Name the processor and versions the figures belong to."""
    model = next(
        (line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.processor()
    )
    cores = sum(line.startswith("processor") for line in _cpu_lines())
    return {"processor": model, "cores": str(cores), "python": platform.python_version(), "system": platform.platform()}


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
