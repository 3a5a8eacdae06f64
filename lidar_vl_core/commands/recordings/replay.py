"""A recording through the network: labelled clouds, metrics and a report. Reads and writes files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bags.recording import RecordedFrame, Recording, open_recording
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.commands.recordings.answers import BY_ITSELF, Answer, Answering, answered, answers_of
from lidar_vl_core.commands.recordings.progress import Progress
from lidar_vl_core.commands.recordings.provenance import provenance
from lidar_vl_core.commands.recordings.reading import AS_IT_IS, Reading
from lidar_vl_core.commands.recordings.results import write_results
from lidar_vl_core.commands.viewers.predictions import PREDICTION_FILES, predictions
from lidar_vl_core.drawing.rerun_view import RerunView
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame
from lidar_vl_core.evaluation.seen_sweeps import SeenSweeps
from lidar_vl_core.evaluation.true_boxes import TrueBoxes, true_boxes_of
from lidar_vl_core.evaluation.truth import Truth, truth_of
from lidar_vl_core.foundation.errors import BadBag, BadRequest
from lidar_vl_core.foundation.result_folder import require_apart, result_folder
from lidar_vl_core.model_packages.package import ModelPackage

RESULT_FILES = ("metrics.json", "report.html", *PREDICTION_FILES)


def replay(
    bag: Path,
    package: ModelPackage,
    out: Path,
    reading: Reading = AS_IT_IS,
    answering: Answering = BY_ITSELF,
    images: bool = False,
    rerun: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda frames, _count: frames,
    command: str = "",
) -> dict[str, Any]:
    """Label the points, or find the boxes, of every cloud of a bag; write predictions.mcap with its layouts, metrics.json and report.html into `out`.

    images: copy the cameras' images into predictions.mcap. rerun: show the labelled clouds in Rerun while they are made.
    overwrite: results of an earlier replay in `out` may go. progress: wraps the iteration. command: kept with the results.
    A detection package finds boxes: points in them have their classes; words, images and true labels are refused.
    Clouds that cannot be read are skipped, counted and named. Returns the content of metrics.json.
    Raises LidarVlError for what is wrong with the request or the files; `out` is then as it was.
    """
    require_apart(out, bag)
    with (
        result_folder(out, RESULT_FILES, overwrite) as staged,
        open_recording(bag, reading.cloud_topic, reading.intensity_max, reading.compensate) as recording,
    ):
        with_true_labels = bool(reading.label_field or reading.label_table)
        boxes = _true_boxes(package, recording, reading)  # before anything is compiled
        answers = answers_of(package, recording, answering, with_true_labels)
        truth = truth_of(recording, answers.classes, reading.label_field, reading.label_table)
        evaluation, seen = Evaluation(answers.classes, recording.cloud_count), SeenSweeps()
        frames = progress(recording.frames(() if truth is None else (truth.field,)), recording.cloud_count)
        viewer = RerunView(bag.name, answers.classes) if rerun else None
        with predictions(staged, recording, answers.classes, images) as write_prediction:
            for frame, answer in answered(answers, recording, frames):
                write_prediction(frame, answer.labels, answer.boxes)
                if viewer is not None:
                    viewer.add(frame.index, frame.recorded_ns, frame.cloud, answer.labels)
                seen.add(frame.cloud, answer.labels)
                evaluation.add(_judged(frame, answer, truth, boxes, answering.ego))
        if not evaluation.frames:
            first = f", the first because: {recording.skipped[0].reason}" if recording.skipped else "."
            raise BadBag(
                f"{bag}: expected readable clouds on {recording.cloud_topic}, found none{first} `lidar-vl inspect` shows more."
            )
        warnings = (*answers.warnings, *seen.warnings(package.manifest.training_sweeps))
        metrics = {
            **evaluation.metrics(),
            "model": package.manifest.name,
            "engine": answers.engine_name,
            "latency_is": answers.latency_is,
            "bag": bag.name,
            **_of_the_recording(recording, boxes, warnings),
            "provenance": provenance(package, command),
        }
        write_results(staged, f"Replay of {bag.name}", metrics, evaluation, package.card)
    return metrics


def _judged(
    frame: RecordedFrame, answer: Answer, truth: Truth | None, boxes: TrueBoxes | None, ego: EgoRegion | None
) -> LabelledFrame:
    """A frame with what was said and what is true; points on the own vehicle are true for no class."""
    true_id = None if truth is None else truth.of(frame)
    if true_id is not None and ego is not None:
        true_id = np.where(ego.contains(frame.cloud.xyz_m), np.uint8(IGNORE_ID), true_id)
    labels = answer.labels
    true_boxes = None if boxes is None else boxes.of(frame.cloud)
    return LabelledFrame(
        frame.index,
        frame.cloud,
        labels.class_id,
        true_id,
        frame.views,
        labels.timing_ms,
        labels.probability,
        answer.boxes,
        true_boxes,
    )


def _of_the_recording(recording: Recording, boxes: TrueBoxes | None, warnings: Sequence[str]) -> dict[str, Any]:
    """What metrics.json tells of the bag, with the warnings of the model behind those of the reader."""
    return {
        "cloud_topic": recording.cloud_topic,
        **({} if boxes is None else {"box_topic": boxes.topic}),
        "intensity": None if recording.intensity is None else vars(recording.intensity),
        "skipped": [vars(skipped) for skipped in recording.skipped],
        "warnings": [*recording.warnings, *warnings, *(() if boxes is None else boxes.warnings)],
    }


def _true_boxes(package: ModelPackage, recording: Recording, reading: Reading) -> TrueBoxes | None:
    """Raises BadRequest where boxes are asked for of a package that finds none."""
    if package.manifest.task != "detection" and (reading.box_topic or reading.box_table):
        raise BadRequest(
            f"true boxes: expected a package that finds boxes, found {package.manifest.name}. Leave them out."
        )
    range_m = package.manifest.grid.point_cloud_range
    return true_boxes_of(recording, package.classes, range_m, reading.box_topic, reading.box_table)
