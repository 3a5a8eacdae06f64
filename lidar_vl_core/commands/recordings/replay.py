"""A recording through the network: labelled clouds, metrics and a report. Reads and writes files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bags.recording import Recording, open_recording
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.commands.recordings.answers import answered, answers_of
from lidar_vl_core.commands.recordings.progress import Progress
from lidar_vl_core.commands.recordings.provenance import provenance
from lidar_vl_core.commands.recordings.results import write_results
from lidar_vl_core.commands.viewers.predictions import PREDICTION_FILES, predictions
from lidar_vl_core.drawing.rerun_view import RerunView
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame
from lidar_vl_core.evaluation.seen_sweeps import SeenSweeps
from lidar_vl_core.evaluation.true_boxes import TrueBoxes, true_boxes_of
from lidar_vl_core.evaluation.truth import truth_of
from lidar_vl_core.foundation.errors import BadBag, BadRequest
from lidar_vl_core.foundation.result_folder import result_folder
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.words.vocabulary import Vocabulary

RESULT_FILES = ("metrics.json", "report.html", *PREDICTION_FILES)


def replay(
    bag: Path,
    package: ModelPackage,
    out: Path,
    engine: str = "auto",
    cloud_topic: str | None = None,
    label_field: str | None = None,
    label_table: str | None = None,
    box_topic: str | None = None,
    box_table: str | None = None,
    words: Vocabulary | None = None,
    ensemble: bool = False,
    images: bool = False,
    rerun: bool = False,
    intensity_max: float | None = None,
    ego: EgoRegion | None = None,
    sweeps: int = 1,
    compensate: bool = False,
    overwrite: bool = False,
    progress: Progress = lambda frames, _count: frames,
    command: str = "",
) -> dict[str, Any]:
    """Label the points, or find the boxes, of every cloud of a bag; write predictions.mcap with its layouts, metrics.json and report.html into `out`.

    label_field, label_table: the field with the truth and the table its ids are of. box_topic, box_table: the topic of
    vision_msgs/Detection3DArray with the true boxes and whose names its classes have (None: the package's own). words: what an embedding
    package looks for instead of its own classes. ensemble: name points by the recorded pictures, too, which takes a
    package with an image encoder. images: copy the cameras' pictures into predictions.mcap.
    rerun: show the labelled clouds in Rerun while they are made.
    intensity_max: the driver's full scale; None judges it once. ego: points on the own vehicle get no class.
    sweeps: joined for each cloud where a detection package finds boxes and the bag tells how the sensor moved.
    compensate: bring the points of each cloud to its stamp, by their times and the recorded motion.
    A detection package finds boxes: points in them have their classes; words, pictures and true labels are refused.
    overwrite: results of an earlier replay in `out` may go. progress: wraps the iteration.
    Clouds that cannot be read are skipped, counted and named. Returns the content of metrics.json.
    Raises LidarVlError for what is wrong with the request or the files; `out` is then as it was.
    """
    with (
        result_folder(out, RESULT_FILES, overwrite) as staged,
        open_recording(bag, cloud_topic, intensity_max, compensate) as recording,
    ):
        answers = answers_of(package, engine, ego, recording, words, ensemble, label_field or label_table, sweeps)
        classes = answers.classes
        truth = truth_of(recording, classes, label_field, label_table)
        boxes = _true_boxes(package, recording, box_topic, box_table)
        evaluation, seen = Evaluation(classes, recording.cloud_count), SeenSweeps()
        frames = progress(recording.frames(() if truth is None else (truth.field,)), recording.cloud_count)
        viewer = RerunView(bag.name, classes) if rerun else None
        with predictions(staged, recording, classes, images) as write_prediction:
            for frame, answer in answered(answers, recording, frames):
                labels = answer.labels
                write_prediction(frame, labels, answer.boxes)
                if viewer is not None:
                    viewer.add(frame.index, frame.recorded_ns, frame.cloud, labels)
                seen.add(frame.cloud, labels)
                true_id = None if truth is None else truth.of(frame)
                if true_id is not None and ego is not None:
                    true_id = np.where(ego.contains(frame.cloud.xyz_m), np.uint8(IGNORE_ID), true_id)
                evaluation.add(
                    LabelledFrame(
                        frame.index,
                        frame.cloud,
                        labels.class_id,
                        true_id,
                        frame.views,
                        labels.timing_ms,
                        labels.probability,
                        answer.boxes,
                        None if boxes is None else boxes.of(frame.cloud),
                    )
                )
        if not evaluation.frames:
            first = f", the first because: {recording.skipped[0].reason}" if recording.skipped else "."
            raise BadBag(
                f"{bag}: expected readable clouds on {recording.cloud_topic}, found none{first} `lidar-vl inspect` tells more."
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


def _of_the_recording(recording: Recording, boxes: TrueBoxes | None, warnings: Sequence[str]) -> dict[str, Any]:
    """What metrics.json tells of the bag, with the warnings of the model behind those of the reader."""
    return {
        "cloud_topic": recording.cloud_topic,
        **({} if boxes is None else {"box_topic": boxes.topic}),
        "intensity": None if recording.intensity is None else vars(recording.intensity),
        "skipped": [vars(skipped) for skipped in recording.skipped],
        "warnings": [*recording.warnings, *warnings, *(() if boxes is None else boxes.warnings)],
    }


def _true_boxes(package: ModelPackage, recording: Recording, topic: str | None, names: str | None) -> TrueBoxes | None:
    """Raises BadRequest where boxes are asked for of a package that finds none."""
    if package.manifest.task != "detection" and (topic or names):
        raise BadRequest(
            f"true boxes: expected a package that finds boxes, found {package.manifest.name}. Leave them out."
        )
    return true_boxes_of(recording, package.classes, package.manifest.grid.point_cloud_range, topic, names)
