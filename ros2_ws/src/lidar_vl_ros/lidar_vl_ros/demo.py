"""The whole system on one machine: play a recording through a real ROS 2 graph, evaluate the answers, write a report.

python -m lidar_vl_ros.demo --bag out/demo/drive.mcap --out out/demo
"""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import open_recording
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.commands.program.command_line import CommandLine
from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.commands.recordings.box_quality_text import box_quality_lines
from lidar_vl_core.commands.recordings.provenance import provenance
from lidar_vl_core.commands.recordings.results import write_results
from lidar_vl_core.drawing.box_figures import boxes_in_cameras_figure, boxes_panel
from lidar_vl_core.drawing.figures import (
    as_seen_from_the_seat,
    in_rows,
    legend,
    load_pictures,
    overlay_figure,
    png_bytes,
    top_view_panels,
)
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame
from lidar_vl_core.evaluation.node_answers import BoxTruth, evaluate_answers, read_answers
from lidar_vl_core.foundation.errors import BadRequest, LidarVlError
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.foundation.result_folder import require_no_results
from lidar_vl_core.foundation.vision_messages import DETECTIONS_TYPE
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_ros.process.child_nodes import ChildNodes, clean_up_on_sigterm, private_graph_environment

_NODE = "/perception_node"
_LABELLED_TOPIC, _BOXES_TOPIC = f"{_NODE}/output/pointcloud/segmentation", f"{_NODE}/output/objects/boxes"
_LABEL_FIELD, _TRUTH_TABLE = "label", "nuscenes16"  # how the synthetic drive keeps the true class of each point and box
_STAGES = ("voxels", "maps", "network", "labels", "detection", "boxes", "pipeline_latency")
_RESULTS = ("report.html", "metrics.json", "demo.png", "recorded.mcap")
_READY_TIMEOUT_S, _GRAPH_TIMEOUT_S = 60, 120  # of a machine that has other work, too
_FORWARD = 3  # cameras in demo.png
_SILENCE_S = 2.0  # beyond the time of two clouds: then the recorder ends


@dataclass(frozen=True)
class _Drive:
    """The recording to play."""

    path: Path
    cloud_topic: str
    clouds: int
    seconds: float  # from its first cloud to its last
    longest_gap_s: float  # between two clouds
    label_field: str | None  # None where the clouds carry no truth
    box_topic: str | None  # of true boxes, where there is one


def demo(bag: Path, out: Path, models: tuple[str, str], command: str, overwrite: bool = False) -> dict[str, Any]:
    """Play the bag through the graph, evaluate the answers, write report.html, metrics.json and demo.png.

    models: the packages that label points and find boxes. Clouds with a field `label` of nuscenes16 classes are scored, and
    boxes if the bag has one topic of true ones. overwrite: results of an earlier demo in `out` may be replaced.
    Returns the content of metrics.json. Raises LidarVlError, with the end of the log where a node failed.
    """
    for name in _RESULTS:
        require_no_results(out / name, overwrite)
    segmenter, detector = Segmenter(load_model_package(models[0])), Detector(load_model_package(models[1]))
    drive = _drive(bag)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadRequest(
            f"{out}: expected a folder to write to, found: {error.strerror}. Choose another with --out."
        ) from error
    for name in _RESULTS:
        (out / name).unlink(missing_ok=True)  # an old result must not pass for this run's
    recorded = out / "recorded.mcap"

    print(f"[1/3] ROS 2 graph: player of {drive.clouds} clouds -> perception node -> recorder", flush=True)
    for task in (segmenter, detector):
        task.warm_up()  # what is compiled here, the node loads from the cache
    _run_graph(drive, recorded, out, segmenter.package, detector.package)
    print("[2/3] evaluation" if drive.label_field else f"[2/3] no scores: {_without_truth(drive)}", flush=True)
    range_m = detector.package.manifest.grid.point_cloud_range
    evaluation, metrics = evaluate_answers(
        bag,
        read_answers(recorded, _LABELLED_TOPIC, _BOXES_TOPIC),
        segmenter.classes,
        drive.label_field,
        _TRUTH_TABLE if drive.label_field else None,
        detector.classes,
        BoxTruth(drive.box_topic, _TRUTH_TABLE, range_m) if drive.box_topic else None,
    )
    metrics |= _made_with(segmenter, detector, command)
    print("[3/3] report", flush=True)
    write_bytes(out / "demo.png", _picture(_representative(evaluation), segmenter.classes, detector.classes))
    cards = "\n\n".join(task.package.card for task in (segmenter, detector))
    write_results(out, f"lidar-vl demo: {bag.name} on a ROS 2 graph", metrics, evaluation, cards)
    return metrics


