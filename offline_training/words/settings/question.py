"""How points are classified by words, and which class of the truth counts as which class of the answers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.words.vocabulary import Vocabulary
from offline_training.datasets.base.sample import Sample

Mode = Literal["2d", "3d", "ensemble"]  # as OpenScene's fusion, distill, ensemble
Answer = Callable[[Sample], np.ndarray]  # (N,) uint8 class of each point of a scene, 255 = no answer


@dataclass(frozen=True)
class Question:
    """How the points of a data set are classified, and what counts as correct."""

    mode: Mode = "3d"
    vocabulary: Vocabulary | None = None  # default: that of the run
    truth_as: Mapping[str, str] = field(default_factory=dict)  # class of the truth -> class of the answers it counts as
    oracle_lists: bool = (
        False  # only classes actually present in a scene may be answered: an upper bound, not a fair test
    )
    specialised: bool = False  # image features pass the run's adapter first
    constant: bool = False  # one vector for all points: the best answer without distinguishing any points


FAIR_QUESTION = Question()


def class_ids_of_truth(truth: ClassTable, classes: ClassTable, truth_as: Mapping[str, str]) -> np.ndarray:
    """(256,) uint8: answer class that each true class counts as, 255 = its points are left out.

    Classes of the same name correspond; truth_as maps the others. Raises BadConfig for unknown names.
    """
    for name, counts_as in truth_as.items():
        if name not in truth.names or counts_as not in classes.names:
            raise BadConfig(
                f"truth {name}={counts_as}: expected one of {', '.join(truth.names)} = one of "
                f"{', '.join(classes.names)}."
            )
    table = np.full(256, IGNORE_ID, np.uint8)
    for class_id, name in enumerate(truth.names):
        counts_as = truth_as.get(name, name)
        if counts_as in classes.names:
            table[class_id] = classes.id_of(counts_as)
    if (table == IGNORE_ID).all():
        raise BadConfig(
            f"vocabulary {classes.name}: expected a class of the truth, {', '.join(truth.names)}, found none. "
            "Rename its classes, or map true classes to them by --truth-as."
        )
    return table


def pooled_confusion(
    samples: Iterable[Sample], answer: Answer, class_of_truth: np.ndarray, classes: int
) -> ConfusionMatrix:
    """Pool the answers on scenes, point by point. class_of_truth: (256,) uint8 from class_ids_of_truth."""
    confusion = ConfusionMatrix(classes)
    for sample in samples:
        if sample.class_id is not None:
            confusion.add(class_of_truth[sample.class_id], answer(sample))
    return confusion
