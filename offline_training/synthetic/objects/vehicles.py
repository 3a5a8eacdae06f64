"""Parametric cars of the synthetic world, and the wheels, lights and driver's cabs of all vehicles; x forward, y left, z up, origin on the ground under the middle."""

import numpy as np

from offline_training.synthetic.world.materials import CAR, Material
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

PAINTS: list[Color] = [
    (226, 226, 224), (188, 190, 192), (122, 126, 130), (58, 60, 64), (28, 28, 32), (150, 26, 28), (34, 62, 122),
    (74, 106, 150), (92, 82, 62), (38, 78, 58), (196, 178, 146), (214, 148, 36),
]  # fmt: skip
GLASS: Color = (34, 42, 50)
DARK: Color = (30, 30, 32)
_STEEL: Color = (150, 152, 155)


@one_thing(CAR)
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
    cabin = frustum(
        (rear_low * half, 0.46 * half, 0.94 * w, belt - 0.02), (rear_high * half, 0.1 * half, 0.74 * w, height)
    )
    parts = [
        surface(extruded(profile, (-w, -w + 0.1, w - 0.1, w), (0.93, 1.0, 1.0, 0.93)), CAR, Material.CAR_PAINT, paint),
        surface(quads(cabin[:4]), CAR, Material.GLASS, GLASS),
        surface(quads(cabin[4:]), CAR, Material.CAR_PAINT, paint),
        *_pillars(cabin, paint),
        *wheels(CAR, (-0.58 * half, 0.6 * half), w, 0.225 * height, 0.21),
        *lights(CAR, half, w, hood - 0.2),
    ]
    if kind == "pickup":
        bed = boxes(
            np.array(
                [
                    [-0.55 * half, w - 0.06, belt + 0.06],
                    [-0.55 * half, -w + 0.06, belt + 0.06],
                    [-0.96 * half, 0, belt + 0.06],
                ]
            ),
            np.array([[0.84 * half, 0.1, 0.2], [0.84 * half, 0.1, 0.2], [0.08, 2 * w - 0.1, 0.2]]),
        )
        parts.append(surface(bed, CAR, Material.CAR_PAINT, paint))
    return merged(parts)


def _van(rng: np.random.Generator, paint: Color) -> Mesh:
    length, width, height = rng.uniform(4.8, 6.2), rng.uniform(1.9, 2.05), rng.uniform(1.9, 2.6)
    half, w = length / 2, width / 2
    profile = np.array(
        [
            (-half, 0.3),
            (0.95 * half, 0.25),
            (half, 0.5),
            (0.97 * half, 0.95),
            (0.78 * half, 1.15),
            (0.5 * half, height),
            (-0.98 * half, height),
        ]
    )
    windscreen = np.array(
        [
            [0.785 * half, -0.85 * w, 1.17],
            [0.785 * half, 0.85 * w, 1.17],
            [0.52 * half, 0.8 * w, height - 0.1],
            [0.52 * half, -0.8 * w, height - 0.1],
        ]
    )
    parts = [
        surface(
            extruded(profile, (-w, -w + 0.08, w - 0.08, w), (0.97, 1.0, 1.0, 0.97)), CAR, Material.CAR_PAINT, paint
        ),
        surface(quads((windscreen + np.array([0.03, 0, 0.03]))[None]), CAR, Material.GLASS, GLASS),
        *wheels(CAR, (-0.62 * half, 0.66 * half), w, 0.34, 0.22),
        *lights(CAR, half, w, 0.8),
    ]
    rows = 3 if rng.random() < 0.4 else 1
    for side in (-1, 1):
        for row in range(rows):
            x1 = 0.6 * half - row * 0.52 * half
            x0 = x1 - 0.46 * half
            slant = 0.14 * half if row == 0 else 0.0
            y = side * (w + 0.012)
            pane = np.array(
                [
                    [x0, y, 1.2],
                    [x1, y, 1.2],
                    [x1 - slant, y, min(height - 0.25, 1.75)],
                    [x0, y, min(height - 0.25, 1.75)],
                ]
            )
            parts.append(surface(quads(pane[None]), CAR, Material.GLASS, GLASS))
    return merged(parts)


