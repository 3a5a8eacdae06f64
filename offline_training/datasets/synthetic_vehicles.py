"""Parametric vehicles of the synthetic world; x forward, y left, z up, origin on the ground under the middle."""

from collections.abc import Callable

import numpy as np

from offline_training.datasets.synthetic_materials import BUS, CAR, CONSTRUCTION_VEHICLE, TRAILER, TRUCK, Material
from offline_training.datasets.synthetic_meshes import (
    Color,
    Mesh,
    box,
    boxes,
    extruded,
    frustum,
    merged,
    panel,
    quads,
    rings_to_triangles,
    surface,
    tube,
)

PAINTS: list[Color] = [
    (226, 226, 224), (188, 190, 192), (122, 126, 130), (58, 60, 64), (28, 28, 32), (150, 26, 28), (34, 62, 122),
    (74, 106, 150), (92, 82, 62), (38, 78, 58), (196, 178, 146), (214, 148, 36),
]  # fmt: skip
_GLASS: Color = (34, 42, 50)
_DARK: Color = (30, 30, 32)
_STEEL: Color = (150, 152, 155)
_YELLOW: Color = (228, 166, 24)


def car(rng: np.random.Generator) -> Mesh:
    """A sedan, hatchback, estate, SUV, pick-up or van."""
    kind = rng.choice(["sedan", "hatch", "estate", "suv", "pickup", "van"], p=[0.24, 0.25, 0.12, 0.2, 0.06, 0.13])
    paint = PAINTS[rng.integers(len(PAINTS))]
    if kind == "van":
        return _van(rng, paint)
    length = {"sedan": 4.6, "hatch": 4.0, "estate": 4.6, "suv": 4.6, "pickup": 5.2}[kind] * rng.uniform(0.95, 1.06)
    width = rng.uniform(1.7, 1.86) + (0.08 if kind in ("suv", "pickup") else 0.0)
    height = {"sedan": 1.45, "hatch": 1.48, "estate": 1.5, "suv": 1.7, "pickup": 1.78}[kind] * rng.uniform(0.97, 1.04)
    belt = 0.62 * height
    floor = 0.2 if kind in ("sedan", "hatch", "estate") else 0.3
    half = length / 2
    hood = belt - 0.1
    profile = np.array(
        [
            (-0.97 * half, floor), (0.95 * half, floor), (half, floor + 0.2), (0.985 * half, hood - 0.16), (0.9 * half, hood - 0.06),
            (0.42 * half, belt), (-0.9 * half, belt), (-0.985 * half, belt - 0.1), (-half, floor + 0.25),
        ]
    )  # fmt: skip
    rear_low, rear_high = {
        "sedan": (-0.62, -0.34), "hatch": (-0.95, -0.72), "estate": (-0.96, -0.84), "suv": (-0.95, -0.82), "pickup": (-0.12, -0.06),
    }[kind]  # fmt: skip
    w = width / 2
    cabin = frustum((rear_low * half, 0.46 * half, 0.94 * w, belt - 0.02), (rear_high * half, 0.1 * half, 0.74 * w, height))
    parts = [
        surface(extruded(profile, (-w, -w + 0.1, w - 0.1, w), (0.93, 1.0, 1.0, 0.93)), CAR, Material.CAR_PAINT, paint),
        surface(quads(cabin[:4]), CAR, Material.GLASS, _GLASS),
        surface(quads(cabin[4:]), CAR, Material.CAR_PAINT, paint),
        *_pillars(cabin, paint),
        *_wheels(CAR, (-0.58 * half, 0.6 * half), w, 0.225 * height, 0.21),
        *_lights(CAR, half, w, hood - 0.2),
    ]
    if kind == "pickup":
        bed = boxes(
            np.array([[-0.55 * half, w - 0.06, belt + 0.06], [-0.55 * half, -w + 0.06, belt + 0.06], [-0.96 * half, 0, belt + 0.06]]),
            np.array([[0.84 * half, 0.1, 0.2], [0.84 * half, 0.1, 0.2], [0.08, 2 * w - 0.1, 0.2]]),
        )
        parts.append(surface(bed, CAR, Material.CAR_PAINT, paint))
    return merged(parts)


