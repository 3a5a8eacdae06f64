"""Labelled frames in, metrics out: pooled quality, also by distance, latency percentiles, and the frames worth showing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.drawing.box_lines import shown_boxes
from lidar_vl_core.drawing.point_view import ViewFrame
from lidar_vl_core.drawing.thin_cloud import thin_cloud
from lidar_vl_core.evaluation.box_quality import BoxQuality
from lidar_vl_core.evaluation.distance import DistanceQuality
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadLabels

MOST_VIEWED = 50  # frames a report can turn and filter
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """One cloud with the answer of the network and, where known, the truth."""

    index: int
    cloud: PointCloud
    class_id: np.ndarray  # (N,) uint8, 255 = no answer
    truth: np.ndarray | None = None  # (N,) uint8, 255 = not known, or not to be judged
    views: tuple[CameraView, ...] = ()
    timing_ms: Mapping[str, float] = field(default_factory=dict)  # stage -> milliseconds, "total" among them
    probability: np.ndarray | None = None  # (N,) float32, of the answers
    boxes: Boxes3d | None = None  # of a detector; without a segmenter beside it class_id is that of each point's box
    true_boxes: Boxes3d | None = None  # that the detector could have found, where they are known

    def drawn_boxes(self) -> tuple[Boxes3d | None, Boxes3d | None]:
        """The found ones that are confident enough to be shown, and the true ones, relative to the origin of the cloud's points."""
        origin = np.array([*self.cloud.origin_m, 0, 0, 0, 0])
        found = None if self.boxes is None else shown_boxes(self.boxes)
        found, truth = (
            None if boxes is None else replace(boxes, boxes=boxes.boxes - origin) for boxes in (found, self.true_boxes)
        )
        return found, truth


