"""Pedestrians, cyclists and motorcyclists of the synthetic world; x forward, y left, z up, origin on the ground."""

import numpy as np

from offline_training.synthetic.world.materials import BICYCLE, MOTORCYCLE, PEDESTRIAN, Material
from offline_training.synthetic.world.meshes import (
    Color,
    Mesh,
    ball,
    box,
    extruded,
    frustum,
    merged,
    one_thing,
    quads,
    surface,
    tube,
)

_CLOTHES: list[Color] = [
    (30, 34, 44), (52, 60, 84), (96, 38, 42), (180, 172, 156), (60, 84, 62), (206, 206, 204), (150, 92, 44),
    (38, 96, 130), (196, 64, 52), (88, 74, 96), (214, 186, 60), (70, 70, 72),
]  # fmt: skip
_SKIN: list[Color] = [(224, 178, 150), (196, 148, 116), (140, 96, 68), (92, 62, 46)]
_HAIR: list[Color] = [(36, 28, 24), (84, 58, 36), (150, 120, 76), (120, 120, 118)]
IGNORED = 255


@one_thing(PEDESTRIAN)
def pedestrian(rng: np.random.Generator, walking: bool) -> Mesh:
    """An adult or a child, standing or in a walking pose, some with a bag or a pram (prams have no class, 255)."""
    height = rng.uniform(1.0, 1.4) if rng.random() < 0.15 else rng.normal(1.72, 0.09)
    stride = rng.uniform(0.2, 0.55) * rng.choice([-1, 1]) if walking else rng.uniform(0.0, 0.06)
    swing = 0.8 * stride
    shirt, trousers = _CLOTHES[rng.integers(len(_CLOTHES))], _CLOTHES[rng.integers(len(_CLOTHES))]
    skin = _SKIN[rng.integers(len(_SKIN))]
    wide = rng.uniform(0.85, 1.25)
    parts = []
    for side, step in ((1, stride), (-1, -stride)):
        hip, knee, foot = (
            (0.0, side * 0.1, 0.9),
            (step * 0.35 + 0.04, side * 0.1, 0.48),
            (step * 0.6 - 0.05, side * 0.1, 0.06),
        )
        parts.append(surface(tube(hip, knee, 0.09 * wide, 0.07, sides=7), PEDESTRIAN, Material.CLOTH, trousers))
        parts.append(surface(tube(knee, foot, 0.07, 0.05, sides=7), PEDESTRIAN, Material.CLOTH, trousers))
        parts.append(
            surface(box((foot[0] + 0.06, foot[1], 0.05), (0.27, 0.1, 0.1)), PEDESTRIAN, Material.RUBBER, (40, 36, 34))
        )
        shoulder, elbow = (0.0, side * 0.22 * wide, 1.42), (-step * 0.25, side * 0.27 * wide, 1.16)
        hand = (-swing * 0.5 * side * np.sign(step or 1) * side + 0.1, side * 0.27 * wide, 0.92)
        parts.append(surface(tube(shoulder, elbow, 0.06, 0.05, sides=6), PEDESTRIAN, Material.CLOTH, shirt))
        parts.append(
            surface(
                tube(elbow, hand, 0.05, 0.04, sides=6),
                PEDESTRIAN,
                Material.CLOTH if rng.random() < 0.7 else Material.SKIN,
                shirt,
            )
        )
        parts.append(surface(ball(hand, (0.05, 0.05, 0.07), 6, 4), PEDESTRIAN, Material.SKIN, skin))
    hem = 0.6 if rng.random() < 0.25 else 0.86  # a coat or a skirt
    parts.append(surface(_trunk(hem, wide), PEDESTRIAN, Material.CLOTH, shirt))
    parts.append(surface(ball((0.02, 0, 1.63), (0.1, 0.08, 0.13), 8, 6), PEDESTRIAN, Material.SKIN, skin))
    parts.append(
        surface(
            ball((-0.015, 0, 1.68), (0.1, 0.09, 0.1), 8, 5), PEDESTRIAN, Material.CLOTH, _HAIR[rng.integers(len(_HAIR))]
        )
    )
    person = merged(parts).placed((0, 0, 0), np.eye(3) * (height / 1.76))
    luggage = rng.random()
    if luggage < 0.2:
        bag = surface(
            box((-0.2, 0, 1.2), (0.18, 0.3, 0.42)), PEDESTRIAN, Material.CLOTH, _CLOTHES[rng.integers(len(_CLOTHES))]
        )
        return merged([person, bag])
    if luggage < 0.35:
        bag = surface(
            box((0.05, 0.34, 0.62), (0.34, 0.12, 0.3)),
            PEDESTRIAN,
            Material.CLOTH,
            _CLOTHES[rng.integers(len(_CLOTHES))],
        )
        return merged([person, bag])
    if walking and luggage < 0.42:
        return merged([person, _pram(rng)])
    return person


