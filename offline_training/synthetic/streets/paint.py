"""The paint on a synthetic street's asphalt: lane lines, zebra crossings, stop lines, cycle lanes, mended patches."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.streets.street import Crossing, StreetPlan

PAINT_CELL_M = 0.075
PAINT_REACH_M = 40.0  # paint is kept this far to both sides of the centre line
NO_PAINT, WHITE, YELLOW, PATCH, CYCLE_LANE = range(5)


@dataclass(frozen=True)
class _Paint:
    """The street from above as cells of paint."""

    code: np.ndarray  # (rows along s, columns along d) uint8

    def fill(self, s_m: tuple[float, float], d_m: tuple[float, float], code: int) -> None:
        """Paint a rectangle; the ends may come in either order."""
        i0, i1 = (max(0, round(s / PAINT_CELL_M)) for s in sorted(s_m))
        j0, j1 = (max(0, round((d + PAINT_REACH_M) / PAINT_CELL_M)) for d in sorted(d_m))
        self.code[i0:i1, j0:j1] = code


def road_paint(plan: StreetPlan, rng: np.random.Generator) -> np.ndarray:
    """Codes of the paint in cells of 7.5 cm: (length, 2 x 40 m) uint8; index [s / cell, (d + 40 m) / cell]."""
    paint = _Paint(np.zeros((int(plan.length_m / PAINT_CELL_M), int(2 * PAINT_REACH_M / PAINT_CELL_M)), np.uint8))

    _asphalt_patches(paint, plan, rng)
    _lane_lines(paint, plan, rng)
    for crossing in plan.crossings:
        _crossing_paint(paint, plan, crossing, rng)
    return paint.code


def _asphalt_patches(paint: _Paint, plan: StreetPlan, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(6, 22)):
        s, d = rng.uniform(0, plan.length_m), rng.uniform(-plan.edge_m(-1), plan.edge_m(1))
        paint.fill((s, s + rng.uniform(0.6, 9.0)), (d, d + rng.uniform(0.5, 2.2)), PATCH)


def _lane_lines(paint: _Paint, plan: StreetPlan, rng: np.random.Generator) -> None:
    half = rng.uniform(0.06, 0.09)
    dash, gap = [(3.0, 6.0), (3.0, 9.0), (6.0, 12.0), (2.0, 4.0)][rng.integers(4)]
    dashes = [(s, s + dash) for s in np.arange(0.0, plan.length_m, dash + gap)]
    whole = (0.0, plan.length_m)
    cycle = rng.random() < 0.3
    if plan.median_m == 0:
        style, color = rng.integers(3), YELLOW if rng.random() < 0.4 else WHITE
        middles = (-0.12, 0.12) if style == 2 else (0.0,)
        for s in dashes if style == 0 else [whole]:
            for d in middles:
                paint.fill(s, (d - half, d + half), color)
    for sign in (1, -1):
        side = plan.side(sign)
        for lane in range(1, side.lanes):
            d = sign * (plan.median_m / 2 + lane * plan.lane_m)
            for s in dashes:
                paint.fill(s, (d - half, d + half), WHITE)
        border = sign * (plan.median_m / 2 + side.lanes * plan.lane_m)
        if side.parking_m > 0 or rng.random() < 0.6:
            paint.fill(whole, (border - half - 0.15 * sign, border + half - 0.15 * sign), WHITE)
        if side.parking_m > 0 and rng.random() < 0.6:
            for start in np.arange(0.0, plan.length_m, 5.6):
                paint.fill((start, start + 0.12), (border, border + sign * side.parking_m), WHITE)
        if cycle and side.parking_m == 0:
            paint.fill(whole, (border - sign * 1.5, border - sign * 0.3), CYCLE_LANE)


def _crossing_paint(paint: _Paint, plan: StreetPlan, crossing: Crossing, rng: np.random.Generator) -> None:
    s, half = crossing.s_m, crossing.half_width_m
    right, left = plan.edge_m(-1), plan.edge_m(1)
    paint.fill((s - half - 1.0, s + half + 1.0), (-right, left), NO_PAINT)
    for way in (1, -1):
        near = s + way * (half + 1.4)
        if crossing.signals or rng.random() < 0.6:  # stripes of a zebra run along the street
            for d in np.arange(-right + 0.5, left - 0.4, 1.0):
                paint.fill((near, near + way * 3.0), (d, d + 0.5), WHITE)
        lanes = (-right, -plan.median_m / 2) if way < 0 else (plan.median_m / 2, left)
        paint.fill((near + way * 3.8, near + way * 4.2), lanes, WHITE)  # stop line
    for sign, there in ((1, crossing.left), (-1, crossing.right)):
        if there:
            _arm_paint(paint, crossing, sign, plan.edge_m(sign))


def _arm_paint(paint: _Paint, crossing: Crossing, sign: int, edge_m: float) -> None:
    """Dashes, zebra and stop line of the crossing road on one side."""
    s, half = crossing.s_m, crossing.half_width_m
    for d in np.arange(edge_m + 8.0, PAINT_REACH_M - 3, 6.0):
        paint.fill((s - 0.07, s + 0.07), (sign * d, sign * (d + 3.0)), WHITE)
    for along in np.arange(s - half + 0.4, s + half - 0.3, 1.0):
        paint.fill((along, along + 0.5), (sign * (edge_m + 2.0), sign * (edge_m + 4.8)), WHITE)
    paint.fill((s, s - sign * half), (sign * (edge_m + 5.4), sign * (edge_m + 5.8)), WHITE)
