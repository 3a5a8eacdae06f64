"""Parametric trucks, buses and trailers; x forward, y left, z up, origin on the ground under the middle."""

import numpy as np

from offline_training.synthetic.objects.vehicles import DARK, GLASS, PAINTS, cab, lights, wheels
from offline_training.synthetic.world.materials import BUS, TRAILER, TRUCK, Material
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    box,
    boxes,
    extruded,
    frustum,
    merged,
    one_thing,
    panel,
    quads,
    surface,
    tube,
)

_STEEL: Color = (150, 152, 155)


@one_thing(TRUCK)
def truck(rng: np.random.Generator) -> Mesh:
    """A box truck, a flat-bed, a tipper or a tanker with its driver's cab."""
    paint = PAINTS[rng.integers(len(PAINTS))]
    w, length = rng.uniform(1.15, 1.26), rng.uniform(6.5, 10.0)
    front, rear = length / 2, -length / 2
    cab_rear = front - rng.uniform(1.7, 2.3)
    deck, top = 1.0, rng.uniform(3.0, 3.9)
    parts = [
        *cab(TRUCK, cab_rear, front, w, rng.uniform(2.5, 3.1), paint),
        surface(box(((cab_rear + rear) / 2, 0, 0.82), (cab_rear - rear, 0.9, 0.25)), TRUCK, Material.METAL, DARK),
    ]
    kind = str(rng.choice(["box", "flatbed", "tipper", "tank"], p=[0.55, 0.15, 0.18, 0.12]))
    color = PAINTS[rng.integers(5)] if rng.random() < 0.6 else PAINTS[rng.integers(len(PAINTS))]
    if kind == "tank":
        tank = tube((rear + 0.2, 0, 2.0), (cab_rear - 0.3, 0, 2.0), 1.02, sides=16)
        parts.append(surface(tank, TRUCK, Material.METAL, (205, 208, 210)))
    elif kind == "box":
        parts += _closed_body(rear, cab_rear - 0.15, w, deck, top, color)
    else:
        parts += _open_body(rear, cab_rear, w, deck, color, kind == "tipper")
    parts += wheels(
        TRUCK, (rear + 0.9, rear + 2.0, front - 1.3) if length > 8 else (rear + 1.2, front - 1.2), w, 0.5, 0.3
    )
    parts += lights(TRUCK, front, w, 0.85, rear)
    return merged(parts)


def _closed_body(rear: float, front: float, w: float, deck: float, top: float, color: Color) -> list[Mesh]:
    middle, z = (front + rear) / 2, (deck + top) / 2
    return [
        surface(box((middle, 0, z), (front - rear, 2 * w, top - deck)), TRUCK, Material.CAR_PAINT, color),
        surface(box((rear - 0.02, 0, z), (0.03, 0.06, top - deck - 0.2)), TRUCK, Material.METAL, _STEEL),
    ]


def _open_body(rear: float, cab_rear: float, w: float, deck: float, color: Color, tipper: bool) -> list[Mesh]:
    """A deck with boards; a tipper's are high, and it carries a heap of soil."""
    length, middle = cab_rear - 0.15 - rear, (cab_rear - 0.15 + rear) / 2
    rail = 1.1 if tipper else 0.45
    z = deck + rail / 2
    center = [[middle, w, z], [middle, -w, z], [rear, 0, z], [cab_rear - 0.2, 0, z], [middle, 0, deck]]
    size = [[length, 0.06, rail]] * 2 + [[0.06, 2 * w, rail], [0.06, 2 * w, rail + 0.5], [length, 2 * w, 0.12]]
    parts = [surface(boxes(np.array(center), np.array(size)), TRUCK, Material.METAL, color)]
    if tipper:
        x0, x1 = rear + 0.1, cab_rear - 0.4
        heap = np.array([(x0, deck + 0.7), (x0, deck + 0.9), (middle, deck + 1.5), (x1, deck + 0.9), (x1, deck + 0.7)])
        mound = extruded(heap, (-w + 0.1, 0, w - 0.1), (0.8, 1.0, 0.8))
        parts.append(surface(mound, TRUCK, Material.SOIL, (120, 98, 74)))
    return parts


