"""JSON schemas of the nodes' parameter files, printed from their settings: python -m lidar_vl_ros.parameter_schemas FOLDER."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.commands.program.command_line import CommandLine, run_tool
from lidar_vl_core.foundation.config import Config
from lidar_vl_core.foundation.files import write_text
from lidar_vl_ros.bags.player import PlayerParameters
from lidar_vl_ros.bags.recorder import RecorderParameters
from lidar_vl_ros.parameters.each_node import DetectionParameters, PerceptionParameters, SegmentationParameters

SETTINGS: dict[str, type[Config]] = {
    "segmentation_node": SegmentationParameters,
    "detection_node": DetectionParameters,
    "perception_node": PerceptionParameters,
    "bag_player": PlayerParameters,
    "bag_recorder": RecorderParameters,
}


def parameter_schema(node: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a parameter file of this node, as --params-file takes it."""
    schema = SETTINGS[node].model_json_schema()
    definitions = schema.pop("$defs", {})
    # Required parameters may come from the command line instead, and each node has ROS's own parameters besides.
    schema.pop("required", None)
    schema["properties"]["use_sim_time"] = {"type": "boolean", "default": False, "description": "Follow /clock"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Parameters of {node}",
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"ros__parameters": {"$ref": "#/$defs/parameters"}},
            "required": ["ros__parameters"],
            "additionalProperties": False,
        },
        "$defs": {"parameters": schema, **definitions},
    }


def as_text(node: str) -> str:
    """The schema as stored in the package's folder `schema`."""
    return json.dumps(parameter_schema(node), indent=2) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every schema into the folder given on the command line; returns the exit code."""
    parser = CommandLine(
        prog="python -m lidar_vl_ros.parameter_schemas",
        description="Write the JSON schemas of the nodes' parameter files.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for example ros2_ws/src/lidar_vl_ros/schema")
    return run_tool(parser, _write, arguments)


def _write(options: argparse.Namespace) -> None:
    for node in SETTINGS:
        write_text(options.folder / f"{node}.schema.json", as_text(node))


if __name__ == "__main__":
    sys.exit(main())
