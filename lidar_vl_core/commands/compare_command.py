"""The command `lidar-vl compare`: two model packages over one recording."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.input_options import add_intensity, add_recording, reading_of
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import one_line


def add_compare(commands: "argparse._SubParsersAction[CommandLine]") -> None:
    """Add it to the commands of the program."""
    parser = commands.add_parser("compare", help="two models over one recording: agreement, differences, latency")
    parser.add_argument("a", metavar="A", help="folder of a model package, or a name such as demo")
    parser.add_argument("b", metavar="B", help="a second package, with the same classes")
    add_recording(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the results")
    parser.add_argument("--engine", default="auto", metavar="ENGINE", help="engine of both packages, as for replay")
    add_overwrite(parser)
    add_intensity(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.recordings.compare import RESULT_FILES, compare
    from lidar_vl_core.commands.recordings.progress import progress_bar
    from lidar_vl_core.model_packages.package import load_model_package

    found = compare(
        options.bag,
        (load_model_package(options.a), load_model_package(options.b)),
        options.out,
        reading_of(options),
        options.engine,
        overwrite=options.overwrite,
        progress=progress_bar,
        command=shlex.join(["lidar-vl", *sys.argv[1:]]),
    )
    print("\n".join(summary(found)))
    written = [options.out / name for name in RESULT_FILES if (options.out / name).is_file()]
    print(f"results: {', '.join(map(str, written))}")


def summary(found: dict[str, Any]) -> list[str]:
    """What compare() found, as lines for a terminal."""
    lines = [f"{found['frames']} clouds of {one_line(found['bag'])}"]
    for side, name in zip("ab", found["models"], strict=True):
        latency = found[side]["latency_ms"]
        quality = found[side].get("mean_iou")
        told = "" if quality is None else f", mean IoU {100 * quality:.1f} %"
        lines.append(
            f"{side.upper()}: {name}, {found[side]['engine']}, p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms{told}"
        )
        lines += [f"warning: {side.upper()}: {warning}" for warning in found[side]["warnings"]]
    lines.append(f"B takes {found['b_minus_a_ms']['median']:+.1f} ms more than A on the same cloud (median)")
    lines += _box_lines(found["boxes"]) if "boxes" in found else _label_lines(found["labels"])
    if found["skipped"]:
        lines.append(f"{len(found['skipped'])} clouds skipped, the first because: {found['skipped'][0]['reason']}")
    return lines + [f"warning: {warning}" for warning in found["warnings"]]


def _label_lines(labels: dict[str, Any]) -> list[str]:
    from lidar_vl_core.evaluation.distance import ring_reach

    if not labels["points"]:
        return ["no point to compare"]
    rings = ", ".join(
        f"{ring_reach(ring)} {100 * ring['same']:.1f} %" for ring in labels["by_distance"] if ring["points"]
    )
    differences = ", ".join(
        f"{each['a']} / {each['b']} {100 * each['share']:.2f} %" for each in labels["differences"][:5]
    )
    return [
        f"same class: {100 * labels['same']:.2f} % of {labels['points']:,} points; {rings}",
        f"most frequent differences, A / B: {differences or 'none'}",
    ]


def _box_lines(boxes: dict[str, dict[str, int]]) -> list[str]:
    if not boxes:
        return ["neither found a box"]
    counts = ", ".join(
        f"{name} {each['both']} by both, {each['only_a']} by A alone, {each['only_b']} by B alone"
        for name, each in boxes.items()
    )
    return [f"boxes: {counts}"]