def _pillars(cabin: np.ndarray, paint: Color) -> list[Mesh]:
    posts = [surface(tube(cabin[i][0], cabin[i][3], 0.045, sides=4), CAR, Material.CAR_PAINT, paint) for i in range(4)]
    for side in (1, 3):
        posts.append(surface(panel(cabin[side], (0.5, 0.57), (0.0, 1.0), 0.012), CAR, Material.CAR_PAINT, DARK))
    return posts


def wheels(class_id: int, xs: tuple[float, ...], half_width: float, radius: float, tread: float) -> list[Mesh]:
    """A pair of wheels with hubs at every x, flush with the body's sides."""
    parts = []
    for x in xs:
        for side in (-1, 1):
            outer = side * (half_width + 0.02)
            parts.append(
                surface(
                    tube((x, outer - side * tread, radius), (x, outer, radius), radius, sides=14),
                    class_id,
                    Material.RUBBER,
                    (24, 24, 25),
                )
            )
            parts.append(
                surface(
                    tube((x, outer, radius), (x, outer + side * 0.012, radius), 0.6 * radius, sides=10),
                    class_id,
                    Material.METAL,
                    _STEEL,
                )
            )
    return parts


def lights(class_id: int, front: float | None, half_width: float, z: float, rear: float | None = None) -> list[Mesh]:
    """Head and tail lights and number plates; a trailer has no front, `rear` defaults to -front."""
    rear = -front if rear is None and front is not None else rear
    parts = []
    for side in (-1, 1):
        y = side * (half_width - 0.28)
        if front is not None:
            parts.append(
                surface(box((front - 0.01, y, z), (0.1, 0.32, 0.14)), class_id, Material.LAMP, (236, 236, 220))
            )
        parts.append(
            surface(
                box((float(rear or 0.0) + 0.01, y, z + 0.05), (0.08, 0.26, 0.18)),
                class_id,
                Material.LAMP,
                (176, 16, 18),
            )
        )
    plates = [(float(rear or 0.0) - 0.015, 0.0, z - 0.12)] + (
        [(front + 0.015, 0.0, z - 0.2)] if front is not None else []
    )
    parts += [surface(box(plate, (0.02, 0.52, 0.12)), class_id, Material.RETRO, (230, 230, 226)) for plate in plates]
    return parts


def cab(class_id: int, rear: float, front: float, w: float, height: float, paint: Color) -> list[Mesh]:
    """A driver's cab from x = rear to x = front; w: half its width, all in metres."""
    body = frustum((rear, front, w, 0.55), (rear + 0.05, front - 0.18, w - 0.08, height))
    return [
        surface(quads(body), class_id, Material.CAR_PAINT, paint),
        surface(
            quads(np.array([[[rear, w, 0.55], [front, w, 0.55], [front, -w, 0.55], [rear, -w, 0.55]]])),
            class_id,
            Material.METAL,
            DARK,
        ),
        surface(panel(body[2], (0.06, 0.94), (0.46, 0.9)), class_id, Material.GLASS, GLASS),
        surface(panel(body[1], (0.3, 0.92), (0.5, 0.9)), class_id, Material.GLASS, GLASS),
        surface(panel(body[3], (0.08, 0.7), (0.5, 0.9)), class_id, Material.GLASS, GLASS),
        surface(
            boxes(
                np.array([[front - 0.1, w + 0.15, 0.75 * height], [front - 0.1, -w - 0.15, 0.75 * height]]),
                np.array([[0.1, 0.2, 0.45]] * 2),
            ),
            class_id,
            Material.PLASTIC,
            DARK,
        ),
        surface(panel(body[2], (0.03, 0.97), (0.0, 0.14), 0.04), class_id, Material.PLASTIC, (60, 60, 64)),
    ]