def _van(rng: np.random.Generator, paint: Color) -> Mesh:
    length, width, height = rng.uniform(4.8, 6.2), rng.uniform(1.9, 2.05), rng.uniform(1.9, 2.6)
    half, w = length / 2, width / 2
    profile = np.array(
        [(-half, 0.3), (0.95 * half, 0.25), (half, 0.5), (0.97 * half, 0.95), (0.78 * half, 1.15), (0.5 * half, height), (-0.98 * half, height)]
    )
    windscreen = np.array([[0.785 * half, -0.85 * w, 1.17], [0.785 * half, 0.85 * w, 1.17], [0.52 * half, 0.8 * w, height - 0.1], [0.52 * half, -0.8 * w, height - 0.1]])
    parts = [
        surface(extruded(profile, (-w, -w + 0.08, w - 0.08, w), (0.97, 1.0, 1.0, 0.97)), CAR, Material.CAR_PAINT, paint),
        surface(quads((windscreen + [0.03, 0, 0.03])[None]), CAR, Material.GLASS, _GLASS),
        *_wheels(CAR, (-0.62 * half, 0.66 * half), w, 0.34, 0.22),
        *_lights(CAR, half, w, 0.8),
    ]
    rows = 3 if rng.random() < 0.4 else 1
    for side in (-1, 1):
        for row in range(rows):
            x1 = 0.6 * half - row * 0.52 * half
            x0 = x1 - 0.46 * half
            slant = 0.14 * half if row == 0 else 0.0
            y = side * (w + 0.012)
            pane = np.array([[x0, y, 1.2], [x1, y, 1.2], [x1 - slant, y, min(height - 0.25, 1.75)], [x0, y, min(height - 0.25, 1.75)]])
            parts.append(surface(quads(pane[None]), CAR, Material.GLASS, _GLASS))
    return merged(parts)


def truck(rng: np.random.Generator) -> Mesh:
    """A box truck, a flat-bed, a tipper or a tanker with its driver's cab."""
    paint = PAINTS[rng.integers(len(PAINTS))]
    w, length = rng.uniform(1.15, 1.26), rng.uniform(6.5, 10.0)
    front, rear = length / 2, -length / 2
    cab_rear = front - rng.uniform(1.7, 2.3)
    deck, top = 1.0, rng.uniform(3.0, 3.9)
    parts = [*_cab(TRUCK, cab_rear, front, w, rng.uniform(2.5, 3.1), paint), surface(box(((cab_rear + rear) / 2, 0, 0.82), (cab_rear - rear, 0.9, 0.25)), TRUCK, Material.METAL, _DARK)]
    load_length, middle = cab_rear - 0.15 - rear, (cab_rear - 0.15 + rear) / 2
    kind = rng.choice(["box", "flatbed", "tipper", "tank"], p=[0.55, 0.15, 0.18, 0.12])
    color = PAINTS[rng.integers(5)] if rng.random() < 0.6 else PAINTS[rng.integers(len(PAINTS))]
    if kind == "box":
        parts.append(surface(box((middle, 0, (deck + top) / 2), (load_length, 2 * w, top - deck)), TRUCK, Material.CAR_PAINT, color))
        parts.append(surface(box((rear - 0.02, 0, (deck + top) / 2), (0.03, 0.06, top - deck - 0.2)), TRUCK, Material.METAL, _STEEL))
    elif kind == "tank":
        parts.append(surface(tube((rear + 0.2, 0, 2.0), (cab_rear - 0.3, 0, 2.0), 1.02, sides=16), TRUCK, Material.METAL, (205, 208, 210)))
    else:
        rail = 0.45 if kind == "flatbed" else 1.1
        walls = boxes(
            np.array([[middle, w, deck + rail / 2], [middle, -w, deck + rail / 2], [rear, 0, deck + rail / 2], [cab_rear - 0.2, 0, deck + rail / 2], [middle, 0, deck]]),
            np.array([[load_length, 0.06, rail], [load_length, 0.06, rail], [0.06, 2 * w, rail], [0.06, 2 * w, rail + 0.5], [load_length, 2 * w, 0.12]]),
        )
        parts.append(surface(walls, TRUCK, Material.METAL, color))
        if kind == "tipper":
            heap = np.array([(rear + 0.1, deck + 0.7), (rear + 0.1, deck + 0.9), (middle, deck + 1.5), (cab_rear - 0.4, deck + 0.9), (cab_rear - 0.4, deck + 0.7)])
            parts.append(surface(extruded(heap, (-w + 0.1, 0, w - 0.1), (0.8, 1.0, 0.8)), TRUCK, Material.SOIL, (120, 98, 74)))
    parts += _wheels(TRUCK, (rear + 0.9, rear + 2.0, front - 1.3) if length > 8 else (rear + 1.2, front - 1.2), w, 0.5, 0.3)
    parts += _lights(TRUCK, front, w, 0.85, rear)
    return merged(parts)


