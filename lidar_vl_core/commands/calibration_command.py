"""The command `lidar-vl calibration-check`: do the edges of clouds and images of a recording meet?"""

import argparse
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import MissedLimit, one_line

_MARKS = {"fits": "=", "off": "!", "unclear": "?"}


def add_calibration_check(commands: "argparse._SubParsersAction[CommandLine]") -> None:
    """Add it to the commands of the program."""
    parser = commands.add_parser(
        "calibration-check", help="check that depth edges of the clouds match edges of the images; exits with 1 if not"
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or ROS 1 .bag")
    parser.add_argument(
        "--cloud-topic", metavar="TOPIC", help="needed only where the recording has several cloud topics"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the results")
    parser.add_argument(
        "--compensate", action="store_true", help="bring the points of each cloud to its stamp first, as replay does"
    )
    add_overwrite(parser)
    parser.set_defaults(run=_calibration_check)


def _calibration_check(options: argparse.Namespace) -> None:
    from lidar_vl_core.commands.recordings.calibration_check import calibration_check
    from lidar_vl_core.commands.recordings.progress import progress_bar

    found = calibration_check(
        options.bag, options.out, options.cloud_topic, options.compensate, options.overwrite, progress_bar
    )
    print("\n".join(summary(found)))
    print(f"results: {options.out / 'calibration.json'}, {options.out / 'calibration.png'}")
    if off := [name for name, camera in found["cameras"].items() if camera["verdict"] == "off"]:
        raise MissedLimit(
            f"calibration of {', '.join(off)}: expected depth edges on the edges of the images, found them next to these. "
            "Look at calibration.png; calibrate the camera again, or correct the transform or the clock of its images."
        )


def summary(found: dict[str, Any]) -> list[str]:
    """What calibration_check() found, as lines for a terminal; the parts of the time as one sign each."""
    lines = [f"{found['frames']} clouds of {one_line(found['bag'])} looked at"]
    for name, camera in found["cameras"].items():
        parts = "".join(_MARKS[part["verdict"]] for part in camera["over_time"])
        lines.append(f"{name}: {camera['text']}")
        lines.append(
            f"  {camera['frames']} images, {camera['edges']} depth edges, score {camera['score']:.2f} as calibrated, "
            f"{camera['best_score']:.2f} at best; over time [{parts}]"
        )
    return lines + [f"warning: {warning}" for warning in found["warnings"]]