def _trunk(hem_z: float, wide: float) -> np.ndarray:
    outline = np.array(
        [(-0.11, hem_z), (0.11, hem_z), (0.13, 1.2), (0.1, 1.46), (0.0, 1.52), (-0.1, 1.46), (-0.12, 1.2)]
    )
    return extruded(outline, (-0.21 * wide, -0.15 * wide, 0.15 * wide, 0.21 * wide), (0.72, 1.0, 1.0, 0.72))


def _pram(rng: np.random.Generator) -> Mesh:
    color = _CLOTHES[rng.integers(len(_CLOTHES))]
    return merged(
        [
            surface(quads(frustum((0.55, 1.25, 0.22, 0.45), (0.5, 1.35, 0.26, 0.85))), IGNORED, Material.CLOTH, color),
            surface(tube((0.3, 0, 1.0), (0.8, 0, 0.4), 0.02, sides=4), IGNORED, Material.METAL, (60, 60, 62)),
            *[
                surface(tube((x, y - 0.02, 0.13), (x, y + 0.02, 0.13), 0.13), IGNORED, Material.RUBBER, (30, 30, 30))
                for x in (0.6, 1.2)
                for y in (-0.22, 0.22)
            ],
        ]
    )


def _rider(
    class_id: int,
    rng: np.random.Generator,
    seat: tuple[float, float],
    bars: tuple[float, float],
    foot: tuple[float, float],
    helmet: bool,
) -> list[Mesh]:
    """A sitting person; seat, bars, foot: (x, z) of hip, hands and feet."""
    shirt, trousers = _CLOTHES[rng.integers(len(_CLOTHES))], _CLOTHES[rng.integers(len(_CLOTHES))]
    skin = _SKIN[rng.integers(len(_SKIN))]
    shoulder = (seat[0] + 0.22, seat[1] + 0.5)
    head = (shoulder[0] + 0.1, shoulder[1] + 0.25)
    parts = [
        surface(
            tube((seat[0], 0, seat[1] - 0.05), (shoulder[0], 0, shoulder[1] + 0.03), 0.15, 0.18, sides=8),
            class_id,
            Material.CLOTH,
            shirt,
        ),
        surface(ball((head[0], 0, head[1]), (0.11, 0.09, 0.13), 8, 6), class_id, Material.SKIN, skin),
    ]
    if helmet:
        color = _CLOTHES[rng.integers(len(_CLOTHES))]
        parts.append(
            surface(
                ball((head[0] - 0.01, 0, head[1] + 0.03), (0.15, 0.13, 0.13), 8, 6), class_id, Material.PLASTIC, color
            )
        )
    for side in (-1, 1):
        lift = 0.12 * side
        knee = ((seat[0] + foot[0]) / 2 + 0.25, side * 0.13, (seat[1] + foot[1]) / 2 + 0.12 + lift)
        parts.append(
            surface(tube((seat[0], side * 0.1, seat[1]), knee, 0.09, 0.07, sides=6), class_id, Material.CLOTH, trousers)
        )
        parts.append(
            surface(
                tube(knee, (foot[0], side * 0.12, foot[1] + lift), 0.07, 0.05, sides=6),
                class_id,
                Material.CLOTH,
                trousers,
            )
        )
        elbow = ((shoulder[0] + bars[0]) / 2, side * 0.28, (shoulder[1] + bars[1]) / 2 - 0.06)
        parts.append(
            surface(
                tube((shoulder[0], side * 0.2, shoulder[1]), elbow, 0.055, 0.045, sides=6),
                class_id,
                Material.CLOTH,
                shirt,
            )
        )
        parts.append(
            surface(
                tube(elbow, (bars[0], side * 0.24, bars[1]), 0.045, 0.035, sides=6), class_id, Material.CLOTH, shirt
            )
        )
    return parts


def _ring(class_id: int, x: float, radius: float, thickness: float) -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 15)
    points = np.stack([x + radius * np.cos(angle), 0 * angle, radius + thickness + radius * np.sin(angle)], axis=1)
    bars = [tube(points[i], points[i + 1], thickness, sides=4) for i in range(14)]
    spokes = [tube((x, 0, radius + thickness), points[i], 0.006, sides=3) for i in range(0, 14, 2)]
    return surface(np.concatenate(bars + spokes), class_id, Material.RUBBER, (26, 26, 27))


