"""Refined pseudo labels against those as they are, room by room, with intervals over the rooms.

After `lidar-vl-train reproduce synthetic-rooms-refinement`: python -m tests.bench.training.refined_labels
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from lidar_vl_core.commands.program.command_line import CommandLine
from offline_training.reproduction.base.cells import slug
from offline_training.reproduction.base.paired import CONFIDENCE, paired_interval
from offline_training.reproduction.studies import load_study

STUDY = "synthetic-rooms-refinement"
Rooms = dict[str, dict[str, int]]  # name -> points with a truth, of these labelled, of these right


def rooms_of(folder: Path, row: str) -> Rooms:
    """What a row's run counted."""
    path = folder / "runs" / slug(row) / "seed0" / "pseudo_labels" / "statistics.json"
    counts: Rooms = json.loads(path.read_text())["against_truth"]["scenes"]
    return counts


def accuracies(rooms: Rooms) -> dict[str, float]:
    """Percent of the labels of each room that are right; rooms without a label have none."""
    return {name: 100 * count["right"] / count["labelled"] for name, count in rooms.items() if count["labelled"]}


def coverages(rooms: Rooms) -> dict[str, float]:
    """Percent of the points of each room that have a label."""
    return {name: 100 * count["labelled"] / count["known"] for name, count in rooms.items() if count["known"]}


def told(values: dict[str, float], first: dict[str, float]) -> str:
    """Mean over the rooms, and the mean and interval of the differences to the first row in the rooms that both have."""
    differences = [values[name] - first[name] for name in values if name in first]
    low, high = paired_interval(differences)
    return f"{mean(values.values()):.1f} | {mean(differences):+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    """Print a Markdown table."""
    parser = CommandLine(
        prog="python -m tests.bench.training.refined_labels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("out/reproduce") / STUDY, help="of the study")
    folder = parser.parse_args().folder
    rows = [row.name for row in load_study(STUDY).rows]
    first = rooms_of(folder, rows[0])
    print(
        f"Means over {len(first)} rooms, percent; differences to the first row with their {CONFIDENCE:.0%} interval (Student).\n"
    )
    print(f"| row | accuracy | minus {rows[0]} | coverage | minus {rows[0]} |\n|---|---|---|---|---|")
    print(f"| {rows[0]} | {mean(accuracies(first).values()):.1f} | | {mean(coverages(first).values()):.1f} | |")
    for row in rows[1:]:
        rooms = rooms_of(folder, row)
        accuracy, coverage = told(accuracies(rooms), accuracies(first)), told(coverages(rooms), coverages(first))
        print(f"| {row} | {accuracy} | {coverage} |")


if __name__ == "__main__":
    main()
