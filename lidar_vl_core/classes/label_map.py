"""Label maps: the raw ids of a data set as ids of a class table."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadLabels

_MOST = 2.0**53  # beyond it a float64 is no exact whole number


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Translates the raw ids of a data set into the ids of a class table."""

    source: str
    target: ClassTable
    class_of_raw: np.ndarray  # (R,) int16: class id, 255 = ignored, -1 = not an id of the source
    raw_mask: int | None = None  # bits of the raw value that hold the class; SemanticKITTI keeps instances above them

    def apply(self, raw_id: np.ndarray) -> np.ndarray:
        """(N,) raw integer ids (or whole floats) -> (N,) uint8 class ids, 255 = ignored.

        Raises BadLabels for ids the source does not have: a wrong table must not pass unseen.
        """
        raw = _as_integers(raw_id, self.source)
        if self.raw_mask is not None:
            raw = raw & np.asarray(self.raw_mask).astype(raw.dtype)
        inside = (raw >= 0) & (raw < len(self.class_of_raw))
        class_id = self.class_of_raw[np.where(inside, raw, 0)]
        unknown = ~inside | (class_id < 0)
        if unknown.any():
            raise BadLabels(
                f"expected label ids of {self.source}, found {np.unique(raw[unknown])[:8].tolist()}, which it does not "
                "have. Name the label table the data was labelled with."
            )
        return class_id.astype(np.uint8)


def _as_integers(raw_id: np.ndarray, source: str) -> np.ndarray:
    raw = np.asarray(raw_id)
    if raw.dtype.kind in "iu":
        return raw
    if raw.dtype.kind != "f" or not np.array_equal(raw, np.trunc(raw)) or np.abs(raw).max(initial=0) > _MOST:
        raise BadLabels(
            f"expected whole numbers as label ids of {source}, found {raw.dtype} with other values. "
            "Check which field holds the labels."
        )
    return raw.astype(np.int64)