class Evaluation:
    """Sums over the frames of one recording; keeps at most five frames in memory whole, and up to fifty thinned , evenly chosen."""

    def __init__(self, classes: ClassTable, expected_frames: int, box_classes: ClassTable | None = None) -> None:
        """box_classes: of boxes found by another network beside the labels; None: the labels themselves come from boxes."""
        self.classes, self.box_classes = classes, box_classes
        self._middle = expected_frames // 2
        self._confusion = ConfusionMatrix(len(classes))
        self._has_truth = False
        self._per_frame: list[dict[str, Any]] = []
        self._timing_ms: dict[str, list[float]] = {}
        self._points_per_class = np.zeros(256, np.int64)
        self._no_return = 0
        self._boxes_per_class: np.ndarray | None = None  # where a detector answers
        self._box_quality = BoxQuality(self._table_of_boxes)
        self._has_true_boxes = False
        self._shown: dict[str, tuple[LabelledFrame, float | None]] = {}
        self._by_distance = DistanceQuality(len(classes))
        self._stride = max(1, -(-expected_frames // MOST_VIEWED))
        self._viewed: dict[int, ViewFrame] = {}

    def add(self, frame: LabelledFrame) -> None:
        """Count one frame; beams without a return are not counted. Raises BadLabels when labels and points do not fit."""
        _require_an_id_per_point(frame)
        mean_iou = None
        met = frame.cloud.has_return()
        if frame.truth is not None:
            own = ConfusionMatrix(len(self.classes))
            own.add(frame.truth[met], frame.class_id[met])
            self._confusion.merge(own)
            self._has_truth = True
            self._by_distance.add(frame.cloud.xyz_m[met], frame.truth[met], frame.class_id[met])
            mean_iou = None if own.points == 0 else own.mean_iou()
        for stage, value in frame.timing_ms.items():
            self._timing_ms.setdefault(stage, []).append(float(value))
        self._points_per_class += np.bincount(frame.class_id[met], minlength=256)
        self._no_return += len(met) - int(met.sum())
        if frame.boxes is not None:
            found = np.bincount(frame.boxes.class_id, minlength=len(self._table_of_boxes))
            self._boxes_per_class = found if self._boxes_per_class is None else self._boxes_per_class + found
            if frame.true_boxes is not None:
                self._box_quality.add(frame.true_boxes, frame.boxes, frame.cloud.origin_m)
                self._has_true_boxes = True
        self._per_frame.append(
            {
                "index": frame.index,
                "stamp_ns": frame.cloud.stamp_ns,
                "points": len(frame.cloud),
                "mean_iou": mean_iou,
                "latency_ms": frame.timing_ms.get("total"),
                "mean_confidence": _mean_confidence(frame),
            }
        )
        self._keep(frame, mean_iou)
        if frame.index % self._stride == 0:
            self._viewed[frame.index] = _view_frame(frame, mean_iou)
        while len(self._viewed) > MOST_VIEWED:  # more frames than were announced
            self._stride *= 2
            self._viewed = {index: kept for index, kept in self._viewed.items() if index % self._stride == 0}

    @property
    def _table_of_boxes(self) -> ClassTable:
        return self.classes if self.box_classes is None else self.box_classes

    @property
    def frames(self) -> int:
        """How many frames were counted."""
        return len(self._per_frame)

    def metrics(self) -> dict[str, Any]:
        """JSON-ready: frames, points, latency_ms, classes, counts, per_frame and, with truth, the keys of ConfusionMatrix.to_dict, or box_quality as BoxQuality has it."""
        counts = {name: int(self._points_per_class[k]) for k, name in enumerate(self.classes.names)}
        metrics: dict[str, Any] = {
            "frames": len(self._per_frame),
            "points": sum(frame["points"] for frame in self._per_frame),
            "latency_ms": latency_summary(self._timing_ms),
            "classes": list(self.classes.names),
            "predicted_points_per_class": counts | {"no_answer": int(self._points_per_class[IGNORE_ID])},
            "points_without_return": self._no_return,
            "per_frame": self._per_frame,
        }
        if self._boxes_per_class is not None:
            boxes = self._boxes_per_class.tolist()
            metrics["boxes_per_class"] = dict(zip(self._table_of_boxes.names, boxes, strict=True))
        if self._has_true_boxes:
            metrics["box_quality"] = self._box_quality.to_dict()
        if self._has_truth:
            quality = self._confusion.to_dict(self.classes.names)
            metrics |= {"labelled_points": quality.pop("points")} | quality
            metrics["by_distance"] = self._by_distance.rows()
        return metrics

    def shown(self) -> list[tuple[str, LabelledFrame]]:
        """Frames worth an image, in recorded order, each with why: first, middle, last, best, worst by its own mean IoU."""
        reasons: dict[int, list[str]] = {}
        frames = {}
        # Where there is truth, best and worst tell more than the last frame.
        wanted = ("first", "middle", "best", "worst") if self._has_truth else ("first", "middle", "last")
        for reason in wanted:
            if reason not in self._shown:
                continue
            frame, mean_iou = self._shown[reason]
            reasons.setdefault(frame.index, []).append(reason)
            frames[frame.index] = (frame, mean_iou)
        titles = []
        for index in sorted(frames):
            frame, mean_iou = frames[index]
            quality = "" if mean_iou is None else f", mean IoU {mean_iou:.3f}"
            titles.append((f"Frame {index}: {' and '.join(reasons[index])}{quality}", frame))
        return titles

    def viewed(self) -> list[ViewFrame]:
        """Thinned frames in recorded order: all of a short recording, else up to fifty evenly chosen, best and worst among them."""
        extremes = [self._shown[reason] for reason in ("best", "worst") if reason in self._shown]
        further = {frame.index: _view_frame(frame, mean_iou) for frame, mean_iou in extremes}
        return [kept for _, kept in sorted((further | self._viewed).items())]

    def _keep(self, frame: LabelledFrame, mean_iou: float | None) -> None:
        self._shown.setdefault("first", (frame, mean_iou))
        if frame.index >= self._middle:
            self._shown.setdefault("middle", (frame, mean_iou))
        self._shown["last"] = (frame, mean_iou)
        if mean_iou is None:
            return
        for reason, sign in (("best", 1), ("worst", -1)):
            kept = self._shown.get(reason)
            if kept is None or sign * mean_iou > sign * (kept[1] or 0.0):
                self._shown[reason] = (frame, mean_iou)


def _require_an_id_per_point(frame: LabelledFrame) -> None:
    for what, ids in (("prediction", frame.class_id), ("truth", frame.truth)):
        if ids is not None and len(ids) != len(frame.cloud):
            raise BadLabels(
                f"frame {frame.index}, {what}: expected {len(frame.cloud)} class ids, one per point, found {len(ids)}. "
                "Give the ids of this cloud."
            )


def _view_frame(frame: LabelledFrame, mean_iou: float | None) -> ViewFrame:
    caption = f"frame {frame.index}" + ("" if mean_iou is None else f", mean IoU {100 * mean_iou:.1f} %")
    met = frame.cloud.has_return()
    truth, probability = (None if column is None else column[met] for column in (frame.truth, frame.probability))
    cloud = thin_cloud(frame.cloud.xyz_m[met], frame.class_id[met], truth, probability)
    return ViewFrame(frame.index, caption, cloud, *frame.drawn_boxes())


def _mean_confidence(frame: LabelledFrame) -> float | None:
    answered = frame.class_id != IGNORE_ID
    if frame.probability is None or not answered.any():
        return None
    return round(float(frame.probability[answered].mean()), 4)


def latency_summary(timing_ms: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """p50, p95, p99 of "total", and of every other stage under by_stage; null where nothing was measured."""
    by_stage = {stage: _percentiles(values) for stage, values in timing_ms.items() if stage != "total"}
    return {**_percentiles(timing_ms.get("total", ())), "by_stage": by_stage}


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    if len(values) == 0:
        return {f"p{percent}": None for percent in _PERCENTILES}
    return {f"p{percent}": round(float(np.percentile(values, percent)), 3) for percent in _PERCENTILES}
