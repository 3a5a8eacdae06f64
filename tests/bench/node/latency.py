"""The nodes under load: drops and latency from stamp to answer. Run: python -m tests.bench.node.latency [--task both]

Three processes as on a robot: a publisher in the driver's place, the node, and a listener that takes the time. A cloud counts
when all that was asked is told of it: labels, boxes, or both. With --cameras the driver sends pictures, too, which are
paired and which nobody looks at. With --thin the node looks at as many points as it has time for: drops of the first
seconds, when it finds that out, are counted apart.
"""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.commands.program.command_line import CommandLine
from tests.bench.node.cloud_traffic import INPUT, RATE_HZ, READY_TIMEOUT_S, drive, image_topics, listen, street_clouds
from tests.bench.report.table import print_table, row

CHOOSING_S = 2.0  # from the first cloud until the share of the points is chosen
LABELLED = "/segmentation_node/output/pointcloud/segmentation"


@dataclass(frozen=True)
class _Sensor:
    points: int  # of a cloud; a road never gives all returns
    lidar: str  # of the synthetic streets
    azimuth_steps: int
    no_drops: bool  # whether none is asked for


@dataclass(frozen=True)
class _Task:
    node: str
    models: Mapping[str, str]  # which of the packages each parameter names
    topics: Sequence[str]  # what is listened to: of objects the boxes, which programs wait for
    most_ms: tuple[float | None, ...]  # target of p95 for each sensor


SENSORS = (_Sensor(35_000, "hdl32", 1600, True), _Sensor(168_000, "pandar64", 4000, False))
TASKS = {
    "segmentation": _Task("segmentation_node", {"model": "labels"}, (LABELLED,), (100.0, 250.0)),
    "detection": _Task("detection_node", {"model": "boxes"}, ("/detection_node/output/objects/boxes",), (100.0, None)),
    "both": _Task(
        "perception_node",
        {"segmentation.model": "labels", "detection.model": "boxes"},
        ("/perception_node/output/pointcloud/segmentation", "/perception_node/output/objects/boxes"),
        (130.0, None),
    ),
}


PACKAGES = {"labels": "demo", "boxes": "demo_detector"}


def measure(
    tasks: Sequence[str] = tuple(TASKS),
    seconds: float = 20.0,
    cameras: int = 0,
    packages: Mapping[str, str] = PACKAGES,
    thin: bool = False,
) -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}."""
    rows, count = [], round(seconds * RATE_HZ)
    with tempfile.TemporaryDirectory() as folder:
        for number, sensor in enumerate(SENSORS):
            clouds = Path(folder) / f"{sensor.points}.npy"
            np.save(clouds, street_clouds(sensor.points, sensor.lidar, sensor.azimuth_steps))
            for name in tasks:
                answered = _run(Path(folder), clouds, TASKS[name], packages, count, cameras, thin)
                rows += _rows(name, sensor, TASKS[name].most_ms[number], answered, count, cameras, thin)
    return rows


def _run(
    folder: Path, clouds: Path, task: _Task, packages: Mapping[str, str], count: int, cameras: int, thin: bool
) -> np.ndarray:
    """(answered, 2) stamp in seconds and latency in milliseconds."""
    from lidar_vl_ros.process.child_nodes import ChildNodes, private_graph_environment

    environment = private_graph_environment()
    with ChildNodes(folder, environment) as graph:
        cameras_told = {f"cameras.{name}.topic": topic for name, topic in image_topics(cameras).items()}
        models = {parameter: packages[which] for parameter, which in task.models.items()}
        labels = [parameter.removesuffix("model") for parameter, which in task.models.items() if which == "labels"]
        thinning = {f"{below}thin_under_load": thin for below in labels}
        graph.start(task.node, {"~/input/pointcloud": INPUT}, **models, **cameras_told, **thinning)
        listener = listen(count, task.topics, environment)
        driver = drive(clouds, count, task.topics, environment, cameras)
        driver.communicate(timeout=READY_TIMEOUT_S + count / RATE_HZ + 30)
        heard, _ = listener.communicate(timeout=60)
    if driver.returncode or listener.returncode:
        log = (folder / f"{task.node}.log").read_text()
        raise RuntimeError(f"driver ended with {driver.returncode}, listener with {listener.returncode}: {log}")
    return np.array(json.loads(heard)).reshape(-1, 2)


def _rows(
    task: str, sensor: _Sensor, most_ms: float | None, answered: np.ndarray, sent: int, cameras: int, thin: bool
) -> list[dict[str, Any]]:
    beside = f", {cameras} cameras" if cameras else ""
    name = f"{task} node, {sensor.points // 1000}k points at {RATE_HZ:.0f} Hz{beside}".replace(
        "both node", "both tasks"
    )
    choosing = round(CHOOSING_S * RATE_HZ) if thin else 0
    stamp_s, latency_ms = answered.T
    early = int((stamp_s < stamp_s.min(initial=np.inf) + CHOOSING_S).sum()) if thin else 0
    drops = sent - choosing - (len(answered) - early)
    p50, p95, p99 = np.percentile(latency_ms, (50, 95, 99)) if len(latency_ms) else (np.inf,) * 3
    asked = sensor.no_drops or thin
    return [
        *([row(f"{name}: drops of the first {choosing}", choosing - early, "clouds")] if thin else []),
        row(f"{name}: drops of {sent - choosing}", drops, "clouds", at_most=0 if asked else None),
        row(f"{name}: latency p50", round(p50, 1), "ms"),
        row(f"{name}: latency p95", round(p95, 1), "ms", below=most_ms),
        row(f"{name}: latency p99", round(p99, 1), "ms"),
    ]  # fmt: skip


def main() -> int:
    """Measure and print; exit code 1 when a target is missed."""
    parser = CommandLine(prog="python -m tests.bench.node.latency", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--task", choices=(*TASKS, "all"), default="all", help="which node; both = one node for both tasks"
    )
    parser.add_argument("--model", default=PACKAGES["labels"], help="package that labels points, by name or folder")
    parser.add_argument("--detector", default=PACKAGES["boxes"], help="package that finds boxes, by name or folder")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cameras", type=int, default=0, help="so many, 960 x 720 JPEG at 30 Hz")
    parser.add_argument("--thin", action="store_true", help="let segmentation look at fewer points under load")
    arguments = parser.parse_args()
    tasks = tuple(TASKS) if arguments.task == "all" else (arguments.task,)
    packages = {"labels": arguments.model, "boxes": arguments.detector}
    rows = measure(tasks, arguments.seconds, arguments.cameras, packages, arguments.thin)
    print_table(rows)
    return 0 if all(each["passed"] is not False for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
