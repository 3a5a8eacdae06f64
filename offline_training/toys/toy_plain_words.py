"""Captions of the plain rooms, by family and traits but never by name, and the dictionary that explains the names.

The dictionary gives a name's family and one trait, which several names share: a bench is a "seat with legs", and so are
a chair and a stool. A model trained on captions and dictionary distinguishes the objects by sight, but not by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NOTHING = ("background", "nothing")


@dataclass(frozen=True)
class Described:
    """A class's words in captions, and the trait in its dictionary entry."""

    family: str
    traits: tuple[str, ...]  # "tall": a tall thing; "with legs": a thing with legs
    defined_by: str  # one of the traits

    @property
    def phrases(self) -> tuple[str, ...]:
        """All phrases that are true of its regions."""
        return (self.family, *(_of(trait, noun) for trait in self.traits for noun in ("thing", self.family)))

    @property
    def definition(self) -> str:
        """The dictionary's meaning of its name."""
        return _of(self.defined_by, self.family)


def _of(trait: str, noun: str) -> str:
    return f"{noun} {trait}" if trait.startswith("with ") else f"{trait} {noun}"


PLAIN_WORDS: Mapping[str, Described] = {
    "wall": Described("surface", ("upright",), "upright"),
    "floor": Described("surface", ("lower",), "lower"),
    "ceiling": Described("surface", ("upper",), "upper"),
    "chair": Described("seat", ("with legs", "with backrest"), "with legs"),
    "stool": Described("seat", ("with legs", "small"), "with legs"),
    "bench": Described("seat", ("with legs", "long"), "with legs"),
    "sofa": Described("seat", ("with cushions", "with arms", "long"), "with arms"),
    "armchair": Described("seat", ("with cushions", "with arms", "small"), "with arms"),
    "table": Described("worktop", ("flat", "with legs"), "flat"),
    "desk": Described("worktop", ("flat", "with drawers"), "flat"),
    "counter": Described("worktop", ("with doors", "with sink"), "with doors"),
    "cabinet": Described("storage", ("with doors", "low"), "with doors"),
    "wardrobe": Described("storage", ("with doors", "tall"), "with doors"),
    "dresser": Described("storage", ("with drawers", "low"), "with drawers"),
    "bookshelf": Described("storage", ("with books", "tall"), "with books"),
    "bed": Described("berth", ("with mattress", "with pillow", "long"), "with mattress"),
    "crib": Described("berth", ("with mattress", "with bars", "small"), "with mattress"),
    "picture": Described("decoration", ("with frame", "painted"), "with frame"),
    "mirror": Described("decoration", ("with frame", "shiny"), "with frame"),
    "clock": Described("decoration", ("round", "with hands"), "round"),
    "box": Described("container", ("closed", "with tape"), "closed"),
    "bin": Described("container", ("round", "open"), "open"),
    "suitcase": Described("container", ("closed", "with wheels"), "closed"),
    "plant": Described("creature", ("with leaves",), "with leaves"),
    "person": Described("creature", ("with clothes",), "with clothes"),
}
