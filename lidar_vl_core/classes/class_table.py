"""Class tables: the classes, their order and their colours."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.foundation.errors import BadLabels

IGNORE_ID = 255  # no class: unlabelled, ignored by the benchmark, or no answer of the network


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Classes by id: id k has the name names[k] and the colour colors_rgb[k]."""

    name: str
    names: tuple[str, ...]
    colors_rgb: np.ndarray  # (K, 3) uint8

    def __post_init__(self) -> None:
        """Raise BadLabels when names repeat or colours do not fit them."""
        if not 1 <= len(self.names) < IGNORE_ID or len(set(self.names)) != len(self.names):
            raise BadLabels(
                f"class table {self.name}: expected 1 to {IGNORE_ID - 1} different names, found {len(self.names)} "
                f"({len(set(self.names))} different). Give each class its own name."
            )
        if self.colors_rgb.shape != (len(self.names), 3) or self.colors_rgb.dtype != np.uint8:
            raise BadLabels(
                f"class table {self.name}: expected colours ({len(self.names)}, 3) uint8, found "
                f"{self.colors_rgb.shape} {self.colors_rgb.dtype}. Give one RGB colour per class."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClassTable):
            return NotImplemented
        same_classes = self.name == other.name and self.names == other.names
        return same_classes and np.array_equal(self.colors_rgb, other.colors_rgb)

    def __hash__(self) -> int:
        return hash((self.name, self.names))

    def id_of(self, class_name: str) -> int:
        """The id of a class; raises BadLabels for a name the table does not have."""
        if class_name not in self.names:
            raise BadLabels(f"class table {self.name}: no class {class_name!r}. It has {', '.join(self.names)}.")
        return self.names.index(class_name)

    def colorize(self, class_id: np.ndarray) -> np.ndarray:
        """(..., ) class ids -> (..., 3) uint8 colours; 255 and ids beyond the table are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(self)] = self.colors_rgb
        return palette[class_id]