def _made_with(segmenter: Segmenter, detector: Detector, command: str) -> dict[str, Any]:
    """What the report says about the models besides its figures."""
    of_labels, of_boxes = (provenance(task.package, command) for task in (segmenter, detector))
    return {
        "model": " and ".join(task.package.manifest.name for task in (segmenter, detector)),
        "engine": " and ".join(dict.fromkeys(task.engine_name for task in (segmenter, detector))),
        "latency_is": "from the stamp that a cloud gets when it is sent until both its labels and its boxes are published",
        "provenance": of_labels | {f"detection_{name}": of_boxes[name] for name in ("model", "model_exported_by")},
    }


def _drive(path: Path) -> _Drive:
    with open_recording(path) as recording:
        label_field = _LABEL_FIELD if _LABEL_FIELD in recording.cloud_fields() else None
        topic = recording.cloud_topic
    with open_bag(path) as bag:
        box_topics = [each.name for each in bag.topics if each.type == DETECTIONS_TYPE]
        stamps_s = sorted(message.stamp_ns / 1e9 for message in bag.messages([topic]))
    longest_gap_s = max((after - before for before, after in pairwise(stamps_s)), default=0.0)
    box_topic = box_topics[0] if len(box_topics) == 1 else None  # of several nobody says which is the truth
    return _Drive(path, topic, len(stamps_s), stamps_s[-1] - stamps_s[0], longest_gap_s, label_field, box_topic)


def _without_truth(drive: _Drive) -> str:
    return f"the clouds of {drive.path.name} have no field '{_LABEL_FIELD}'"


def _run_graph(drive: _Drive, recorded: Path, logs: Path, of_labels: ModelPackage, of_boxes: ModelPackage) -> None:
    models = {"segmentation.model": str(of_labels.path), "detection.model": str(of_boxes.path)}
    debug_topics = [f"{_NODE}/debug/{stage}_ms" for stage in _STAGES]
    recorded_topics = [_LABELLED_TOPIC, _BOXES_TOPIC, *debug_topics]
    silence_s = _SILENCE_S + 2 * drive.longest_gap_s
    with ChildNodes(logs, private_graph_environment()) as graph:
        graph.start("bag_recorder", output=str(recorded), topics=recorded_topics, idle_s=silence_s)
        graph.start("perception_node", {"~/input/pointcloud": drive.cloud_topic}, **models)
        graph.start(
            "bag_player",
            bag=str(drive.path),
            restamp=True,
            wait_for=[drive.cloud_topic, _LABELLED_TOPIC, _BOXES_TOPIC],
            wait_timeout_s=float(_READY_TIMEOUT_S),
        )
        graph.wait("bag_player", _GRAPH_TIMEOUT_S + 2 * drive.seconds)
        graph.wait("bag_recorder", _GRAPH_TIMEOUT_S)


def _representative(evaluation: Evaluation) -> LabelledFrame:
    """The frame in the middle of the drive: neither the best nor the worst."""
    shown = evaluation.shown()
    return next((frame for caption, frame in shown if "middle" in caption), shown[0][1])


