"""The average precision of a detector trained by a study; all its columns share one measurement. Touches the disk."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from lidar_vl_core.foundation.errors import BadLabels
from offline_training.datasets.data_sources import DataSource
from offline_training.reproduction.base.cells import Measured, kept, sha256_of_values


def box_ap(checkpoint: Path, sources: Sequence[DataSource], box_class: str | None, threads: int) -> Measured:
    """AP in percent, mean over the data sets: of one class, or the number each benchmark compares (KITTI: 3D, moderate).

    Raises BadLabels for a class without boxes in the truth.
    """
    from offline_training.evaluation.evaluate import evaluate

    key = sha256_of_values([[source.model_dump(mode="json") for source in sources], checkpoint.read_text()])
    file = checkpoint.parent.parent / f"boxes_{key[:12]}.json"
    found = kept(file, key, lambda: evaluate(checkpoint, sources, threads=threads).metrics)["sources"]
    values = [one["score"] if box_class is None else one["class_scores"].get(box_class) for one in found]
    if None in values:
        raise BadLabels(
            f"{', '.join(one['folder'] for one in found)}: expected boxes of {box_class or 'any class'} in the truth, "
            "found none. Choose other test data."
        )
    return Measured(100.0 * mean(values), {})
