"""The boxes of a detector and the truth on some scans, from above, as images. Writes files."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.drawing.box_figures import boxes_from_above_figure
from lidar_vl_core.drawing.figures import captioned, png_bytes
from lidar_vl_core.foundation.files import write_bytes
from offline_training.datasets.box_sources import open_boxes
from offline_training.datasets.data_sources import DataSource

if TYPE_CHECKING:
    from offline_training.finetuning.detection.judging import BoxFinder


def write_box_pictures(
    finder: "BoxFinder",
    sources: Iterable[DataSource],
    folder: Path,
    least_score: float = 0.3,
    per_source: int = 4,
) -> list[Path]:
    """Draw some scans of each data set, evenly spread, as PNG into `folder`.

    least_score: of the boxes that are drawn. Returns the files. Raises BadDataset.
    """
    reach_m = max(map(abs, (*finder.range_m[:2], *finder.range_m[3:5])))
    written = []
    for number, source in enumerate(sources):
        dataset = open_boxes(source, finder.classes, finder.sweeps)
        for index in np.unique(np.linspace(0, len(dataset) - 1, per_source).round().astype(int)):
            sample = dataset[int(index)]
            found = finder.find(sample.cloud)
            sure = found.taken(found.score >= least_score)
            known = sample.boxes.taken(sample.boxes.class_id < len(sample.classes))
            picture = boxes_from_above_figure(sample.cloud.xyz_m, sure, known, sample.classes, half_width_m=reach_m)
            path = folder / f"{number}_{source.kind}_{sample.name.replace('/', '_')}.png"
            write_bytes(
                path, png_bytes(captioned(picture, f"{sample.name}: boxes above {least_score}, truth in black"))
            )
            written.append(path)
    return written
