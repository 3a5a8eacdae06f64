"""How the plain rooms are captioned: by family and traits, never by name; and the dictionary that says what the names mean.

The dictionary gives a name's family and one trait, which several names share: a bench is a "seat with legs", and so are a
chair and a stool. A model that has read captions and dictionary tells the things apart by sight, but not by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NOTHING = ("background", "nothing")


@dataclass(frozen=True)
class Described:
    """What captions say of a class, and its traits that its entry in the dictionary names."""

    family: str
    traits: tuple[str, ...]  # "tall": a tall thing; "with legs": a thing with legs
    defined_by: str  # one of the traits

    @property
    def phrases(self) -> tuple[str, ...]:
        """All that may be said of its regions."""
        return (self.family, *(_of(trait, noun) for trait in self.traits for noun in ("thing", self.family)))

    @property
    def definition(self) -> str:
        """What the dictionary says its name means."""
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