@one_thing(BICYCLE)
def bicycle(rng: np.random.Generator, ridden: bool) -> Mesh:
    """A bicycle; rider and bicycle are one class, as nuScenes has it."""
    paint = _CLOTHES[rng.integers(len(_CLOTHES))]
    crank, seat, head, hub = (-0.08, 0, 0.3), (-0.22, 0, 0.92), (0.38, 0, 0.88), (0.52, 0, 0.35)
    bars = [
        (crank, seat),
        (crank, head),
        ((-0.2, 0, 0.8), (0.37, 0, 0.82)),
        (crank, (-0.52, 0, 0.35)),
        ((-0.2, 0, 0.78), (-0.52, 0, 0.35)),
        (head, hub),
        (head, (0.36, 0, 1.02)),
    ]
    frame = [tube(a, b, 0.022, sides=5) for a, b in bars] + [
        tube((0.34, -0.28, 1.03), (0.34, 0.28, 1.03), 0.018, sides=5)
    ]
    parts = [
        _ring(BICYCLE, -0.52, 0.33, 0.025),
        _ring(BICYCLE, 0.52, 0.33, 0.025),
        surface(np.concatenate(frame), BICYCLE, Material.CAR_PAINT, paint),
        surface(box((-0.24, 0, 0.95), (0.26, 0.14, 0.06)), BICYCLE, Material.PLASTIC, (28, 28, 28)),
    ]
    if rng.random() < 0.25:
        parts.append(surface(box((0.5, 0, 0.9), (0.3, 0.36, 0.26)), BICYCLE, Material.WOOD, (120, 88, 54)))
    if ridden:
        parts += _rider(BICYCLE, rng, (-0.22, 1.0), (0.34, 1.05), (-0.06, 0.28), bool(rng.random() < 0.6))
    return merged(parts)


@one_thing(MOTORCYCLE)
def motorcycle(rng: np.random.Generator, ridden: bool) -> Mesh:
    """A motorcycle or a scooter, with or without its rider (one class)."""
    paint = _CLOTHES[rng.integers(len(_CLOTHES))]
    scooter = rng.random() < 0.4
    radius, base = (0.26, 0.62) if scooter else (0.32, 0.72)
    body = np.array(
        [(-0.75, 0.62), (-0.3, 0.32), (0.2, 0.3), (0.42, 0.66), (0.3, 0.95), (0.02, 0.98), (-0.1, 0.8), (-0.72, 0.84)]
    )
    parts = [
        surface(
            tube((x, -0.07, radius), (x, 0.07, radius), radius, sides=14), MOTORCYCLE, Material.RUBBER, (24, 24, 25)
        )
        for x in (-base, base)
    ]
    parts += [
        surface(extruded(body, (-0.2, -0.12, 0.12, 0.2), (0.8, 1.0, 1.0, 0.8)), MOTORCYCLE, Material.CAR_PAINT, paint),
        surface(box((-0.35, 0, 0.84), (0.75, 0.28, 0.09)), MOTORCYCLE, Material.PLASTIC, (26, 26, 26)),
        surface(tube((base, 0, radius), (0.42, 0, 1.02), 0.05, sides=6), MOTORCYCLE, Material.METAL, (150, 150, 152)),
        surface(
            tube((0.38, -0.36, 1.06), (0.38, 0.36, 1.06), 0.022, sides=5), MOTORCYCLE, Material.METAL, (40, 40, 42)
        ),
        surface(box((0.5, 0, 0.92), (0.14, 0.2, 0.2)), MOTORCYCLE, Material.LAMP, (230, 230, 220)),
        surface(box((-0.8, 0, 0.78), (0.05, 0.18, 0.1)), MOTORCYCLE, Material.LAMP, (170, 18, 18)),
        surface(box((-0.83, 0, 0.62), (0.02, 0.2, 0.16)), MOTORCYCLE, Material.RETRO, (228, 228, 224)),
    ]
    if scooter:
        parts.append(surface(box((0.45, 0, 0.62), (0.08, 0.42, 0.6)), MOTORCYCLE, Material.CAR_PAINT, paint))
    if not scooter and rng.random() < 0.3:
        parts.append(surface(box((-0.75, 0, 1.05), (0.36, 0.42, 0.34)), MOTORCYCLE, Material.PLASTIC, (34, 34, 36)))
    if ridden:
        parts += _rider(MOTORCYCLE, rng, (-0.3, 0.93), (0.38, 1.08), (-0.05, 0.35), True)
    return merged(parts)