def bus(rng: np.random.Generator) -> Mesh:
    """A city bus, rigid or with a joint."""
    paint = [(222, 222, 220), (196, 40, 36), (36, 92, 160), (236, 182, 44), (64, 140, 84)][rng.integers(5)]
    lengths = [rng.uniform(10.0, 12.5)] if rng.random() < 0.75 else [9.5, 7.0]
    w, height = 1.27, rng.uniform(2.95, 3.25)
    parts, x = [], sum(lengths) / 2
    for number, length in enumerate(lengths):
        body = frustum((x - length, x, w, 0.32), (x - length + 0.05, x - 0.15, w - 0.06, height))
        parts.append(surface(quads(body), BUS, Material.CAR_PAINT, paint))
        parts.append(surface(box((x - length / 2, 0, 0.34), (length - 0.1, 2 * w - 0.1, 0.06)), BUS, Material.METAL, _DARK))
        parts += [surface(panel(body[i], (0.02, 0.98), (0.38, 0.8)), BUS, Material.GLASS, _GLASS) for i in (1, 3)]
        parts += [surface(panel(body[i], (u, u + 0.015), (0.38, 0.8), 0.03), BUS, Material.CAR_PAINT, paint) for i in (1, 3) for u in np.arange(0.15, 0.95, 0.14)]
        doors = (0.62, 0.9) if number == 0 else (0.5,)
        parts += [surface(panel(body[1], (u, u + 0.1), (0.05, 0.8), 0.035), BUS, Material.GLASS, (52, 58, 62)) for u in doors]
        parts.append(surface(box((x - length / 2, 0, height + 0.12), (length * 0.5, 1.4, 0.26)), BUS, Material.PLASTIC, (200, 200, 200)))
        if number == 0:
            parts.append(surface(panel(body[2], (0.05, 0.95), (0.28, 0.82)), BUS, Material.GLASS, _GLASS))
            parts.append(surface(panel(body[2], (0.15, 0.85), (0.86, 0.97)), BUS, Material.LAMP, (240, 160, 30)))
        if number == len(lengths) - 1:
            parts.append(surface(panel(body[0], (0.1, 0.9), (0.5, 0.8)), BUS, Material.GLASS, _GLASS))
        parts += _wheels(BUS, (x - length + 2.6, x - 2.6) if number == 0 else (x - length + 2.5,), w, 0.48, 0.28)
        x -= length + 0.6
    if len(lengths) == 2:
        parts.append(surface(box((sum(lengths) / 2 - 9.8, 0, 1.7), (0.7, 2 * w - 0.2, 2.5)), BUS, Material.RUBBER, _DARK))
    parts += _lights(BUS, sum(lengths) / 2, w, 0.8, x + 0.6)
    return merged(parts)


def trailer(rng: np.random.Generator) -> Mesh:
    """A semi-trailer on its legs, or a small car trailer."""
    color = PAINTS[rng.integers(len(PAINTS))]
    if rng.random() < 0.3:
        length, w = rng.uniform(2.4, 4.2), rng.uniform(0.8, 1.0)
        top = rng.uniform(0.9, 2.1)
        return merged(
            [
                surface(box((0, 0, (0.5 + top) / 2), (length, 2 * w, top - 0.5)), TRAILER, Material.METAL, color),
                surface(tube((length / 2, 0, 0.5), (length / 2 + 1.2, 0, 0.45), 0.05), TRAILER, Material.METAL, _DARK),
                *_wheels(TRAILER, (0.0,), w, 0.3, 0.18),
                *_lights(TRAILER, None, w, 0.65, -length / 2),
            ]
        )
    length, w, top = rng.uniform(8.5, 13.0), 1.25, rng.uniform(3.3, 4.0)
    front, rear = length / 2, -length / 2
    parts = [
        surface(box((0, 0, (1.2 + top) / 2), (length, 2 * w, top - 1.2)), TRAILER, Material.CAR_PAINT, color),
        surface(box((0, 0, 1.08), (length, 1.0, 0.24)), TRAILER, Material.METAL, _DARK),
        surface(tube((front - 2.5, 0.7, 0), (front - 2.5, 0.7, 1.1), 0.07), TRAILER, Material.METAL, _STEEL),
        surface(tube((front - 2.5, -0.7, 0), (front - 2.5, -0.7, 1.1), 0.07), TRAILER, Material.METAL, _STEEL),
        surface(boxes(np.array([[-0.5, w - 0.05, 0.75], [-0.5, -w + 0.05, 0.75]]), np.array([[length * 0.4, 0.05, 0.5]] * 2)), TRAILER, Material.METAL, _STEEL),
        *_wheels(TRAILER, (rear + 1.2, rear + 2.3, rear + 3.4), w, 0.5, 0.3),
        *_lights(TRAILER, None, w, 1.0, rear),
    ]
    return merged(parts)


