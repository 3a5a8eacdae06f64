"""Quality of points labelled by words, and of pseudo labels: one confusion matrix pooled over all points of all scenes.

Training runs, the final evaluation and the studies all count this way.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import write_text
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.data_sources import DataSource, open_source
from offline_training.words.settings.question import FAIR_QUESTION, Question, class_ids_of_truth, pooled_confusion
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER as PSEUDO_LABELS
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore


def evaluate_language(
    config: VlgConfig,
    checkpoint: Path | None,
    question: Question = FAIR_QUESTION,
    sources: Iterable[DataSource] | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Label every point of the data sets (default: the run's validation sets) and compare the answers with the truth.

    checkpoint: of the 3D network; mode 2d needs none. Returns metrics per source and pooled, written as JSON to `out`.
    Points without an answer (seen by no view, out of range, a sink) count as wrong, except in mean_iou_openscene, which
    leaves them out as OpenScene's code does. Raises BadRequest, BadCheckpoint, BadDataset, BadConfig.
    """
    from offline_training.runs.device import torch_set_up
    from offline_training.words.evaluation.answers import PictureShare, scene_answers

    vocabulary = question.vocabulary or config.words
    table = class_ids_of_truth(config.class_table, vocabulary.class_table, question.truth_as)
    counted = PictureShare()
    answer = scene_answers(config, checkpoint, question, counted)
    names = vocabulary.class_table.names
    pooled = ConfusionMatrix(len(names))
    metrics: dict[str, Any] = {
        "checkpoint": None if checkpoint is None else str(checkpoint),
        "mode": question.mode,
        "vocabulary": vocabulary.name,
        "oracle_lists": question.oracle_lists,
        "specialised": question.specialised,
        "left_out": [name for k, name in enumerate(config.class_table.names) if table[k] == IGNORE_ID],
        "sources": [],
        "scenes": {},  # per scene: points of every class that are correct, true, and answered
    }
    with torch_set_up(config.threads):
        for number, source in enumerate(config.validation if sources is None else sources):
            confusion = ConfusionMatrix(len(names))
            for sample in labelled_samples(source, config.class_table):
                of_scene = pooled_confusion([sample], answer, table, len(names))
                is_taken = sample.name in metrics["scenes"]  # two data sets may have scenes of one name
                metrics["scenes"][f"{number}/{sample.name}" if is_taken else sample.name] = counts_of_classes(of_scene)
                confusion.merge(of_scene)
            confusion.require_points(source.title)
            pooled.merge(confusion)
            metrics["sources"].append({"title": source.kind, "folder": source.folder, **quality(confusion, names)})
    if pooled.points == 0:
        raise BadConfig("validation: expected scenes with labels, found none. Choose data sets with labels.")
    metrics["pooled"] = quality(pooled, names)
    metrics["answered_by_pictures"] = counted.of_pictures / counted.answered if counted.answered else None
    if out is not None:
        write_text(out, json.dumps(metrics, indent=1))
    return metrics


def pseudo_label_quality(config: VlgConfig, truth_as: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Compare the pseudo labels of a run's training scenes with the truth, which training itself never sees.

    `coverage` is the share of the points with a truth that have a label. All other figures are computed on labelled
    points only: thinned labels are meant to be few and correct. Raises BadLabels if a scene's labels are missing.
    """
    names = config.words.class_table.names
    table = class_ids_of_truth(config.class_table, config.words.class_table, truth_as or {})
    store = PseudoLabelStore(Path(config.out) / PSEUDO_LABELS)
    confusion, known = ConfusionMatrix(len(names)), 0
    for source in config.train:
        for sample in labelled_samples(source, config.class_table):
            label = store.read(sample.name).class_id
            truth = table[sample.class_id]
            known += int((truth != IGNORE_ID).sum())
            confusion.add(np.where(label == IGNORE_ID, np.uint8(IGNORE_ID), truth), label)
    return {**quality(confusion, names), "coverage": confusion.points / known if known else None}


def quality(confusion: ConfusionMatrix, names: tuple[str, ...]) -> dict[str, Any]:
    """The figures of a confusion matrix as JSON-ready numbers.

    mean_iou and mean_accuracy: over the classes in the truth, as the benchmarks define them; points without an answer
    are misses. mean_iou_openscene is what the code of OpenScene and 3DSS-VLG reports: points without an answer left
    out, averaged over all classes, with 0 for classes absent from the truth; per_class_iou_openscene holds its parts.
    """
    recall, precision = confusion.recall(), confusion.precision()
    present = ~np.isnan(recall)
    of_answered = confusion.iou_of_answered()
    return {
        **confusion.to_dict(names),
        "mean_iou_openscene": _number(confusion.mean_iou_openscene()),
        "per_class_iou_openscene": {name: _number(value) for name, value in zip(names, of_answered, strict=True)},
        "mean_accuracy": float(recall[present].mean()) if present.any() else None,
        "per_class_recall": {name: _number(value) for name, value in zip(names, recall, strict=True)},
        "per_class_precision": {name: _number(value) for name, value in zip(names, precision, strict=True)},
    }


def counts_of_classes(confusion: ConfusionMatrix) -> list[list[int]]:
    """True positives, true points and answered points of each class: all that the IoU of pooled scenes needs."""
    answered = confusion.counts[:, : confusion.num_classes]
    return [np.diagonal(answered).tolist(), confusion.counts.sum(axis=1).tolist(), answered.sum(axis=0).tolist()]


def labelled_samples(source: DataSource, classes: ClassTable) -> Iterator[Sample]:
    """Iterate over the scenes of a data set that have a truth."""
    dataset = open_source(source, classes)
    for index in range(len(dataset)):
        sample = dataset[index]
        if sample.class_id is not None:
            yield sample


def table(metrics: Mapping[str, Any]) -> str:
    """Metrics of evaluate_language() as text: one row per class in percent, then the named means."""
    pooled = metrics["pooled"]
    columns = ("IoU", "recall", "precision")
    lines = [f"{'class':24}" + "".join(f"{name:>11}" for name in columns) + f"{'points':>12}{'no answer':>12}"]
    for name, points in pooled["points_per_class"].items():
        cells = [_percent(pooled[key][name]) for key in ("per_class_iou", "per_class_recall", "per_class_precision")]
        lines.append(
            f"{name:24}"
            + "".join(f"{cell:>11}" for cell in cells)
            + f"{points:>12,}{pooled['no_answer_per_class'][name]:>12,}"
        )
    means = {
        "mean IoU, points without an answer count as misses": "mean_iou",
        "mean IoU as in the code of OpenScene and 3DSS-VLG: without these points, 0 for absent classes": "mean_iou_openscene",
        "mean accuracy": "mean_accuracy",
        "point accuracy": "accuracy",
    }
    lines += [f"{name}: {_percent(pooled[key])} %" for name, key in means.items()]
    lines.append("Points without an answer count as wrong in all other figures.")
    if metrics["mode"] == "ensemble":
        lines.append(
            f"{_percent(metrics['answered_by_pictures'])} % of the answers come from image features, the others from the 3D network."
        )
    if metrics["left_out"]:
        lines.append(f"Points of {', '.join(metrics['left_out'])} are left out: the vocabulary has no class for them.")
    if metrics["oracle_lists"]:
        lines.append(
            "Answers were restricted to the classes actually present in each scene: an oracle, not a fair test."
        )
    return "\n".join(lines)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