def _picture(frame: LabelledFrame, classes: ClassTable, box_classes: ClassTable) -> bytes:
    """Draw labels and boxes in the three forward cameras and from above, with a legend, as PNG."""
    import numpy as np

    xyz_m, (found, true_boxes) = frame.cloud.xyz_m, frame.drawn_boxes()
    forward = as_seen_from_the_seat(load_pictures(frame.views)[0], _FORWARD)[:_FORWARD]
    rows = [overlay_figure(forward, xyz_m, frame.class_id, None, classes)] if forward else []
    panels = top_view_panels(xyz_m, frame.class_id, frame.truth, classes)[:2]  # the answer and the truth
    if found is not None:
        panels.append(boxes_panel(xyz_m, found, true_boxes, box_classes, panels[0].width))
        rows += [boxes_in_cameras_figure(forward, found, true_boxes, box_classes, panels[0].width)] if forward else []
    answers = frame.class_id if frame.truth is None else np.concatenate([frame.class_id, frame.truth])
    above = in_rows(panels, len(panels))
    return png_bytes(in_rows([*rows, above, legend(classes, answers, above.width)], 1))


def _summary(metrics: dict[str, Any], out: Path, seconds: float) -> list[str]:
    latency = metrics["latency_ms"]
    spread = (
        "no time stamps" if latency["p50"] is None else " / ".join(f"{latency[p]:.0f}" for p in ("p50", "p95", "p99"))
    )
    busy = " while an earlier one was computed: a slow or busy machine" if metrics["drops"] else ""
    return [
        f"model        {metrics['model']}, engine {metrics['engine']}",
        f"clouds       {metrics['frames']} processed of {metrics['sent']} sent, {metrics['drops']} dropped{busy}",
        f"points       {metrics['points'] // max(metrics['frames'], 1):,} per cloud",
        f"boxes        {sum(metrics['boxes_per_class'].values()) / max(metrics['frames'], 1):.1f} per cloud",
        f"latency ms   {spread} (p50 / p95 / p99, stamp to labels and boxes)",
        *(_scores(metrics) if "mean_iou" in metrics else ()),
        *(box_quality_lines(metrics["box_quality"]) if "box_quality" in metrics else ()),
        f"took         {seconds:.0f} s",
        f"report       {out / 'report.html'}",
    ]


def _scores(metrics: dict[str, Any]) -> list[str]:
    classes = {name: iou for name, iou in metrics["per_class_iou"].items() if metrics["points_per_class"][name]}
    best, *_, worst = sorted(classes, key=lambda name: classes[name] or 0.0, reverse=True)
    return [
        f"mean IoU     {100 * metrics['mean_iou']:.1f} % over the {len(classes)} classes that occur; "
        f"best {best} {100 * (classes[best] or 0):.1f} %, worst {worst} {100 * (classes[worst] or 0):.1f} %",
        f"accuracy     {100 * metrics['accuracy']:.1f} %",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo. Returns 0; 2, with one line on stderr, if a part failed; 130 for Ctrl-C."""
    parser = CommandLine(prog="python -m lidar_vl_ros.demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--bag",
        type=Path,
        required=True,
        metavar="BAG",
        help="recording with one topic of clouds; `make demo` creates one",
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR")
    parser.add_argument(
        "--model", default="demo", metavar="PKG", help="model package that labels points: a name or a folder"
    )
    parser.add_argument(
        "--detection-model", default="demo_detector", metavar="PKG", help="model package that finds boxes"
    )
    add_overwrite(parser)
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "-m", "lidar_vl_ros.demo", *(sys.argv[1:] if arguments is None else arguments)])
    models = options.model, options.detection_model
    started_s = time.monotonic()
    clean_up_on_sigterm()
    try:
        metrics = demo(options.bag, options.out, models, command, options.overwrite)
    except LidarVlError as error:
        print(f"demo: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("demo: interrupted; all its processes have been stopped", file=sys.stderr)
        return 130
    print("\n".join(_summary(metrics, options.out, time.monotonic() - started_s)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
