"""What the surfaces of synthetic rooms are made of: classes, patterns and colours, drawn so that colour never tells the class."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID
from offline_training.synthetic.world.meshes import Color, Mesh, surface

# Class ids of the table synthetic_rooms, in its order.
WALL, FLOOR, CEILING, DOOR, WINDOW, TABLE, CHAIR = range(7)
SOFA, BED, CABINET, BOOKSHELF, PICTURE, PLANT, PERSON = range(7, 14)
CLUTTER = IGNORE_ID  # screens, lamps, boxes: things without a class


class Texture(IntEnum):
    """Materials of rooms; their numbers begin above those of world.materials.Material, which rooms use too."""

    PLAIN = 32
    GRAIN = 33
    PLANKS = 34
    TILES = 35
    CARPET = 36
    WEAVE = 37
    STRIPES = 38
    CHECKS = 39
    OUTSIDE = 40  # a pane with daylight behind; its v coordinate runs from 0 at the sill to 1
    GLOW = 41  # a lamp


@dataclass(frozen=True)
class Finish:
    """A pattern in a colour."""

    texture: int
    color_rgb: Color


_PALE: list[Color] = [
    (236, 232, 222), (222, 226, 228), (214, 222, 210), (232, 220, 200), (206, 214, 226), (240, 238, 236),
]  # fmt: skip
_WOODS: list[Color] = [
    (166, 124, 82), (196, 160, 116), (112, 78, 52), (140, 98, 62), (214, 186, 148), (84, 62, 48), (150, 84, 56),
]  # fmt: skip
_COLORS: list[Color] = [
    (120, 44, 48), (56, 76, 112), (88, 100, 80), (186, 172, 148), (96, 92, 92), (44, 46, 54), (196, 150, 72),
    (150, 120, 96), (70, 116, 120), (206, 200, 192), (140, 70, 96), (112, 82, 58), (178, 92, 78), (128, 150, 170),
    (64, 92, 70), (214, 206, 180),
]  # fmt: skip
METAL = Finish(Texture.PLAIN, (150, 152, 156))
DARK = Finish(Texture.PLAIN, (46, 46, 50))


def solid(corners_m: np.ndarray, class_id: int, finish: Finish) -> Mesh:
    """Triangles (F, 3, 3) of one class and finish."""
    return surface(corners_m, class_id, finish.texture, finish.color_rgb)


def hard_finish(rng: np.random.Generator) -> Finish:
    """Finish of furniture that is not upholstered: wood, or lacquer in white or any colour."""
    kind = rng.random()
    if kind < 0.55:
        return Finish(Texture.GRAIN, _varied(rng, _WOODS))
    return Finish(Texture.PLAIN, _varied(rng, _PALE if kind < 0.75 else _COLORS))


def soft_finish(rng: np.random.Generator) -> Finish:
    """Finish of cloth and leather, plain or with a pattern."""
    textures = (Texture.WEAVE, Texture.PLAIN, Texture.STRIPES, Texture.CHECKS)
    texture = textures[rng.choice(len(textures), p=[0.5, 0.26, 0.12, 0.12])]
    return Finish(texture, _varied(rng, _COLORS if rng.random() < 0.85 else _WOODS))


def any_finish(rng: np.random.Generator) -> Finish:
    """Finish of small things of every sort."""
    return Finish(Texture.PLAIN, _varied(rng, _COLORS + _PALE))


def wall_finish(rng: np.random.Generator) -> Finish:
    """Finish of a wall: mostly pale paint, at times a strong colour, stripes or wood."""
    kind = rng.random()
    if kind < 0.72:
        return Finish(Texture.PLAIN, _varied(rng, _PALE))
    if kind < 0.9:
        return Finish(Texture.PLAIN, _varied(rng, _COLORS))
    return Finish(Texture.STRIPES, _varied(rng, _PALE)) if kind < 0.96 else Finish(Texture.GRAIN, _varied(rng, _WOODS))


def floor_finish(rng: np.random.Generator) -> Finish:
    """Finish of a floor: boards, tiles or carpet."""
    kind = rng.random()
    if kind < 0.45:
        return Finish(Texture.PLANKS, _varied(rng, _WOODS))
    if kind < 0.7:
        return Finish(Texture.TILES, _varied(rng, [*_PALE, (150, 146, 140), (110, 104, 98), (176, 130, 100)]))
    return Finish(Texture.CARPET, _varied(rng, _COLORS))


def _varied(rng: np.random.Generator, palette: list[Color]) -> Color:
    color = np.array(palette[rng.integers(len(palette))]) * rng.uniform(0.85, 1.12) + rng.normal(0, 5, 3)
    red, green, blue = np.clip(np.round(color), 8, 248).astype(int)
    return int(red), int(green), int(blue)
