# PYTHON_ARGCOMPLETE_OK
"""The command `lidar-vl`: inspect, replay, compare, calibration-check, segment, detect, query, build-engine, doctor, top, models. Prints, and turns errors into one line and an exit code."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.calibration_command import add_calibration_check
from lidar_vl_core.commands.cloud_commands import add_cloud_commands
from lidar_vl_core.commands.compare_command import add_compare
from lidar_vl_core.commands.completions import completions
from lidar_vl_core.commands.input_options import (
    add_ego,
    add_intensity,
    add_model,
    add_recording,
    add_words,
    ego_region,
    words_of,
)
from lidar_vl_core.commands.limit_options import add_limits, limits_of, require_limits
from lidar_vl_core.commands.machine.machine_commands import add_machine_commands
from lidar_vl_core.commands.program_options import (
    NamingParser,
    ShowVersion,
    add_overwrite,
    complete_where_asked,
    list_in_help,
)
from lidar_vl_core.commands.termination import TERMINATED, Terminated, heard_sigterm
from lidar_vl_core.commands.top_command import add_top
from lidar_vl_core.foundation.errors import LidarVlError, MissedLimit

_MOST_SWEEPS = 20  # a second at 20 Hz
_MISSED_LIMIT, _BAD_INPUT, _INTERRUPTED, _BROKEN_PIPE = 1, 2, 130, 141  # as shells count them: 128 + signal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for a missed limit, 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM."""
    parser = command_parser()
    complete_where_asked(parser, completions)
    options = parser.parse_args(arguments)
    try:
        with heard_sigterm():
            options.run(options)
            sys.stdout.flush()
    except MissedLimit as error:
        print(f"lidar-vl: {error}", file=sys.stderr)
        return _MISSED_LIMIT
    except LidarVlError as error:
        print(f"lidar-vl: {error}", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("lidar-vl: interrupted, nothing was written", file=sys.stderr)
        return _INTERRUPTED
    except Terminated:
        print("lidar-vl: terminated, nothing was written", file=sys.stderr)
        return TERMINATED
    except BrokenPipeError:
        # The reader went away (`| head`); give Python somewhere else to flush to at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return 0


def command_parser() -> argparse.ArgumentParser:
    """Commands of `lidar-vl` and their options."""
    parser = NamingParser(
        prog="lidar-vl",
        description="LiDAR segmentation and detection in recordings and single clouds, without ROS and without PyTorch.",
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    inspect = commands.add_parser("inspect", help="show what is in a recording and which parts of it can be used")
    inspect.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag")
    inspect.add_argument("--json", action="store_true", help="print JSON for programs")
    inspect.set_defaults(run=_inspect)

    replay = commands.add_parser(
        "replay", help="label or find boxes in every cloud of a recording; metrics, predictions and a report"
    )
    add_recording(replay)
    add_model(replay)
    add_words(replay)
    replay.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the results")
    replay.add_argument(
        "--box-topic", metavar="TOPIC", help="vision_msgs/Detection3DArray with the true boxes, to score a detector"
    )
    replay.add_argument(
        "--box-table", metavar="TABLE", help="class table of the true boxes, such as nuscenes16 (default: the model's)"
    )
    list_in_help(replay, _names_for_replay)
    replay.add_argument(
        "--ensemble",
        action="store_true",
        help="also label points from the camera images; needs a package with an image encoder",
    )
    replay.add_argument(
        "--images", action="store_true", help="copy the camera images into predictions.mcap, for viewers"
    )
    replay.add_argument(
        "--rerun", action="store_true", help="show the clouds in Rerun while it runs; needs the extra `rerun`"
    )
    replay.add_argument(
        "--sweeps",
        type=_sweeps,
        default=1,
        metavar="N",
        help="number of sweeps to join for a detector, by the recording's transforms or odometry",
    )
    add_limits(replay)
    add_overwrite(replay)
    add_intensity(replay)
    add_ego(replay)
    replay.set_defaults(run=_replay)

    add_compare(commands)
    add_calibration_check(commands)
    add_cloud_commands(commands)
    add_machine_commands(commands)
    add_top(commands)

    models = commands.add_parser("models", help="list the models that come with this software")
    models.set_defaults(run=_models)
    return parser


def _sweeps(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_SWEEPS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MOST_SWEEPS}, found {text!r}")
    return int(text)


def _names_for_replay() -> dict[str, tuple[str, ...]]:
    from lidar_vl_core.classes.known_tables import box_table_names, label_table_names
    from lidar_vl_core.evaluation.gates import FIGURES

    return {"Label tables": label_table_names(), "Box tables": box_table_names(), "Figures for limits": FIGURES}


def _inspect(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.recordings.inspection import inspection, inspection_text

    found = inspection(options.bag)
    print(json.dumps(found, indent=1) if options.json else inspection_text(found))


def _replay(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.recordings.progress import progress_bar
    from lidar_vl_core.commands.recordings.replay import replay
    from lidar_vl_core.model_packages.package import load_model_package

    package = load_model_package(options.model)
    limits = limits_of(options, package)
    metrics = replay(
        options.bag,
        package,
        options.out,
        engine=options.engine,
        cloud_topic=options.cloud_topic,
        label_field=options.label_field,
        label_table=options.label_table,
        box_topic=options.box_topic,
        box_table=options.box_table,
        words=words_of(options),
        ensemble=options.ensemble,
        intensity_max=options.intensity_max,
        ego=ego_region(options),
        sweeps=options.sweeps,
        compensate=options.compensate,
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


def _models(_options: argparse.Namespace) -> None:
    from datetime import datetime, timezone

    from lidar_vl_core.model_packages.origin import origin
    from lidar_vl_core.model_packages.package import load_model_package, packaged_models

    today, names = datetime.now(timezone.utc).date(), packaged_models()
    if not names:
        print("no packaged models; give `--model` the folder of a model package")
    for name in names:
        package = load_model_package(name)
        size_mb = sum(path.stat().st_size for path in package.path.iterdir()) / 1e6
        headline = next((line.lstrip("#").strip() for line in package.card.splitlines() if line.strip()), "")
        print(f"{name}: {headline}")
        print(f"  {package.manifest.task}, {size_mb:.1f} MB, {origin(package.manifest, today)}, {package.path}")
        print(f"  {len(package.classes)} classes of {package.classes.name}: {', '.join(package.classes.names)}")


def _summary(metrics: dict[str, Any]) -> list[str]:
    latency = metrics["latency_ms"]
    lines = [
        f"{metrics['frames']} clouds, {metrics['points']:,} points, model {metrics['model']}, engine {metrics['engine']}",
        f"latency p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms, p99 {latency['p99']:.1f} ms",
    ]
    if metrics.get("mean_iou") is not None:
        lines.append(f"mean IoU {100 * metrics['mean_iou']:.1f} %, points right {100 * metrics['accuracy']:.1f} %")
    if "boxes_per_class" in metrics:
        counts = ", ".join(f"{count} {name}" for name, count in metrics["boxes_per_class"].items() if count)
        lines.append(f"boxes: {counts or 'none'}")
    if "box_quality" in metrics:
        from lidar_vl_core.commands.recordings.box_quality_text import box_quality_lines

        lines += box_quality_lines(metrics["box_quality"])
    if metrics["skipped"]:
        lines.append(f"{len(metrics['skipped'])} clouds skipped, the first because: {metrics['skipped'][0]['reason']}")
    return lines + [f"warning: {warning}" for warning in metrics["warnings"]]


if __name__ == "__main__":
    sys.exit(main())