def construction_vehicle(rng: np.random.Generator) -> Mesh:
    """An excavator, a concrete mixer or a wheel loader."""
    kind: Callable[[np.random.Generator], Mesh] = (_excavator, _mixer, _loader)[rng.choice(3, p=[0.45, 0.25, 0.3])]
    return kind(rng)


def _excavator(rng: np.random.Generator) -> Mesh:
    c, paint = CONSTRUCTION_VEHICLE, _YELLOW if rng.random() < 0.8 else PAINTS[5]
    size, swing = rng.uniform(0.7, 1.1), rng.uniform(-0.8, 0.8)
    track = np.array([(-1.7, 0.1), (-1.4, 0.0), (1.4, 0.0), (1.7, 0.1), (1.85, 0.45), (1.5, 0.85), (-1.5, 0.85), (-1.85, 0.45)])
    tracks = [surface(extruded(track, (y - 0.27, y + 0.27), (1.0, 1.0)), c, Material.RUBBER, _DARK) for y in (-0.95, 0.95)]
    joint, elbow = np.array([0.9, -0.1, 1.5]), np.array([3.6, -0.1, rng.uniform(2.8, 4.2)])
    tip = elbow + np.array([rng.uniform(0.6, 1.6), 0, -rng.uniform(1.6, 2.6)])
    bucket = np.array([(-0.5, 0.5), (0.4, 0.4), (0.5, -0.2), (0.1, -0.6), (-0.5, -0.4)]) + tip[[0, 2]]
    house = merged(
        [
            surface(box((-0.5, 0.0, 1.45), (2.9, 2.3, 0.8)), c, Material.CAR_PAINT, paint),
            surface(box((-1.5, 0.0, 1.8), (0.9, 2.2, 0.7)), c, Material.CAR_PAINT, paint),
            surface(quads(frustum((0.0, 1.1, 0.5, 1.8), (0.05, 0.9, 0.46, 2.85))) + [0, 0.65, 0], c, Material.GLASS, _GLASS),
            surface(box((0.48, 0.65, 2.88), (1.1, 1.1, 0.08)), c, Material.CAR_PAINT, paint),
            surface(tube(joint, elbow, 0.24, 0.18, sides=4), c, Material.CAR_PAINT, paint),
            surface(tube(elbow, tip, 0.18, 0.12, sides=4), c, Material.CAR_PAINT, paint),
            surface(extruded(bucket, (-0.6, 0.5), (1.0, 1.0)), c, Material.METAL, (84, 80, 76)),
        ]
    )
    turned = Mesh(house.corners_m, house.uv_m, house.class_id, house.material, house.color_rgb)
    angle = np.array([[np.cos(swing), -np.sin(swing), 0], [np.sin(swing), np.cos(swing), 0], [0, 0, 1]])
    return merged([*tracks, turned.placed((0, 0, 0), angle)]).placed((0, 0, 0), np.eye(3) * size)


def _mixer(rng: np.random.Generator) -> Mesh:
    c, w = CONSTRUCTION_VEHICLE, 1.22
    paint = PAINTS[rng.integers(len(PAINTS))]
    angle = np.arange(14) * (2 * np.pi / 14)
    rings = []
    for x, z, r in ((-3.6, 2.75, 0.45), (-2.2, 2.5, 1.0), (-0.2, 2.15, 1.18), (1.4, 1.95, 0.85)):
        rings.append(np.stack([np.full(14, x), r * np.cos(angle), z + r * np.sin(angle)], axis=1))
    return merged(
        [
            *_cab(c, 2.0, 4.1, w, 2.8, paint),
            surface(box((-0.8, 0, 0.85), (6.2, 1.0, 0.3)), c, Material.METAL, _DARK),
            surface(rings_to_triangles(np.array(rings)), c, Material.METAL, (214, 210, 200) if rng.random() < 0.6 else _YELLOW),
            surface(box((-3.7, 0, 1.7), (0.3, 0.8, 1.6)), c, Material.METAL, paint),
            *_wheels(c, (-3.0, -1.8, 2.9), w, 0.5, 0.3),
            *_lights(c, 4.1, w, 0.85, -4.0),
        ]
    )


