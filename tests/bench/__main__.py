"""Run every benchmark, print one table and save it as JSON."""

import argparse
import importlib
import json
import sys
from pathlib import Path

from lidar_vl_core.foundation.files import write_text
from tests.bench.report.machine import machine
from tests.bench.report.table import print_table

PARTS = (
    "core.codec",
    "core.pairing",
    "core.geometry",
    "core.boxes",
    "node.objects",
    "training.losses",
    "training.label_cache",
    "training.scene_features",
    "training.pretrain_data",
    "training.pretrain_step",
    "core.network",
    "core.words",
    "node.latency",
    "node.words",
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


if __name__ == "__main__":
    sys.exit(main())
