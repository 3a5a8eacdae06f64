"""How soon a started node answers, and how soon it ends while its model is compiled. Run: python -m tests.bench.node.start"""

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.node.asked_node import AskedNode, scattered_cloud
from tests.bench.report.table import print_table, row

_POINTS = 100_000


def measure() -> list[dict[str, Any]]:
    """Rows of seconds: with kernels compiled at installation, then Ctrl-C while nothing is compiled yet."""
    rows = []
    began_s = time.perf_counter()
    with AskedNode() as node:
        node.wait_until_it_listens()
        rows.append(row("process started to node listening", time.perf_counter() - began_s, "s"))
        cloud = scattered_cloud(_POINTS)
        rows.append(row(f"first cloud, {_POINTS:,} points, to its labels", node.ask(cloud), "s", below=3.0))
        rows.append(row("second cloud", node.ask(cloud), "s"))
    with tempfile.TemporaryDirectory() as nothing_compiled, AskedNode({"NUMBA_CACHE_DIR": nothing_compiled}) as node:
        while not any(Path(nothing_compiled).rglob("*.nbi")):
            time.sleep(0.01)
        asked_s = time.perf_counter()
        node.process.send_signal(signal.SIGINT)
        node.process.wait(60)
        rows.append(
            row("Ctrl-C while the model is compiled, to the end", time.perf_counter() - asked_s, "s", below=2.0)
        )
    return rows


def main() -> int:
    """Measure and print; exit code 1 when a target is missed."""
    rows = measure()
    print_table(rows)
    return 0 if all(each["passed"] is not False for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