def _loader(rng: np.random.Generator) -> Mesh:
    c, lift = CONSTRUCTION_VEHICLE, rng.uniform(0.2, 1.8)
    bucket = np.array([(-0.3, 0.55), (0.1, 0.6), (-0.05, 0.0), (0.65, -0.35), (-0.3, -0.4)]) + [3.2, lift + 0.4]
    return merged(
        [
            surface(box((-1.4, 0, 1.5), (2.3, 1.7, 1.0)), c, Material.CAR_PAINT, _YELLOW),
            surface(box((1.0, 0, 1.1), (1.7, 1.1, 0.8)), c, Material.CAR_PAINT, _YELLOW),
            surface(quads(frustum((-0.6, 0.6, 0.7, 1.9), (-0.5, 0.45, 0.62, 3.1))), c, Material.GLASS, _GLASS),
            surface(box((0, 0, 3.13), (1.3, 1.4, 0.1)), c, Material.CAR_PAINT, _YELLOW),
            surface(tube((1.0, 0.5, 1.6), (3.0, 0.5, lift + 0.5), 0.14, sides=4), c, Material.CAR_PAINT, _YELLOW),
            surface(tube((1.0, -0.5, 1.6), (3.0, -0.5, lift + 0.5), 0.14, sides=4), c, Material.CAR_PAINT, _YELLOW),
            surface(extruded(bucket, (-1.25, 1.25), (1.0, 1.0)), c, Material.METAL, (92, 88, 80)),
            *_wheels(c, (-1.6, 1.5), 1.25, 0.72, 0.5),
        ]
    )


def _cab(class_id: int, rear: float, front: float, w: float, height: float, paint: Color) -> list[Mesh]:
    body = frustum((rear, front, w, 0.55), (rear + 0.05, front - 0.18, w - 0.08, height))
    return [
        surface(quads(body), class_id, Material.CAR_PAINT, paint),
        surface(quads(np.array([[[rear, w, 0.55], [front, w, 0.55], [front, -w, 0.55], [rear, -w, 0.55]]])), class_id, Material.METAL, _DARK),
        surface(panel(body[2], (0.06, 0.94), (0.46, 0.9)), class_id, Material.GLASS, _GLASS),
        surface(panel(body[1], (0.3, 0.92), (0.5, 0.9)), class_id, Material.GLASS, _GLASS),
        surface(panel(body[3], (0.08, 0.7), (0.5, 0.9)), class_id, Material.GLASS, _GLASS),
        surface(boxes(np.array([[front - 0.1, w + 0.15, 0.75 * height], [front - 0.1, -w - 0.15, 0.75 * height]]), np.array([[0.1, 0.2, 0.45]] * 2)), class_id, Material.PLASTIC, _DARK),
        surface(panel(body[2], (0.03, 0.97), (0.0, 0.14), 0.04), class_id, Material.PLASTIC, (60, 60, 64)),
    ]


def _pillars(cabin: np.ndarray, paint: Color) -> list[Mesh]:
    posts = [surface(tube(cabin[i][0], cabin[i][3], 0.045, sides=4), CAR, Material.CAR_PAINT, paint) for i in range(4)]
    for side in (1, 3):
        posts.append(surface(panel(cabin[side], (0.5, 0.57), (0.0, 1.0), 0.012), CAR, Material.CAR_PAINT, _DARK))
    return posts


def _wheels(class_id: int, xs: tuple[float, ...], half_width: float, radius: float, tread: float) -> list[Mesh]:
    parts = []
    for x in xs:
        for side in (-1, 1):
            outer = side * (half_width + 0.02)
            parts.append(surface(tube((x, outer - side * tread, radius), (x, outer, radius), radius, sides=14), class_id, Material.RUBBER, (24, 24, 25)))
            parts.append(surface(tube((x, outer, radius), (x, outer + side * 0.012, radius), 0.6 * radius, sides=10), class_id, Material.METAL, _STEEL))
    return parts


def _lights(class_id: int, front: float | None, half_width: float, z: float, rear: float | None = None) -> list[Mesh]:
    rear = -front if rear is None and front is not None else rear
    parts = []
    for side in (-1, 1):
        y = side * (half_width - 0.28)
        if front is not None:
            parts.append(surface(box((front - 0.01, y, z), (0.1, 0.32, 0.14)), class_id, Material.LAMP, (236, 236, 220)))
        parts.append(surface(box((float(rear or 0.0) + 0.01, y, z + 0.05), (0.08, 0.26, 0.18)), class_id, Material.LAMP, (176, 16, 18)))
    plates = [(float(rear or 0.0) - 0.015, 0.0, z - 0.12)] + ([(front + 0.015, 0.0, z - 0.2)] if front is not None else [])
    parts += [surface(box(plate, (0.02, 0.52, 0.12)), class_id, Material.RETRO, (230, 230, 226)) for plate in plates]
    return parts