@one_thing(BUS)
def bus(rng: np.random.Generator) -> Mesh:
    """A city bus, rigid or with a joint."""
    paint = [(222, 222, 220), (196, 40, 36), (36, 92, 160), (236, 182, 44), (64, 140, 84)][rng.integers(5)]
    lengths = [rng.uniform(10.0, 12.5)] if rng.random() < 0.75 else [9.5, 7.0]
    w, height = 1.27, rng.uniform(2.95, 3.25)
    parts, x = [], sum(lengths) / 2
    for number, length in enumerate(lengths):
        body = frustum((x - length, x, w, 0.32), (x - length + 0.05, x - 0.15, w - 0.06, height))
        parts.append(surface(quads(body), BUS, Material.CAR_PAINT, paint))
        parts.append(
            surface(box((x - length / 2, 0, 0.34), (length - 0.1, 2 * w - 0.1, 0.06)), BUS, Material.METAL, DARK)
        )
        parts += [surface(panel(body[i], (0.02, 0.98), (0.38, 0.8)), BUS, Material.GLASS, GLASS) for i in (1, 3)]
        parts += [
            surface(panel(body[i], (u, u + 0.015), (0.38, 0.8), 0.03), BUS, Material.CAR_PAINT, paint)
            for i in (1, 3)
            for u in np.arange(0.15, 0.95, 0.14)
        ]
        doors = (0.62, 0.9) if number == 0 else (0.5,)
        parts += [
            surface(panel(body[1], (u, u + 0.1), (0.05, 0.8), 0.035), BUS, Material.GLASS, (52, 58, 62)) for u in doors
        ]
        parts.append(
            surface(
                box((x - length / 2, 0, height + 0.12), (length * 0.5, 1.4, 0.26)),
                BUS,
                Material.PLASTIC,
                (200, 200, 200),
            )
        )
        if number == 0:
            parts.append(surface(panel(body[2], (0.05, 0.95), (0.28, 0.82)), BUS, Material.GLASS, GLASS))
            parts.append(surface(panel(body[2], (0.15, 0.85), (0.86, 0.97)), BUS, Material.LAMP, (240, 160, 30)))
        if number == len(lengths) - 1:
            parts.append(surface(panel(body[0], (0.1, 0.9), (0.5, 0.8)), BUS, Material.GLASS, GLASS))
        parts += wheels(BUS, (x - length + 2.6, x - 2.6) if number == 0 else (x - length + 2.5,), w, 0.48, 0.28)
        x -= length + 0.6
    if len(lengths) == 2:
        parts.append(
            surface(box((sum(lengths) / 2 - 9.8, 0, 1.7), (0.7, 2 * w - 0.2, 2.5)), BUS, Material.RUBBER, DARK)
        )
    parts += lights(BUS, sum(lengths) / 2, w, 0.8, x + 0.6)
    return merged(parts)


@one_thing(TRAILER)
def trailer(rng: np.random.Generator) -> Mesh:
    """A semi-trailer on its legs, or a small car trailer."""
    color = PAINTS[rng.integers(len(PAINTS))]
    if rng.random() < 0.3:
        length, w = rng.uniform(2.4, 4.2), rng.uniform(0.8, 1.0)
        top = rng.uniform(0.9, 2.1)
        return merged(
            [
                surface(box((0, 0, (0.5 + top) / 2), (length, 2 * w, top - 0.5)), TRAILER, Material.METAL, color),
                surface(tube((length / 2, 0, 0.5), (length / 2 + 1.2, 0, 0.45), 0.05), TRAILER, Material.METAL, DARK),
                *wheels(TRAILER, (0.0,), w, 0.3, 0.18),
                *lights(TRAILER, None, w, 0.65, -length / 2),
            ]
        )
    length, w, top = rng.uniform(8.5, 13.0), 1.25, rng.uniform(3.3, 4.0)
    front, rear = length / 2, -length / 2
    parts = [
        surface(box((0, 0, (1.2 + top) / 2), (length, 2 * w, top - 1.2)), TRAILER, Material.CAR_PAINT, color),
        surface(box((0, 0, 1.08), (length, 1.0, 0.24)), TRAILER, Material.METAL, DARK),
        surface(tube((front - 2.5, 0.7, 0), (front - 2.5, 0.7, 1.1), 0.07), TRAILER, Material.METAL, _STEEL),
        surface(tube((front - 2.5, -0.7, 0), (front - 2.5, -0.7, 1.1), 0.07), TRAILER, Material.METAL, _STEEL),
        surface(
            boxes(
                np.array([[-0.5, w - 0.05, 0.75], [-0.5, -w + 0.05, 0.75]]), np.array([[length * 0.4, 0.05, 0.5]] * 2)
            ),
            TRAILER,
            Material.METAL,
            _STEEL,
        ),
        *wheels(TRAILER, (rear + 1.2, rear + 2.3, rear + 3.4), w, 0.5, 0.3),
        *lights(TRAILER, None, w, 1.0, rear),
    ]
    return merged(parts)
