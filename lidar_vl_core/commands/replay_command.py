"""The command `lidar-vl replay`: every cloud of a recording through a model package."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.input_options import (
    add_ego,
    add_intensity,
    add_model,
    add_recording,
    add_words,
    ego_region,
    reading_of,
    words_of,
)
from lidar_vl_core.commands.limit_options import add_limits, limits_of, require_limits
from lidar_vl_core.commands.program.command_line import CommandLine, list_in_help
from lidar_vl_core.commands.program.program_options import add_overwrite

_MOST_SWEEPS = 20  # a second at 20 Hz


def add_replay(commands: "argparse._SubParsersAction[CommandLine]") -> None:
    """Add it to the commands of the program."""
    parser = commands.add_parser(
        "replay", help="label or find boxes in every cloud of a recording; metrics, predictions and a report"
    )
    add_recording(parser)
    add_model(parser)
    add_words(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the results")
    parser.add_argument(
        "--box-topic", metavar="TOPIC", help="vision_msgs/Detection3DArray with the true boxes, to score a detector"
    )
    parser.add_argument(
        "--box-table", metavar="TABLE", help="class table of the true boxes, such as nuscenes16 (default: the model's)"
    )
    list_in_help(parser, _names_for_replay)
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="also label points from the camera images; needs a package with an image encoder",
    )
    parser.add_argument(
        "--images", action="store_true", help="copy the camera images into predictions.mcap, for viewers"
    )
    parser.add_argument(
        "--rerun", action="store_true", help="show the clouds in Rerun while it runs; needs the extra `rerun`"
    )
    parser.add_argument(
        "--sweeps",
        type=_sweeps,
        default=1,
        metavar="N",
        help="number of sweeps to join for a detector, by the recording's transforms or odometry",
    )
    add_limits(parser)
    add_overwrite(parser)
    add_intensity(parser)
    add_ego(parser)
    parser.set_defaults(run=_replay)


def _sweeps(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_SWEEPS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_SWEEPS}, found {text!r}")
    return int(text)


def _names_for_replay() -> dict[str, tuple[str, ...]]:
    from lidar_vl_core.classes.known_tables import box_table_names, label_table_names
    from lidar_vl_core.evaluation.gates import FIGURES

    return {"Label tables": label_table_names(), "Box tables": box_table_names(), "Figures for limits": FIGURES}


def _replay(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.recordings.answers import Answering
    from lidar_vl_core.commands.recordings.progress import progress_bar
    from lidar_vl_core.commands.recordings.replay import replay
    from lidar_vl_core.model_packages.package import load_model_package

    package = load_model_package(options.model)
    limits = limits_of(options, package)
    metrics = replay(
        options.bag,
        package,
        options.out,
        replace(reading_of(options), box_topic=options.box_topic, box_table=options.box_table),
        Answering(options.engine, words_of(options), options.ensemble, ego_region(options), options.sweeps),
        images=options.images,
        rerun=options.rerun,
        overwrite=options.overwrite,
        progress=progress_bar,
        command=shlex.join(["lidar-vl", *sys.argv[1:]]),
    )
    print("\n".join(_summary(metrics)))
    print(f"report: {options.out / 'report.html'}")
    print(
        f"in Foxglove: open {options.out / 'predictions.mcap'}, import the layout predictions.foxglove.json beside it"
    )
    require_limits(limits, metrics)


def _summary(metrics: dict[str, Any]) -> list[str]:
    latency = metrics["latency_ms"]
    lines = [
        f"{metrics['frames']} clouds, {metrics['points']:,} points, model {metrics['model']}, engine {metrics['engine']}",
        f"latency p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms, p99 {latency['p99']:.1f} ms",
    ]
    if metrics.get("mean_iou") is not None:
        lines.append(f"mean IoU {100 * metrics['mean_iou']:.1f} %, accuracy {100 * metrics['accuracy']:.1f} %")
    if "boxes_per_class" in metrics:
        counts = ", ".join(f"{count} {name}" for name, count in metrics["boxes_per_class"].items() if count)
        lines.append(f"boxes: {counts or 'none'}")
    if "box_quality" in metrics:
        from lidar_vl_core.commands.recordings.box_quality_text import box_quality_lines

        lines += box_quality_lines(metrics["box_quality"])
    if metrics["skipped"]:
        lines.append(f"{len(metrics['skipped'])} clouds skipped, the first because: {metrics['skipped'][0]['reason']}")
    return lines + [f"warning: {warning}" for warning in metrics["warnings"]]
