"""The words of the toy vision-language model: names of the classes of both synthetic worlds, hypernyms, colours."""

from collections.abc import Mapping

import numpy as np

# Every phrase of a class is true of all its regions; the streets label all of these "manmade", without finer classes.
STREET_WORDS: Mapping[str, tuple[str, ...]] = {
    "barrier": ("barrier", "barricade"),
    "bicycle": ("bicycle", "bike"),
    "bus": ("bus", "coach", "tram", "train"),  # the streets have no trains; a bus is the most similar object
    "car": ("car", "van", "automobile"),
    "construction_vehicle": (
        "construction vehicle",
        "bulldozer",
        "excavator",
        "concrete mixer",
        "crane",
        "dump truck",
        "digger",
    ),
    "motorcycle": ("motorcycle", "motorbike", "motor scooter"),
    "pedestrian": ("person", "pedestrian", "human", "people", "rider", "cyclist", "motorcyclist"),
    "traffic_cone": ("traffic cone", "cone"),
    "trailer": (
        "trailer",
        "semi trailer",
        "cargo container",
        "shipping container",
        "freight container",
    ),
    "truck": ("truck", "lorry"),
    "driveable_surface": ("road", "street", "driveable surface", "asphalt"),
    "other_flat": ("other flat", "curb", "traffic island", "traffic median"),
    "sidewalk": ("sidewalk", "pavement", "footpath"),
    "terrain": ("terrain", "grass", "grassland", "lawn", "meadow", "turf", "sod", "soil"),
    "manmade": (
        "manmade",
        "building",
        "house",
        "wall",
        "pole",
        "awning",
        "fence",
        "guard rail",
        "street lamp",
        "traffic light",
        "traffic sign",
    ),
    "vegetation": (
        "vegetation",
        "tree",
        "trunk",
        "tree trunk",
        "bush",
        "shrub",
        "hedge",
        "plant",
        "flower",
        "woods",
    ),
}
ROOM_WORDS: Mapping[str, tuple[str, ...]] = {
    "wall": ("wall",),
    "floor": ("floor", "carpet"),
    "ceiling": ("ceiling",),
    "door": ("door", "doorway"),
    "window": ("window",),
    "table": ("table", "desk"),
    "chair": ("chair", "armchair", "stool"),
    "sofa": ("sofa", "couch"),
    "bed": ("bed", "mattress"),
    "cabinet": ("cabinet", "cupboard", "wardrobe"),
    "bookshelf": ("bookshelf", "bookcase", "shelf"),
    "picture": ("picture", "painting", "poster"),
    "plant": ("plant", "flower", "houseplant"),
    "person": ("person", "human", "people"),
}
STREET_NOTHING = ("sky", "background", "nothing")  # pixels without a class
ROOM_NOTHING = ("background", "nothing")

# True of the regions of several classes, and so never a negative for one of them.
HYPERNYMS: Mapping[str, frozenset[str]] = {
    "vehicle": frozenset(
        {"bicycle", "bus", "car", "construction_vehicle", "motorcycle", "trailer", "truck"},
    ),
    "two wheeler": frozenset({"bicycle", "motorcycle"}),
    "ground": frozenset({"driveable_surface", "other_flat", "sidewalk", "terrain", "floor"}),
    "greenery": frozenset({"vegetation", "terrain", "plant"}),
    "furniture": frozenset({"table", "chair", "sofa", "bed", "cabinet", "bookshelf"}),
    "seat": frozenset({"chair", "sofa"}),
}
COLOURS = ("black", "grey", "white", "red", "orange", "brown", "yellow", "green", "blue", "purple")
TEMPLATES = ("{}", "a {}", "a {} in a scene", "a photo of a {}", "the {} in the image", "there is a {} here")

_DARK, _BRIGHT = 0.2, 0.72  # value of HSV
_GREY, _COLOURED = 0.1, 0.25  # saturation below which a colour has no hue, and above which it has a clear one
_HUES_DEG = ((16, "red"), (46, "orange"), (68, "yellow"), (170, "green"), (262, "blue"), (335, "purple"), (361, "red"))
_BROWN_BELOW = 0.62  # value below which orange is called brown


def colour_word(rgb: np.ndarray) -> str | None:
    """The name of a colour (3,) RGB of 0..255; None if people would disagree, such as for a bluish grey."""
    red, green, blue = (float(channel) / 255 for channel in rgb)
    value, spread = max(red, green, blue), max(red, green, blue) - min(red, green, blue)
    if value < _DARK:
        return "black"
    saturation = spread / value
    if saturation < _GREY:
        return "white" if value > _BRIGHT else "grey"
    if saturation < _COLOURED:
        return None
    hue_deg = _hue_deg(red, green, blue, spread)
    name = next(name for below, name in _HUES_DEG if hue_deg < below)
    return "brown" if name == "orange" and value < _BROWN_BELOW else name


def _hue_deg(red: float, green: float, blue: float, spread: float) -> float:
    """Hue in degrees: 0 red, 120 green, 240 blue."""
    if red >= max(green, blue):
        return 60 * (((green - blue) / spread) % 6)
    return 60 * ((blue - red) / spread + 2) if green >= blue else 60 * ((red - green) / spread + 4)
