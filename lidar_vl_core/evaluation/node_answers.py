"""Labels and boxes from a running node, compared with the recording it was fed. Reads files."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bags.reader import open_bag
from lidar_vl_core.bags.recording import Recording, open_recording
from lidar_vl_core.boxes.box_cloud import BOX_FIELDS, boxes_of_cloud
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud2 import decode
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame, latency_summary
from lidar_vl_core.evaluation.true_boxes import TrueBoxes, true_boxes_of
from lidar_vl_core.evaluation.truth import truth_of
from lidar_vl_core.foundation.errors import BadBag

_LONGEST_ANSWER_MS = 60_000.0  # an older stamp was not written when the cloud was sent


@dataclass(frozen=True)
class Answer:
    """The recorded answer for one cloud."""

    class_id: np.ndarray  # (N,) uint8
    probability: np.ndarray  # (N,) float32
    boxes: Boxes3d | None  # None of a node that labels points alone
    latency_ms: float | None  # from the cloud's stamp to all of it; None where the stamp is not of the time of sending


@dataclass
class Answers:
    """All recorded answers of a node."""

    by_points: dict[bytes, Answer] = field(default_factory=dict)  # fingerprint of the positions -> answer
    stages_ms: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Labelled:
    points: bytes  # fingerprint
    stamp_ns: int
    class_id: np.ndarray
    probability: np.ndarray


def read_answers(path: Path, labelled_topic: str, boxes_topic: str | None = None) -> Answers:
    """Read labelled clouds, the clouds of boxes under the same stamps, and the `debug/<stage>_ms` topics beside them.

    boxes_topic: of a node that finds boxes, too: a cloud is then answered when both came. Raises BadBag where no cloud is
    answered, BadBoxes for boxes that cannot be.
    """
    labelled: list[_Labelled] = []
    boxes: dict[int, Boxes3d] = {}
    arrival_ns: dict[int, int] = {}  # of the later one, by stamp
    stages_ms: dict[str, list[float]] = {}
    with open_bag(path) as bag:
        for message in bag.messages():
            if message.topic == labelled_topic:
                cloud = decode(message.message, extra_fields=("class_id", "probability"))
                answer = cloud.extra["class_id"], cloud.extra["probability"]
                labelled.append(_Labelled(_fingerprint(cloud.xyz_m), cloud.stamp_ns, *answer))
                arrival_ns[cloud.stamp_ns] = message.stamp_ns
            elif message.topic == boxes_topic:
                cloud = decode(message.message, extra_fields=BOX_FIELDS)
                boxes[cloud.stamp_ns] = boxes_of_cloud(cloud)
                arrival_ns[cloud.stamp_ns] = message.stamp_ns
            elif "/debug/" in message.topic and message.type == "std_msgs/msg/Float64":
                stage = message.topic.rpartition("/")[2].removesuffix("_ms")
                stages_ms.setdefault(stage, []).append(float(message.message.data))
    whole = [one for one in labelled if boxes_topic is None or one.stamp_ns in boxes]
    if not whole:
        and_boxes = "" if boxes_topic is None else f" with boxes of their stamps on {boxes_topic}"
        raise BadBag(
            f"{path}: expected labelled clouds on {labelled_topic}{and_boxes}, found none. Check the node's log."
        )
    arrival_ms = [(arrival_ns[one.stamp_ns] - one.stamp_ns) / 1e6 for one in whole]
    latency_ms = _latencies(arrival_ms, stages_ms.pop("pipeline_latency", []))
    if all(0 < value < _LONGEST_ANSWER_MS for value in arrival_ms):
        stages_ms["arrival at the recorder"] = arrival_ms
    by_points = {
        one.points: Answer(one.class_id, one.probability, boxes.get(one.stamp_ns), waited_ms)
        for one, waited_ms in zip(whole, latency_ms, strict=True)
    }
    return Answers(by_points, stages_ms)


def _latencies(arrival_ms: list[float], in_node_ms: list[float]) -> list[float | None]:
    """What the node measured where it told so for each cloud, because a recorder's own stalls are not its; else the arrival."""
    measured = in_node_ms if len(in_node_ms) == len(arrival_ms) else arrival_ms
    return [value if 0 < value < _LONGEST_ANSWER_MS else None for value in measured]


@dataclass(frozen=True)
class BoxTruth:
    """The boxes in a recording that the answers are held against."""

    topic: str
    table: str  # whose names their classes have
    range_m: tuple[float, ...]  # what the detector looks at, lower, then upper corner


def evaluate_answers(
    drive: Path,
    answers: Answers,
    classes: ClassTable,
    label_field: str | None,
    label_table: str | None,
    box_classes: ClassTable | None = None,
    box_truth: BoxTruth | None = None,
) -> tuple[Evaluation, dict[str, Any]]:
    """Evaluate the answers with the truth in the recording that was played; without a label field labels have no scores.

    box_classes: of the answers' boxes, which have scores where box_truth says what is true.

    A cloud and its answer belong together when all positions are the same, in the same order: the player may write new
    stamps, and a node that loses or reorders a point shows here as a missing answer.
    Returns the evaluation and its metrics, completed by `sent`, `drops`, `skipped` and `warnings`.
    """
    with open_recording(drive) as recording:
        truth = truth_of(recording, classes, label_field, label_table)
        boxes = (
            None
            if box_truth is None
            else _true_boxes(recording, classes if box_classes is None else box_classes, box_truth)
        )
        evaluation = Evaluation(classes, recording.cloud_count, box_classes)
        sent = 0
        for frame in recording.frames(() if truth is None else (truth.field,)):
            sent += 1
            answer = answers.by_points.get(_fingerprint(frame.cloud.xyz_m))
            if answer is None:
                continue
            timing_ms = {} if answer.latency_ms is None else {"total": answer.latency_ms}
            true_id = None if truth is None else truth.of(frame)
            evaluation.add(
                LabelledFrame(
                    frame.index,
                    frame.cloud,
                    answer.class_id,
                    true_id,
                    frame.views,
                    timing_ms,
                    answer.probability,
                    answer.boxes,
                    None if boxes is None else boxes.of(frame.cloud),
                )
            )
        metrics = evaluation.metrics()
        metrics["latency_ms"]["by_stage"] = latency_summary(answers.stages_ms | {"total": []})["by_stage"]
        metrics |= {
            "bag": drive.name,
            "sent": sent,
            "drops": sent - evaluation.frames,
            "skipped": [vars(skipped) for skipped in recording.skipped],
            "warnings": [*recording.warnings, *(() if boxes is None else boxes.warnings)],
            **({} if boxes is None else {"box_topic": boxes.topic}),
        }
    return evaluation, metrics


def _true_boxes(recording: Recording, classes: ClassTable, truth: BoxTruth) -> TrueBoxes | None:
    return true_boxes_of(recording, classes, truth.range_m, truth.topic, truth.table)


def _fingerprint(xyz_m: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(xyz_m).data, digest_size=16).digest()
