"""Chairs, sofas and beds of synthetic rooms; front towards +x, left +y, z up, origin on the floor under the middle."""

import numpy as np

from offline_training.synthetic.rooms.surfaces import (
    BED,
    CHAIR,
    DARK,
    METAL,
    SOFA,
    Finish,
    Texture,
    hard_finish,
    soft_finish,
    solid,
)
from offline_training.synthetic.world.meshes import Mesh, ball, box, boxes, merged, tube

SEAT_M = 0.46  # height of every seat a person may sit on


def chair(rng: np.random.Generator) -> Mesh:
    """A chair with four legs, a swivel chair, or a stool."""
    kind = rng.random()
    if kind < 0.3:
        return _swivel_chair(rng)
    width, depth = rng.uniform(0.4, 0.5), rng.uniform(0.4, 0.48)
    frame = hard_finish(rng)
    seat = soft_finish(rng) if rng.random() < 0.5 else frame
    thick = rng.uniform(0.03, 0.08)
    parts = [solid(box((0, 0, SEAT_M - thick / 2), (depth, width, thick)), CHAIR, seat)]
    leg = rng.uniform(0.028, 0.045)
    x, y, legs_m = depth / 2 - leg / 2, width / 2 - leg / 2, SEAT_M - thick
    corners = [(sx * x, sy * y, legs_m / 2) for sx in (-1, 1) for sy in (-1, 1)]
    metal = METAL if rng.random() < 0.5 else DARK
    parts.append(
        solid(boxes(np.array(corners), np.tile([leg, leg, legs_m], (4, 1))), CHAIR, frame if seat == frame else metal)
    )
    if kind > 0.93:  # a stool has no back
        return merged(parts)
    return merged([*parts, _back(rng, depth, width, leg, frame, seat)])


def _back(rng: np.random.Generator, depth: float, width: float, leg: float, frame: Finish, seat: Finish) -> Mesh:
    height, x = rng.uniform(0.38, 0.56), -depth / 2 + leg / 2
    kind = rng.random()
    posts = [box((x, side * (width / 2 - leg / 2), SEAT_M + height / 2), (leg, leg, height)) for side in (-1, 1)]
    if kind < 0.4:
        low = rng.uniform(0.0, 0.2)
        panel = box((x, 0, SEAT_M + (low + height) / 2), (0.035, width - 0.01, height - low))
        return merged([solid(np.concatenate(posts), CHAIR, frame), solid(panel, CHAIR, seat)])
    if kind < 0.7:
        rails = [box((x, 0, SEAT_M + share * height), (0.022, width, 0.07)) for share in (0.35, 0.65, 0.93)]
    else:
        slats = np.linspace(-width / 2 + 0.07, width / 2 - 0.07, 5)
        rails = [box((x, y, SEAT_M + height / 2), (0.018, 0.035, height)) for y in slats]
        rails.append(box((x, 0, SEAT_M + height - 0.03), (0.026, width, 0.07)))
    return solid(np.concatenate([*posts, *rails]), CHAIR, frame)


def _swivel_chair(rng: np.random.Generator) -> Mesh:
    cloth, base = soft_finish(rng), METAL if rng.random() < 0.4 else DARK
    width, height = rng.uniform(0.44, 0.52), rng.uniform(0.4, 0.62)
    star = []
    for angle in np.arange(5) * (2 * np.pi / 5):
        foot = (0.27 * np.cos(angle), 0.27 * np.sin(angle), 0.06)
        star += [tube((0, 0, 0.11), foot, 0.025, 0.018, sides=5), ball((foot[0], foot[1], 0.03), (0.03,) * 3, 6, 4)]
    parts = [
        solid(np.concatenate([*star, tube((0, 0, 0.1), (0, 0, 0.4), 0.03, sides=6)]), CHAIR, base),
        solid(box((0, 0, SEAT_M - 0.035), (0.46, width, 0.07)), CHAIR, cloth),
        solid(box((-0.22, 0, SEAT_M + 0.1), (0.03, 0.06, 0.25)), CHAIR, base),
        solid(box((-0.22, 0, SEAT_M + 0.14 + height / 2), (0.06, width * 0.92, height)), CHAIR, cloth),
    ]
    if rng.random() < 0.6:
        for side in (-1, 1):
            y = side * (width / 2 + 0.03)
            parts.append(solid(box((0.0, y, SEAT_M + 0.2), (0.26, 0.05, 0.035)), CHAIR, base))
            parts.append(solid(box((0.0, y, SEAT_M + 0.08), (0.04, 0.03, 0.22)), CHAIR, base))
    return merged(parts)


