"""Ontologies: the classes of weak labels, their prompts, and how they map to other classes.

One YAML file each in configs/weak_labels/ontologies, or anywhere else.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator, model_validator

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.foundation.config import Config, load_named

_FOLDER = Path(__file__).resolve().parents[2] / "configs" / "weak_labels" / "ontologies"
_Channel = Annotated[int, Field(ge=0, le=255)]


class OntologyClass(Config):
    """One class; its position in the ontology is its id."""

    name: Annotated[str, Field(min_length=1)]
    color_rgb: tuple[_Channel, _Channel, _Channel]
    prompts: tuple[str, ...]  # empty for a class without prompts, such as background

    @field_validator("prompts")
    @classmethod
    def _words_only(cls, prompts: tuple[str, ...]) -> tuple[str, ...]:
        if any(not prompt.strip() or prompt != prompt.strip() for prompt in prompts):
            raise ValueError("a prompt is empty, or starts or ends with a space")
        return prompts


class Ontology(Config):
    """Classes by id, with prompts. `maps_to` gives, for other ontologies, the class that each class becomes there."""

    name: Annotated[str, Field(min_length=1)]
    classes: Annotated[tuple[OntologyClass, ...], Field(min_length=1, max_length=IGNORE_ID)]
    maps_to: dict[str, dict[str, str]] = Field(default_factory=dict)  # classes not listed become no class

    @model_validator(mode="after")
    def _consistent(self) -> "Ontology":
        _require_unique("class", self.names)
        _require_unique("prompt", [prompt.lower() for _, prompt in self.prompts])
        for target, mapping in self.maps_to.items():
            if unknown := sorted(set(mapping) - set(self.names)):
                raise ValueError(f"maps_to {target}: {', '.join(unknown)} : no such class in this ontology")
        return self

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names by id."""
        return tuple(each.name for each in self.classes)

    @property
    def prompts(self) -> list[tuple[int, str]]:
        """Every prompt with the id of its class, in class order."""
        return [(class_id, prompt) for class_id, each in enumerate(self.classes) for prompt in each.prompts]

    @property
    def class_table(self) -> ClassTable:
        """Names and colours, for images and metrics."""
        return ClassTable(self.name, self.names, np.array([each.color_rgb for each in self.classes], np.uint8))

    def to_json(self) -> dict[str, object]:
        """The part of the ontology that determines labels, without colours and maps to others."""
        return {"name": self.name, "classes": [[each.name, *each.prompts] for each in self.classes]}


def load_ontology(name: str) -> Ontology:
    """The ontology of that name in configs/weak_labels/ontologies, or of that YAML file.

    Raises BadConfig listing the known names.
    """
    return load_named(Ontology, _FOLDER, name, "ontology")


def _require_unique(kind: str, words: "list[str] | tuple[str, ...]") -> None:
    if repeated := sorted({word for word in words if words.count(word) > 1}):
        raise ValueError(f"{kind} given twice: {', '.join(repeated)}")
