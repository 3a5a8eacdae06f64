"""Buildings of the synthetic world: town buildings, houses and halls, with their roofs.

x along the street, front facade in the plane y = 0 facing -y, origin on the ground at the middle of the front.
"""

import numpy as np

from offline_training.synthetic.objects.facades import FacadeStyle, balconies, facade, facade_bays
from offline_training.synthetic.world.materials import MANMADE, Material
from offline_training.synthetic.world.meshes import Color, Mesh, box, boxes, merged, quads, surface, tube

_PLASTER: list[Color] = [
    (214, 202, 178), (226, 220, 208), (196, 168, 132), (208, 178, 160), (184, 190, 180), (170, 176, 186), (222, 206, 150), (178, 136, 112),
]  # fmt: skip
_BRICK: list[Color] = [(150, 84, 64), (126, 70, 58), (166, 112, 84), (122, 98, 84)]
_ROOF: list[Color] = [(128, 62, 48), (84, 80, 80), (104, 88, 78), (66, 68, 74)]
_GLASS: list[Color] = [(52, 66, 80), (40, 48, 58), (74, 86, 96)]


def building(rng: np.random.Generator, width_m: float, depth_m: float, floors: int, house: bool) -> Mesh:
    """A town building with a flat or gable roof, or a `house` with a gable roof."""
    brick = rng.random() < 0.35
    color = (_BRICK if brick else _PLASTER)[rng.integers(4 if brick else len(_PLASTER))]
    material = Material.BRICK if brick else Material.PLASTER
    floor_m = rng.uniform(2.7, 3.4)
    height = floors * floor_m + 0.4
    shop = not house and rng.random() < 0.45
    glass = _GLASS[rng.integers(len(_GLASS))]
    style = FacadeStyle(floor_m, floors, (rng.uniform(0.34, 0.6), rng.uniform(0.42, 0.6)), color, material, glass)
    walls: list[Mesh] = []
    sides = [
        ((-width_m / 2, 0.0), (1.0, 0.0), width_m),
        ((width_m / 2, 0.0), (0.0, 1.0), depth_m),
        ((width_m / 2, depth_m), (-1.0, 0.0), width_m),
        ((-width_m / 2, depth_m), (0.0, -1.0), depth_m),
    ]
    for number, (start, along, length) in enumerate(sides):
        bays = max(1, round(length / rng.uniform(2.4, 3.6)))
        front = number == 0
        door = int(rng.integers(bays)) if front else -1
        walls += facade(style, facade_bays(style, length, bays, door, shop and front), start, along)
        if front and not house and rng.random() < 0.5:
            walls += balconies(rng, start, length, floor_m, floors, bays)
    roof = (
        _gable(rng, width_m, depth_m, height, color)
        if house or rng.random() < 0.35
        else _flat(rng, width_m, depth_m, height, color)
    )
    return merged([*walls, *roof])


def hall(rng: np.random.Generator, width_m: float, depth_m: float) -> Mesh:
    """An industrial hall with gates and a band of windows."""
    height = rng.uniform(5.0, 9.0)
    color = [(176, 182, 184), (142, 152, 160), (198, 192, 176), (104, 122, 142)][rng.integers(4)]
    gates = max(1, int(width_m // 9))
    gate_x = (np.arange(gates) + 0.5) / gates * width_m - width_m / 2
    gate = boxes(np.stack([gate_x, 0 * gate_x - 0.02, 0 * gate_x + 2.0], 1), np.tile([3.6, 0.12, 4.0], (gates, 1)))
    shell = box((0, depth_m / 2, height / 2 - 1), (width_m, depth_m, height + 2))
    return merged(
        [
            surface(shell, MANMADE, Material.METAL, color),
            surface(gate, MANMADE, Material.METAL, [(90, 94, 100), (160, 60, 44), (210, 212, 208)][rng.integers(3)]),
            surface(box((0, -0.01, height - 1.2), (width_m * 0.94, 0.06, 0.8)), MANMADE, Material.GLASS, (60, 72, 82)),
            surface(
                box((0, depth_m / 2, height + 0.1), (width_m + 0.4, depth_m + 0.4, 0.25)),
                MANMADE,
                Material.METAL,
                (92, 94, 96),
            ),
        ]
    )


def _flat(rng: np.random.Generator, width: float, depth: float, height: float, color: Color) -> list[Mesh]:
    edge = boxes(
        np.array(
            [
                [0, 0, height + 0.3],
                [0, depth, height + 0.3],
                [-width / 2, depth / 2, height + 0.3],
                [width / 2, depth / 2, height + 0.3],
            ]
        ),
        np.array([[width + 0.4, 0.4, 0.6], [width + 0.4, 0.4, 0.6], [0.4, depth, 0.6], [0.4, depth, 0.6]]),
    )
    tops = [box((0, depth / 2, height), (width, depth, 0.1))]
    tops += [
        box(
            (rng.uniform(-0.35, 0.35) * width, rng.uniform(0.3, 0.8) * depth, height + 0.7),
            (rng.uniform(1, 3), rng.uniform(1, 3), 1.5),
        )
        for _ in range(rng.integers(0, 3))
    ]
    ledge: Color = (int(0.82 * color[0]), int(0.82 * color[1]), int(0.82 * color[2]))
    return [
        surface(edge, MANMADE, Material.PLASTER, ledge),
        surface(np.concatenate(tops), MANMADE, Material.ROOF, (120, 118, 116)),
    ]


def _gable(rng: np.random.Generator, width: float, depth: float, height: float, color: Color) -> list[Mesh]:
    rise, over = depth * rng.uniform(0.28, 0.45), 0.45
    hip = rng.random() < 0.35
    inset = depth * 0.35 if hip else -over
    x0, x1, eave = -width / 2 - over, width / 2 + over, height - over * 2 * rise / depth
    ridge = [(-width / 2 + inset, depth / 2, height + rise), (width / 2 - inset, depth / 2, height + rise)]
    corners = [(x0, -over, eave), (x1, -over, eave), (x1, depth + over, eave), (x0, depth + over, eave)]
    slopes = quads(
        np.array([[corners[0], corners[1], ridge[1], ridge[0]], [corners[2], corners[3], ridge[0], ridge[1]]])
    )
    ends = np.array([[corners[3], corners[0], ridge[0]], [corners[1], corners[2], ridge[1]]])
    roof = _ROOF[rng.integers(len(_ROOF))]
    parts = [surface(slopes, MANMADE, Material.ROOF, roof)]
    if hip:
        parts.append(surface(ends, MANMADE, Material.ROOF, roof))
    else:
        gables = np.array(
            [[(x, 0, height), (x, depth, height), (x, depth / 2, height + rise)] for x in (-width / 2, width / 2)]
        )
        parts.append(surface(gables, MANMADE, Material.PLASTER, color))
    if rng.random() < 0.7:
        x = rng.uniform(-0.3, 0.3) * width
        parts.append(
            surface(box((x, depth * 0.6, height + 0.8 * rise), (0.6, 0.6, 1.8)), MANMADE, Material.BRICK, (128, 78, 62))
        )
        parts.append(
            surface(
                tube((x, depth * 0.6, height + 0.8 * rise + 0.9), (x, depth * 0.6, height + 0.8 * rise + 1.2), 0.14),
                MANMADE,
                Material.BRICK,
                (90, 60, 50),
            )
        )
    return parts
