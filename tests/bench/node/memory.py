"""What the node holds in memory before and after a rare large cloud. Run: python -m tests.bench.node.memory"""

import sys
from typing import Any

from tests.bench.node.asked_node import AskedNode, scattered_cloud
from tests.bench.report.table import print_table, row

_USUAL = 100_000  # points
_CALM = 55  # usual clouds after a large one: what it needed is given back after fifty
_MOST_KEPT_MB = 1200.0


def measure(large: tuple[int, ...] = (1_000_000, 2_000_000)) -> list[dict[str, Any]]:
    """Rows of resident megabytes: warm, after each of the large clouds, and after the usual ones that follow it."""
    usual = scattered_cloud(_USUAL)
    rows = []
    with AskedNode(max_points=max(large)) as node:
        node.wait_until_it_listens()
        rows.append(row("warmed up", node.resident_mb()[0], "MB"))
        for _ in range(5):
            node.ask(usual)
        rows.append(row(f"usual clouds of {_USUAL:,} points", node.resident_mb()[0], "MB"))
        for points in large:
            node.ask(scattered_cloud(points))
            rows.append(row(f"right after one of {points:,}", node.resident_mb()[0], "MB"))
            for _ in range(_CALM):
                node.ask(usual)
            held_mb, most_mb = node.resident_mb()
            rows.append(row(f"{_CALM} usual clouds later", held_mb, "MB", below=_MOST_KEPT_MB))
            rows.append(row(f"at most so far, {points:,}", most_mb, "MB"))
    with AskedNode(max_points=200_000) as node:
        node.wait_until_it_listens()
        node.ask(scattered_cloud(max(large)))
        rows.append(row(f"max_points: 200000, at most with one of {max(large):,}", node.resident_mb()[1], "MB"))
    return rows


def main() -> int:
    """Measure and print; exit code 1 when too much is kept."""
    rows = measure()
    print_table(rows)
    return 0 if all(each["passed"] is not False for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
