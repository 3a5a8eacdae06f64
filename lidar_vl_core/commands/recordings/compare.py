"""Two model packages over one recording: where they agree, where they differ, and how long each takes. Reads and writes files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.bags.recording import RecordedFrame, Recording, SkippedCloud, open_recording
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.recordings.answers import Answer, Answering, Answers, answers_of
from lidar_vl_core.commands.recordings.difference_picture import boxes_png, labels_png
from lidar_vl_core.commands.recordings.progress import Progress
from lidar_vl_core.commands.recordings.provenance import provenance
from lidar_vl_core.commands.recordings.reading import AS_IT_IS, Reading
from lidar_vl_core.drawing.box_lines import shown_boxes
from lidar_vl_core.evaluation.agreement import Agreement
from lidar_vl_core.evaluation.evaluation import latency_summary
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.evaluation.truth import Truth, truth_of
from lidar_vl_core.foundation.errors import BadBag, BadPointCloud, BadRequest
from lidar_vl_core.foundation.files import write_bytes, write_text
from lidar_vl_core.foundation.result_folder import require_apart, result_folder
from lidar_vl_core.model_packages.package import ModelPackage

RESULT_FILES = ("comparison.json", "most_different.png")


@dataclass(frozen=True, eq=False)
class _Apart:
    """A frame and how far two networks agree on it."""

    index: int
    cloud: PointCloud
    answers: tuple[Answer, Answer]
    same: float


class _Comparison:
    """Sums over the frames of one recording; keeps only the frame on which the networks differ most."""

    def __init__(self, sides: tuple[Answers, Answers], truth: Truth | None) -> None:
        self._sides, self._truth = sides, truth
        self._classes = sides[0].classes
        self._agreement = Agreement(self._classes)
        self._quality = (ConfusionMatrix(len(self._classes)), ConfusionMatrix(len(self._classes)))
        self._taken_ms: tuple[list[float], list[float]] = ([], [])
        self._per_frame: list[dict[str, Any]] = []
        self.most_different: _Apart | None = None

    @property
    def frames(self) -> int:
        return len(self._per_frame)

    def add(self, frame: RecordedFrame) -> None:
        """Ask both and count; they take turns going first. Raises BadPointCloud, BadLabels."""
        order = (0, 1) if self.frames % 2 == 0 else (1, 0)
        said = {side: self._sides[side].of(frame) for side in order}
        a, b = said[0], said[1]
        met = frame.cloud.has_return()
        if a.boxes is not None and b.boxes is not None:
            same = self._agreement.add_boxes(shown_boxes(a.boxes), shown_boxes(b.boxes))
        else:
            xyz_m = frame.cloud.measured_xyz_m()[met]
            same = self._agreement.add_labels(xyz_m, a.labels.class_id[met], b.labels.class_id[met])
        true_id = None if self._truth is None else self._truth.of(frame)
        for side, answer in enumerate((a, b)):
            self._taken_ms[side].append(answer.labels.timing_ms["total"])
            if true_id is not None:
                self._quality[side].add(true_id[met], answer.labels.class_id[met])
        self._per_frame.append({"index": frame.index, "stamp_ns": frame.cloud.stamp_ns, "same": same})
        if same is not None and (self.most_different is None or same < self.most_different.same):
            self.most_different = _Apart(frame.index, frame.cloud, (a, b), same)

    def to_dict(self, task: str) -> dict[str, Any]:
        """The comparison as JSON values."""
        sides = [
            {
                "engine": answers.engine_name,
                "latency_ms": latency_summary({"total": taken}),
                "warnings": answers.warnings,
            }
            for answers, taken in zip(self._sides, self._taken_ms, strict=True)
        ]
        if self._truth is not None:
            for side, quality in zip(sides, self._quality, strict=True):
                side |= quality.to_dict(self._classes.names)
        paired_ms = np.subtract(self._taken_ms[1], self._taken_ms[0])
        agreement = {"boxes": self._agreement.boxes()} if task == "detection" else {"labels": self._agreement.labels()}
        return {
            "frames": self.frames,
            "a": sides[0],
            "b": sides[1],
            "b_minus_a_ms": {"median": round(float(np.median(paired_ms)), 3)},
            **agreement,
            "per_frame": self._per_frame,
        }


def compare(
    bag: Path,
    packages: tuple[ModelPackage, ModelPackage],
    out: Path,
    reading: Reading = AS_IT_IS,
    engine: str = "auto",
    overwrite: bool = False,
    progress: Progress = lambda frames, _count: frames,
    command: str = "",
) -> dict[str, Any]:
    """Ask both packages about every cloud of a bag; write comparison.json and most_different.png into `out`.

    Of labels the share of points with the same class is counted; of boxes, those above the score that images show, how many both
    found within 2 m. Where the truth is told, the quality of both is told, too. Returns the content of comparison.json.
    Raises BadRequest for packages that answer in different classes, and what replay() raises.
    """
    _require_same_answers(*packages)
    require_apart(out, bag)
    with (
        result_folder(out, RESULT_FILES, overwrite) as staged,
        open_recording(bag, reading.cloud_topic, reading.intensity_max, reading.compensate) as recording,
    ):
        with_truth = bool(reading.label_field or reading.label_table)
        a, b = (answers_of(package, recording, Answering(engine), with_truth) for package in packages)
        truth = truth_of(recording, a.classes, reading.label_field, reading.label_table)
        comparison = _Comparison((a, b), truth)
        frames = recording.frames(() if truth is None else (truth.field,))
        for frame in progress(frames, recording.cloud_count):
            _add(comparison, recording, frame)
        if not comparison.frames:
            raise BadBag(
                f"{bag}: expected readable clouds on {recording.cloud_topic}, found none. `lidar-vl inspect` shows more."
            )
        found = {
            "bag": bag.name,
            "models": [package.manifest.name for package in packages],
            **comparison.to_dict(packages[0].manifest.task),
            "skipped": [vars(skipped) for skipped in recording.skipped],
            "warnings": list(recording.warnings),
            "provenance": [provenance(package, command) for package in packages],
        }
        if comparison.most_different is not None:
            write_bytes(staged / "most_different.png", _picture(comparison.most_different, found["models"], a.classes))
        write_text(staged / "comparison.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    return found


def _picture(frame: _Apart, models: Sequence[str], classes: ClassTable) -> bytes:
    names = [f"{side}: {model}, frame {frame.index}" for side, model in zip("AB", models, strict=True)]
    boxes = [answer.boxes for answer in frame.answers if answer.boxes is not None]
    if boxes:
        return boxes_png(frame.cloud, boxes, names, classes)
    return labels_png(frame.cloud, [answer.labels.class_id for answer in frame.answers], names, classes)


def _add(comparison: _Comparison, recording: Recording, frame: RecordedFrame) -> None:
    try:
        comparison.add(frame)
    except BadPointCloud as error:
        recording.skipped.append(SkippedCloud(frame.index, frame.cloud.stamp_ns, str(error)))


def _require_same_answers(a: ModelPackage, b: ModelPackage) -> None:
    if a.manifest.task != b.manifest.task:
        raise BadRequest(
            f"compare: expected two packages of one task, found {a.manifest.name} ({a.manifest.task}) and "
            f"{b.manifest.name} ({b.manifest.task})."
        )
    if a.classes.names != b.classes.names:
        apart = sorted(set(a.classes.names) ^ set(b.classes.names))
        told = f"only one of them has {', '.join(apart[:6])}" if apart else "the same in another order"
        raise BadRequest(
            f"compare: expected two packages with the same classes, found {a.classes.name} and {b.classes.name}: {told}. "
            "Compare packages of one class table."
        )
