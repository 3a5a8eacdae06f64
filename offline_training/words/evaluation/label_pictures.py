"""The effect of refinement on the pseudo labels of a few scenes: before, after, and which were removed, added or changed."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.drawing.figures import in_rows, legend, png_bytes
from lidar_vl_core.drawing.palette import class_colors
from lidar_vl_core.foundation.files import write_bytes
from offline_training.datasets.base.sample import Sample
from offline_training.words.evaluation.pictures import panel
from offline_training.words.features.run_features import open_features
from offline_training.words.settings.training_samples import opened, speaks_of_truth
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.labelling import featured_scenes, labelling_of
from offline_training.words.stages.pseudo_labels.pseudo_store import FOLDER, PseudoLabelStore

if TYPE_CHECKING:
    from PIL.Image import Image

_KEPT_RGB, _NONE_RGB = (150, 150, 150), (225, 225, 225)
_REMOVED_RGB, _FILLED_RGB, _CHANGED_RGB = (214, 39, 40), (44, 160, 44), (255, 158, 22)


def write_label_picture(config: VlgConfig, scenes: int = 2) -> Path:
    """Draw the first scenes of a run with pseudo labels to preview.png in their folder, one row per scene.

    Raises BadLabels without pseudo labels, BadDataset without features.
    """
    store, labelling = PseudoLabelStore(Path(config.out) / FOLDER), labelling_of(config)
    classes, rows = config.words.class_table, []
    for sample, seen in islice(featured_scenes(opened(config, config.train), open_features(config)), scenes):
        before, after = labelling.of_scene(sample, seen).class_id, store.read(sample.name).class_id
        rows.append(_row(sample, before, after, classes, sample.class_id if speaks_of_truth(config) else None))
    path = store.folder / "preview.png"
    write_bytes(path, png_bytes(in_rows(rows, 1)))
    return path


def change_colors(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(N, 3) uint8: red = label removed, green = label added, orange = label changed, grey = unchanged, light grey = never labelled."""
    had, has = before != IGNORE_ID, after != IGNORE_ID
    colors = np.full((len(before), 3), _NONE_RGB, np.uint8)
    colors[had & has] = _KEPT_RGB
    colors[had & has & (before != after)] = _CHANGED_RGB
    colors[had & ~has] = _REMOVED_RGB
    colors[~had & has] = _FILLED_RGB
    return colors


def _row(
    sample: Sample, before: np.ndarray, after: np.ndarray, classes: ClassTable, truth: np.ndarray | None
) -> "Image":
    """Truth if known, before, after, and the changes side by side, with a class legend below."""
    colors = class_colors(classes)
    shown = {"before": before, "after": after} if truth is None else {"truth": truth, "before": before, "after": after}
    panels = [panel(sample, colors[class_id], f"{sample.name}, {title}") for title, class_id in shown.items()]
    had, has = before != IGNORE_ID, after != IGNORE_ID
    told = {
        "removed (red)": had & ~has,
        "filled (green)": ~had & has,
        "changed (orange)": had & has & (before != after),
    }
    caption = ", ".join(f"{name} {100 * float(points.mean()):.0f} %" for name, points in told.items())
    row = in_rows([*panels, panel(sample, change_colors(before, after), caption)], len(panels) + 1)
    return in_rows([row, legend(classes, np.unique(np.concatenate(list(shown.values()))), row.width)], 1)
