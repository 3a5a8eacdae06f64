"""Where a network errs, as images: truth, prediction and errors of a scan from above, side by side. Writes files."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.drawing.bird_eye_view import bird_eye_view, fitting_half_width_m
from lidar_vl_core.drawing.figures import captioned, in_rows, legend, png_bytes
from lidar_vl_core.drawing.palette import class_colors, error_colors
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.foundation.files import write_bytes
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import DataSource, open_source

if TYPE_CHECKING:
    from PIL.Image import Image

_PANEL_PX = 560


def write_error_maps(
    classes: ClassTable,
    label: Callable[[Sample], np.ndarray],
    sources: Iterable[DataSource],
    folder: Path,
    per_source: int = 4,
) -> list[Path]:
    """Draw some scans of each data set, evenly spread, as PNG into `folder`; returns the files.

    label: gives the classes (N,) of the points of a sample's labelled_scan().
    Raises BadDataset, also when none of the scans has labels.
    """
    written = []
    for source in sources:
        dataset = open_source(source, classes)
        for index in np.unique(np.linspace(0, len(dataset) - 1, per_source).round().astype(int)):
            sample = dataset[int(index)]
            if sample.class_id is None:
                continue
            scan = labelled_scan(sample)
            picture = error_map(sample.name, scan.xyz_m, label(sample), scan.class_id, classes)
            path = folder / f"{source.kind}_{sample.name.replace('/', '_')}.png"
            write_bytes(path, png_bytes(picture))
            written.append(path)
    if not written:
        raise BadDataset(f"{folder}: expected labelled scans to draw errors of, found none. Use data sets with labels.")
    return written


def error_map(name: str, xyz_m: np.ndarray, prediction: np.ndarray, truth: np.ndarray, classes: ClassTable) -> "Image":
    """Truth, prediction and errors of one scan, with a legend below.

    xyz_m: (N, 3), x forward. prediction, truth: (N,) class ids, 255 = no answer, not known.
    """
    colors, half_width_m = class_colors(classes), fitting_half_width_m(xyz_m)
    wrong_or_right, priority = error_colors(prediction, truth)
    known = truth != IGNORE_ID
    share = 100.0 * float(np.mean(prediction[known] != truth[known])) if known.any() else 0.0
    panels = [
        captioned(bird_eye_view(xyz_m, colors[truth], half_width_m, _PANEL_PX), f"{name}: truth"),
        captioned(bird_eye_view(xyz_m, colors[prediction], half_width_m, _PANEL_PX), "prediction"),
        captioned(
            bird_eye_view(xyz_m, wrong_or_right, half_width_m, _PANEL_PX, priority),
            f"errors: {share:.1f} % of {int(known.sum()):,} labelled points wrong",
        ),
    ]
    row = in_rows(panels, len(panels))
    shown = np.union1d(truth, prediction)
    return in_rows([row, legend(classes, shown, row.width, with_errors=True)], 1)
