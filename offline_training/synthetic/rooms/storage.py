"""Tables, cabinets and bookshelves of synthetic rooms; front towards +x, left +y, z up, origin on the floor under the middle."""

from itertools import pairwise

import numpy as np

from offline_training.synthetic.rooms.surfaces import (
    BOOKSHELF,
    CABINET,
    DARK,
    METAL,
    TABLE,
    Finish,
    any_finish,
    hard_finish,
    solid,
)
from offline_training.synthetic.world.meshes import Mesh, box, boxes, merged, tube


def table(rng: np.random.Generator, depth_m: float, width_m: float, height_m: float) -> Mesh:
    """A rectangular table with legs, side panels or a foot; chairs may stand below its rim by 0.15 m."""
    top, thick = hard_finish(rng), rng.uniform(0.025, 0.05)
    frame = top if rng.random() < 0.5 else (METAL if rng.random() < 0.5 else DARK)
    under = height_m - thick
    parts = [solid(box((0, 0, height_m - thick / 2), (depth_m, width_m, thick)), TABLE, top)]
    kind = rng.random()
    if kind < 0.6:
        leg = rng.uniform(0.04, 0.08)
        x, y = depth_m / 2 - leg / 2 - 0.03, width_m / 2 - leg / 2 - 0.03
        corners = np.array([(sx * x, sy * y, under / 2) for sx in (-1, 1) for sy in (-1, 1)])
        parts.append(solid(boxes(corners, np.tile([leg, leg, under], (4, 1))), TABLE, frame))
    elif kind < 0.8:
        y = width_m / 2 - 0.05
        sides = [box((0, side * y, under / 2), (depth_m - 0.06, 0.03, under)) for side in (-1, 1)]
        parts.append(solid(np.concatenate(sides), TABLE, frame))
    else:
        y = width_m / 4
        feet = [box((0, side * y, under / 2), (0.09, 0.09, under)) for side in (-1, 1)]
        feet += [box((0, side * y, 0.025), (0.7 * depth_m, 0.1, 0.05)) for side in (-1, 1)]
        parts.append(solid(np.concatenate(feet), TABLE, frame))
    return merged(parts)


def round_table(rng: np.random.Generator, diameter_m: float, height_m: float) -> Mesh:
    """A round table on one foot."""
    top, foot = hard_finish(rng), METAL if rng.random() < 0.5 else hard_finish(rng)
    radius = diameter_m / 2
    return merged(
        [
            solid(tube((0, 0, height_m - 0.035), (0, 0, height_m), radius, sides=24), TABLE, top),
            solid(tube((0, 0, 0.03), (0, 0, height_m - 0.035), 0.05, sides=8), TABLE, foot),
            solid(tube((0, 0, 0), (0, 0, 0.03), 0.5 * radius, sides=16), TABLE, foot),
        ]
    )


def cabinet(
    rng: np.random.Generator,
    depth_m: float,
    width_m: float,
    height_m: float,
    finish: Finish | None = None,
    drawers: bool | None = None,
) -> Mesh:
    """A closed cabinet: doors or drawers, by chance where neither is asked, with gaps and handles; chest, wardrobe by its size."""
    body = finish or hard_finish(rng)
    front = body if rng.random() < 0.7 else hard_finish(rng)
    foot = 0.0 if rng.random() < 0.4 else rng.uniform(0.04, 0.12)
    red, green, blue = body.color_rgb
    shade = Finish(body.texture, (int(0.45 * red), int(0.45 * green), int(0.45 * blue)))
    x = depth_m / 2
    parts = [
        solid(box((-0.01, 0, (height_m + foot) / 2), (depth_m - 0.02, width_m, height_m - foot)), CABINET, body),
        solid(
            box((x - 0.018, 0, (height_m + foot) / 2), (0.008, width_m - 0.03, height_m - foot - 0.03)), CABINET, shade
        ),
    ]
    if foot:
        parts.append(solid(box((-0.02, 0, foot / 2), (depth_m - 0.08, width_m - 0.06, foot)), CABINET, DARK))
    by_chance = height_m < 1.3 and rng.random() < 0.5
    drawers = by_chance if drawers is None else drawers
    columns = max(1, round(width_m / rng.uniform(0.42, 0.62)))
    rows = max(2, round((height_m - foot) / 0.24)) if drawers else 1
    wide, tall = (width_m - 0.03) / columns, (height_m - foot - 0.03) / rows
    handle = METAL if rng.random() < 0.6 else DARK
    for column in range(columns):
        for row in range(rows):
            y, z = -width_m / 2 + 0.015 + (column + 0.5) * wide, foot + 0.015 + (row + 0.5) * tall
            parts.append(solid(box((x - 0.012, y, z), (0.018, wide - 0.014, tall - 0.014)), CABINET, front))
            if drawers:
                grip = box((x + 0.006, y, z + 0.1 * tall), (0.022, min(0.16, 0.5 * wide), 0.018))
            else:
                side = 1 if column % 2 == 0 else -1
                grip = box((x + 0.006, y + side * 0.38 * wide, z), (0.022, 0.018, min(0.22, 0.4 * tall)))
            parts.append(solid(grip, CABINET, handle))
    return merged(parts)


def bookshelf(rng: np.random.Generator, width_m: float, height_m: float) -> Mesh:
    """An open shelf with rows of books and gaps between them."""
    wood, depth = hard_finish(rng), rng.uniform(0.26, 0.36)
    board = 0.025
    count = max(2, round(height_m / rng.uniform(0.32, 0.4)))
    levels = np.linspace(0.04, height_m - board / 2, count + 1)
    columns = max(1, round(width_m / 0.85))
    uprights = np.linspace(-width_m / 2 + board / 2, width_m / 2 - board / 2, columns + 1)
    frame = [box((0, y, height_m / 2), (depth, board, height_m)) for y in uprights]
    frame += [box((0, 0, z), (depth, width_m - board, board)) for z in levels]
    frame.append(box((-depth / 2 + 0.006, 0, height_m / 2), (0.012, width_m, height_m)))
    parts = [solid(np.concatenate(frame), BOOKSHELF, wood)]
    for low, high in pairwise(levels):
        for left, right in pairwise(uprights):
            parts += _books(rng, (left + board / 2, right - board / 2), low + board / 2, high - low - board, depth)
    return merged(parts)


def _books(
    rng: np.random.Generator, span_m: tuple[float, float], foot_m: float, room_m: float, depth_m: float
) -> list[Mesh]:
    """A row of books of many colours that fills most of a board."""
    books, y = [], span_m[0] + 0.01
    end = span_m[0] + rng.uniform(0.35, 1.0) * (span_m[1] - span_m[0])
    while (thick := rng.uniform(0.02, 0.055)) + y < end:
        height, deep = room_m * rng.uniform(0.6, 0.94), depth_m * rng.uniform(0.6, 0.85)
        if rng.random() < 0.9:
            corners = box((-depth_m / 2 + 0.015 + deep / 2, y + thick / 2, foot_m + height / 2), (deep, thick, height))
            books.append(solid(corners, BOOKSHELF, any_finish(rng)))
        y += thick + 0.002
    return books
