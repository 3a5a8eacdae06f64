"""Maps the values of a label image or a closed-set network to the class ids of an ontology."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig, BadLabels
from offline_training.weak_labels.classes.ontology import Ontology

_UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class ClassValues:
    """Value v of the source means class `class_of_value[v]` of the target; 255 = no class, -1 = not a value of the source."""

    source: str
    class_of_value: np.ndarray  # (256,) int16

    def class_id(self, value: np.ndarray, origin: str) -> np.ndarray:
        """(...) uint8 values -> (...) uint8 class ids, 255 = no class.

        Raises BadLabels, naming the origin, for values that the source does not have, so that a wrong table does not go
        unnoticed.
        """
        present = np.flatnonzero(np.bincount(value.reshape(-1), minlength=256))
        if unknown := [int(each) for each in present if self.class_of_value[each] == _UNKNOWN]:
            raise BadLabels(
                f"{origin}: expected values of {self.source}, found {unknown[:8]}, which it does not have. "
                "Set the ontology of these labels, or list the values that mean no class in ignored_values."
            )
        return self.class_of_value.astype(np.uint8)[value]


def class_values(source: Ontology, target: Ontology, ignored_values: Sequence[int]) -> ClassValues:
    """The values 0..K-1 of `source` as classes of `target`, by its map, or unchanged if the two are the same ontology.

    ignored_values: values that mean no class, besides 255. Raises BadConfig if source has no map to target.
    """
    class_of_value = np.full(256, _UNKNOWN, np.int16)
    class_of_value[: len(source)] = _mapped(source, target)
    class_of_value[[*ignored_values, IGNORE_ID]] = IGNORE_ID
    return ClassValues(source.name, class_of_value)


def _mapped(source: Ontology, target: Ontology) -> list[int]:
    if source.names == target.names:
        return list(range(len(source)))
    if target.name not in source.maps_to:
        raise BadConfig(
            f"ontology {source.name}: expected a map to {target.name} under maps_to, found maps to "
            f"{', '.join(source.maps_to) or 'none'}. Choose another ontology or add the map."
        )
    mapping = source.maps_to[target.name]
    if unknown := sorted(set(mapping.values()) - set(target.names)):
        raise BadConfig(
            f"ontology {source.name}: maps_to {target.name}: expected classes of {target.name}, found "
            f"{', '.join(unknown)}."
        )
    return [target.names.index(mapping[name]) if name in mapping else IGNORE_ID for name in source.names]