def sofa(rng: np.random.Generator, width_m: float) -> Mesh:
    """An upholstered sofa with arms and cushions for two to four."""
    cloth, depth = soft_finish(rng), rng.uniform(0.8, 0.98)
    back, arm_height, arm = rng.uniform(0.72, 0.92), rng.uniform(0.52, 0.68), rng.uniform(0.12, 0.24)
    foot = rng.uniform(0.04, 0.14)
    inner = width_m - 2 * arm
    parts = [
        solid(box((0, 0, (foot + 0.3) / 2), (depth, width_m, 0.3 - foot)), SOFA, cloth),
        solid(box((-depth / 2 + 0.11, 0, (0.3 + back) / 2), (0.22, width_m, back - 0.3)), SOFA, cloth),
    ]
    for side in (-1, 1):
        y = side * (width_m - arm) / 2
        parts.append(solid(box((0.1, y, (0.3 + arm_height) / 2), (depth - 0.2, arm, arm_height - 0.3)), SOFA, cloth))
    corners = [(sx * (depth / 2 - 0.06), sy * (width_m / 2 - 0.06), foot / 2) for sx in (-1, 1) for sy in (-1, 1)]
    parts.append(solid(boxes(np.array(corners), np.tile([0.05, 0.05, foot], (4, 1))), SOFA, hard_finish(rng)))
    count = max(2, round(inner / rng.uniform(0.6, 0.75)))
    step = inner / count
    for number in range(count):
        y = -inner / 2 + (number + 0.5) * step
        parts.append(solid(box((0.1, y, SEAT_M - 0.08), (depth - 0.22, step - 0.025, 0.16)), SOFA, cloth))
        height = back - SEAT_M + 0.04
        parts.append(solid(box((-depth / 2 + 0.29, y, SEAT_M + height / 2), (0.15, step - 0.04, height)), SOFA, cloth))
    for _ in range(rng.integers(0, 4)):
        y = rng.uniform(-inner / 2 + 0.2, inner / 2 - 0.2)
        cushion = ball((-depth / 2 + 0.47, y, SEAT_M + 0.2), (0.1, 0.22, 0.2), 10, 6)
        parts.append(solid(cushion, SOFA, soft_finish(rng)))
    return merged(parts)


def bed(rng: np.random.Generator, width_m: float) -> Mesh:
    """A bed with its head at -x: frame, mattress, pillows and a blanket."""
    frame, length, top = hard_finish(rng), rng.uniform(1.95, 2.1), rng.uniform(0.42, 0.58)
    headboard = rng.uniform(0.75, 1.15)
    low = -length / 2
    board = soft_finish(rng) if rng.random() < 0.3 else frame
    sheet = soft_finish(rng) if rng.random() < 0.4 else Finish(Texture.PLAIN, (226, 224, 218))
    parts = [
        solid(box((0, 0, top - 0.28), (length, width_m, 0.18)), BED, frame),
        solid(box((0, 0, top - 0.1), (length - 0.06, width_m - 0.06, 0.2)), BED, sheet),
        solid(box((low + 0.03, 0, headboard / 2), (0.06, width_m + 0.04, headboard)), BED, board),
    ]
    legs_m = top - 0.37
    corners = [(sx * (length / 2 - 0.06), sy * (width_m / 2 - 0.06), legs_m / 2) for sx in (-1, 1) for sy in (-1, 1)]
    parts.append(solid(boxes(np.array(corners), np.tile([0.08, 0.08, legs_m], (4, 1))), BED, frame))
    pillows = 1 if width_m < 1.3 else 2
    pillow = sheet if rng.random() < 0.5 else soft_finish(rng)
    for number in range(pillows):
        y = (number + 0.5) * width_m / pillows - width_m / 2
        parts.append(solid(ball((low + 0.34, y, top + 0.06), (0.22, 0.32, 0.1), 12, 6), BED, pillow))
    covered = rng.uniform(0.55, 0.72) * length
    blanket = box((length / 2 - covered / 2 + 0.01, 0, top - 0.04), (covered, width_m + 0.02, 0.16))
    parts.append(solid(blanket, BED, soft_finish(rng)))
    return merged(parts)
