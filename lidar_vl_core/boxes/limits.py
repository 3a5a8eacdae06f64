"""Which boxes to report: minimum scores and maximum ranges, for all classes and for single ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean


@dataclass(frozen=True)
class BoxLimits:
    """Limits of one class, or of all classes without their own; None = no limit."""

    min_score: float | None = None  # 0..1
    max_range_m: float | None = None  # from the sensor to the middle, seen from above; 0 = any


@dataclass(frozen=True)
class BoxRules:
    """Limits for all classes, and exceptions for single ones."""

    of_all: BoxLimits = BoxLimits()
    of_class: Mapping[str, BoxLimits] = field(default_factory=dict)

    def require_classes(self, classes: ClassTable) -> None:
        """Raise BadConfig, listing the known classes, for limits on a class that the table does not have."""
        for name in self.of_class:
            if name not in classes.names:
                raise BadConfig(
                    f"classes: expected one of {', '.join(classes.names)}, found {name!r}."
                    f"{did_you_mean(name, classes.names)}"
                )

    def min_scores(self, classes: ClassTable) -> dict[str, float]:
        """The minimum score of each class that has one. Raises BadConfig as require_classes()."""
        own = self._own(classes)
        scores = {
            name: self.of_all.min_score if limits.min_score is None else limits.min_score
            for name, limits in own.items()
        }
        return {name: score for name, score in scores.items() if score is not None}

    def max_ranges_m(self, classes: ClassTable) -> dict[str, float]:
        """The maximum range of each class that has one, metres. Raises BadConfig as require_classes()."""
        own = self._own(classes)
        ranges_m = {
            name: self.of_all.max_range_m if limits.max_range_m is None else limits.max_range_m
            for name, limits in own.items()
        }
        return {name: range_m for name, range_m in ranges_m.items() if range_m}

    def _own(self, classes: ClassTable) -> dict[str, BoxLimits]:
        self.require_classes(classes)
        return {name: self.of_class.get(name, BoxLimits()) for name in classes.names}
