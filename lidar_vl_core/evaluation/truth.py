"""Where a recording stores the true class of every point, and that class in a network's own table."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.bags.recording import RecordedFrame, Recording
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import label_map
from lidar_vl_core.classes.label_map import LabelMap
from lidar_vl_core.foundation.errors import BadLabels, BadRequest


@dataclass(frozen=True)
class Truth:
    """Where a recording stores the true class of every point."""

    field: str  # of the PointCloud2
    labels: LabelMap

    def of(self, frame: RecordedFrame) -> np.ndarray:
        """(N,) uint8 class ids of a frame read with this field. Raises BadLabels naming the frame."""
        try:
            return self.labels.apply(frame.cloud.extra[self.field])
        except BadLabels as error:
            raise BadLabels(f"cloud {frame.index}, field {self.field}: {error}") from error


def truth_of(recording: Recording, classes: ClassTable, field: str | None, table: str | None) -> Truth | None:
    """Where the requested truth of a recording is; None when none was requested.

    Raises BadRequest where half is missing or the clouds lack the field, BadLabels for an unknown table.
    """
    if field is None and table is None:
        return None
    if field is None or table is None:
        found, missing = (
            ("only a table", "the field with the true classes (--label-field)")
            if field is None
            else ("only a field", "the table of its ids (--label-table)")
        )
        raise BadRequest(f"truth: expected a field and its table, found {found}. Give {missing}.")
    labels = label_map(table, classes)
    fields = recording.cloud_fields()
    if field not in fields:
        raise BadRequest(
            f"topic {recording.cloud_topic}: expected a label field {field!r}, found the fields {', '.join(fields)}. "
            "Name one of them, or leave the truth out."
        )
    return Truth(field, labels)
