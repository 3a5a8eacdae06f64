"""What words find in scenes, as in figure 4 of the paper: input, truth, answer of averaged image features, ours.

Writes files.
"""

import dataclasses
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.drawing.bird_eye_view import bird_eye_view, fitting_half_width_m
from lidar_vl_core.drawing.figures import captioned, in_rows, legend, png_bytes
from lidar_vl_core.drawing.palette import class_colors
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import write_bytes
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.data_sources import DataSource
from offline_training.words.evaluation.evaluate_language import labelled_samples
from offline_training.words.evaluation.oblique_view import oblique_view
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import open_features
from offline_training.words.settings.question import FAIR_QUESTION, Answer, Question, class_ids_of_truth
from offline_training.words.settings.vlg_config import VlgConfig

if TYPE_CHECKING:
    from PIL.Image import Image

_PANEL_PX = 420
_INTENSITY_GAIN = 2.0  # most returns are dark


def write_language_pictures(
    config: VlgConfig,
    checkpoint: Path | None,
    folder: Path,
    question: Question = FAIR_QUESTION,
    sources: Iterable[DataSource] | None = None,
    scenes: int = 4,
) -> list[Path]:
    """Draw the first scenes of each data set (default: the run's validation sets) as PNGs in `folder`.

    The baseline is drawn for scenes that have image features. Returns the files. Raises BadDataset if no scene has
    labels, and what scene_answers raises.
    """
    from offline_training.words.evaluation.answers import scene_answers

    vocabulary = question.vocabulary or config.words
    table = class_ids_of_truth(config.class_table, vocabulary.class_table, question.truth_as)
    baseline = None if question.mode == "2d" else _baseline(config, question)
    title = "2D average" if question.mode == "2d" else f"ours, {question.mode}"
    ours = scene_answers(config, checkpoint, question)
    written = []
    for source in config.validation if sources is None else sources:
        for _, sample in zip(range(scenes), labelled_samples(source, config.class_table), strict=False):
            answers = {title: ours}
            if baseline is not None and baseline[0].has(sample.name):
                answers = {"2D average": baseline[1], title: ours}
            picture = scene_picture(sample, table[sample.class_id], answers, vocabulary.class_table)
            path = folder / f"{source.kind}_{sample.name.replace('/', '_')}.png"
            write_bytes(path, png_bytes(picture))
            written.append(path)
    if not written:
        raise BadDataset(f"{folder}: expected labelled scenes to draw, found none. Choose data sets with labels.")
    return written


def _baseline(config: VlgConfig, question: Question) -> tuple[FeatureStore, Answer] | None:
    """The averaged image features of a run and the answer function over them; None if the run has none."""
    from offline_training.words.evaluation.answers import scene_answers

    try:
        store = open_features(config)
    except BadDataset:
        return None
    return store, scene_answers(config, None, dataclasses.replace(question, mode="2d", specialised=False))


def scene_picture(sample: Sample, truth: np.ndarray, answers: dict[str, Answer], classes: ClassTable) -> "Image":
    """Input, truth and every answer for one scene in a row, with a legend below. truth: (N,) uint8 in `classes`."""
    colors = class_colors(classes)
    panels = [panel(sample, _input_colors(sample), sample.name), panel(sample, colors[truth], "truth")]
    shown: Sequence[np.ndarray] = [truth]
    for title, answer in answers.items():
        class_id = answer(sample)
        confusion = ConfusionMatrix(len(classes))
        confusion.add(truth, class_id)
        panels.append(panel(sample, colors[class_id], f"{title}: mean IoU {100 * confusion.mean_iou():.1f} %"))
        shown = [*shown, class_id]
    row = in_rows(panels, len(panels))
    return in_rows([row, legend(classes, np.unique(np.concatenate(shown)), row.width)], 1)


def confusion_picture(metrics: Mapping[str, Any], names: Sequence[str], title: str) -> bytes:
    """The confusion matrix of quality() as PNG: rows are the truth and sum to 100 %, columns are answers, the last one "none"."""
    from matplotlib.figure import Figure

    unanswered = [[metrics["no_answer_per_class"][name]] for name in names]
    counts = np.concatenate([metrics["confusion"], unanswered], axis=1).astype(np.float64)
    share = 100.0 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    side = 2.4 + 0.36 * len(names)
    figure = Figure(figsize=(side + 0.4, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=100.0)
    for row, column in zip(*np.nonzero(share >= 0.5), strict=True):
        ink = "white" if share[row, column] > 60 else "black"
        axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=7, color=ink)
    labels = [name.replace("_", " ") for name in names]
    axes.set_xticks(range(len(names) + 1), [*labels, "none"], rotation=90)
    axes.set_yticks(range(len(names)), labels)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth")
    axes.set_title(title)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def panel(sample: Sample, colors_rgb: np.ndarray, caption: str) -> "Image":
    """Draw a room obliquely, or a LiDAR sweep from above. colors_rgb: (N, 3) uint8."""
    xyz_m = sample.cloud.measured_xyz_m()
    if "rgb" in sample.cloud.extra:
        return captioned(oblique_view(xyz_m, colors_rgb, _PANEL_PX), caption)
    return captioned(bird_eye_view(xyz_m, colors_rgb, fitting_half_width_m(xyz_m), _PANEL_PX), caption)


def _input_colors(sample: Sample) -> np.ndarray:
    """(N, 3) uint8: the points' own colours, or their intensity (dark = high)."""
    if "rgb" in sample.cloud.extra:
        return np.asarray(sample.cloud.extra["rgb"])
    light = 200.0 * (1.0 - np.clip(_INTENSITY_GAIN * sample.cloud.intensity, 0.0, 1.0))
    return np.repeat(light.astype(np.uint8)[:, None], 3, axis=1)
