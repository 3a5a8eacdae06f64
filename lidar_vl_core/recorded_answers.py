"""Labelled clouds that a running node gave, held against the recording it was given. Reads files."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bag import open_bag
from lidar_vl_core.errors import BadBag
from lidar_vl_core.evaluation import Evaluation, LabelledFrame, latency_summary
from lidar_vl_core.labels import ClassTable
from lidar_vl_core.point_cloud2 import decode
from lidar_vl_core.recording import open_recording
from lidar_vl_core.replay import truth_of

_LONGEST_ANSWER_NS = 60_000_000_000  # an older stamp was not written when the cloud was sent


@dataclass(frozen=True)
class Answer:
    """One labelled cloud as it was recorded."""

    class_id: np.ndarray  # (N,) uint8
    latency_ms: float | None  # from the cloud's stamp to the arrival of its labels at the recorder


@dataclass
class Answers:
    """All that a recorder caught of a segmentation node."""

    by_points: dict[bytes, Answer] = field(default_factory=dict)  # fingerprint of the positions -> answer
    stages_ms: dict[str, list[float]] = field(default_factory=dict)


def read_answers(path: Path, labelled_topic: str) -> Answers:
    """Read labelled clouds and the `debug/<stage>_ms` topics beside them.

    Raises BadBag where the recording holds no labelled cloud.
    """
    answers = Answers()
    with open_bag(path) as bag:
        for message in bag.messages():
            if message.topic == labelled_topic:
                cloud = decode(message.message, extra_fields=("class_id",))
                waited_ns = message.stamp_ns - cloud.stamp_ns
                latency_ms = waited_ns / 1e6 if 0 < waited_ns < _LONGEST_ANSWER_NS else None
                answers.by_points[_fingerprint(cloud.xyz_m)] = Answer(cloud.extra["class_id"], latency_ms)
            elif "/debug/" in message.topic and message.type == "std_msgs/msg/Float64":
                stage = message.topic.rpartition("/")[2].removesuffix("_ms")
                answers.stages_ms.setdefault(stage, []).append(float(message.message.data))
    if not answers.by_points:
        raise BadBag(f"{path}: expected labelled clouds on {labelled_topic}, found none. Read the node's log.")
    return answers


def evaluate_answers(
    drive: Path, answers: Answers, classes: ClassTable, label_field: str, label_table: str
) -> tuple[Evaluation, dict[str, Any]]:
    """Judge the answers by the truth in the recording that was played.

    A cloud and its answer belong together when all positions are the same, in the same order: the player may write new
    stamps, and a node that loses or reorders a point shows here as a missing answer.
    Returns the evaluation and its metrics, completed by `sent`, `drops`, `skipped` and `warnings`.
    """
    with open_recording(drive) as recording:
        truth = truth_of(recording, classes, label_field, label_table)
        if truth is None:
            raise BadBag(f"{drive}: expected a label field. Name field and table.")
        evaluation = Evaluation(classes, recording.cloud_count)
        sent = 0
        for frame in recording.frames((label_field,)):
            sent += 1
            answer = answers.by_points.get(_fingerprint(frame.cloud.xyz_m))
            if answer is None:
                continue
            timing_ms = {} if answer.latency_ms is None else {"total": answer.latency_ms}
            evaluation.add(
                LabelledFrame(frame.index, frame.cloud, answer.class_id, truth.of(frame), frame.views, timing_ms)
            )
        metrics = evaluation.metrics()
        metrics["latency_ms"]["by_stage"] = latency_summary(answers.stages_ms | {"total": []})["by_stage"]
        metrics |= {
            "bag": drive.name,
            "sent": sent,
            "drops": sent - evaluation.frames,
            "skipped": [vars(skipped) for skipped in recording.skipped],
            "warnings": recording.warnings,
        }
    return evaluation, metrics


def _fingerprint(xyz_m: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(xyz_m).data, digest_size=16).digest()
