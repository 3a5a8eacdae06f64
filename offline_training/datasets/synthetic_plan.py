"""Draws the plan of a street: its curve, hills, lanes, sidewalks, crossings, and the paint on its asphalt."""

import numpy as np

from offline_training.datasets.synthetic_ground import (
    CYCLE_LANE,
    PAINT_CELL_M,
    PATCH,
    WHITE,
    YELLOW,
    Crossing,
    Side,
    StreetPlan,
)
from offline_training.datasets.synthetic_materials import OTHER_FLAT, TERRAIN

LENGTH_M = 340.0
PAINT_REACH_M = 40.0  # paint is kept this far to both sides of the centre line
_STYLES = ("town", "suburb", "country", "industry")


def street_plan(rng: np.random.Generator) -> StreetPlan:
    """A street of 340 m with 1 to 3 crossings."""
    lane = rng.uniform(2.9, 3.6)
    style = rng.choice(_STYLES, p=[0.42, 0.28, 0.15, 0.15])
    median = rng.uniform(1.2, 3.0) if rng.random() < 0.48 else 0.0
    return StreetPlan(
        length_m=LENGTH_M,
        curve=_curve(rng),
        hills=_hills(rng),
        lane_m=lane,
        median_m=median,
        median_class=OTHER_FLAT if rng.random() < 0.7 else TERRAIN,
        kerb_m=rng.uniform(0.08, 0.18) if style != "country" else rng.uniform(0.0, 0.1),
        left=_side(rng, style if rng.random() < 0.7 else str(rng.choice(_STYLES))),
        right=_side(rng, str(style)),
        crossings=_crossings(rng, lane),
    )


def _curve(rng: np.random.Generator) -> np.ndarray:
    s = np.arange(-20.0, LENGTH_M + 21.0)
    bend = np.zeros_like(s)
    if rng.random() < 0.65:
        for wavelength in rng.uniform(180, 600, 2):
            bend += rng.uniform(-1, 1) * np.sin(2 * np.pi * s / wavelength + rng.uniform(0, 2 * np.pi))
        bend *= rng.uniform(1 / 500, 1 / 110) / max(float(np.abs(bend).max()), 1e-9)
    heading = rng.uniform(-np.pi, np.pi) + np.cumsum(bend)
    x, y = np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading))
    return np.stack([s, x - x.mean(), y - y.mean(), heading], axis=1)


def _hills(rng: np.random.Generator) -> np.ndarray:
    rows = []
    for wavelength in (rng.uniform(300, 600), rng.uniform(120, 250), rng.uniform(40, 90)):
        slope = rng.uniform(0.0, 0.022) if wavelength > 100 else rng.uniform(0.0, 0.007)
        direction, k = rng.uniform(0, 2 * np.pi), 2 * np.pi / wavelength
        rows.append((slope / k, k * np.cos(direction), k * np.sin(direction), rng.uniform(0, 2 * np.pi)))
    return np.array(rows)


def _side(rng: np.random.Generator, style: str) -> Side:
    country = style == "country"
    return Side(
        lanes=int(rng.choice([1, 2], p=[0.6, 0.4])) if not country else 1,
        parking_m=rng.uniform(2.1, 2.5) if not country and rng.random() < 0.7 else 0.0,
        verge_m=rng.uniform(1.0, 3.0) if country or rng.random() < 0.4 else 0.0,
        walk_m=rng.uniform(1.6, 4.5) if not country or rng.random() < 0.5 else 0.0,
        yard_m={"town": rng.uniform(0.0, 2.0) if rng.random() < 0.7 else rng.uniform(6, 14), "suburb": rng.uniform(4, 9)}.get(style, rng.uniform(8, 22)),
        style=style,
        rise=rng.uniform(-0.03, 0.04) if style in ("town", "industry") else rng.uniform(-0.08, 0.14),
    )


def _crossings(rng: np.random.Generator, lane: float) -> tuple[Crossing, ...]:
    found = []
    s = rng.uniform(70, 130)
    while s < LENGTH_M - 60 and len(found) < 3:
        arms = rng.choice(["both", "left", "right"], p=[0.6, 0.2, 0.2])
        found.append(Crossing(float(s), lane * rng.uniform(0.9, 1.4), arms != "right", arms != "left", bool(rng.random() < 0.5)))
        s += rng.uniform(80, 150)
    return tuple(found)


def road_paint(plan: StreetPlan, rng: np.random.Generator) -> np.ndarray:
    """Codes of the paint in cells of 7.5 cm: (length, 2 x 40 m) uint8; index [s / cell, (d + 40 m) / cell]."""
    paint = np.zeros((int(plan.length_m / PAINT_CELL_M), int(2 * PAINT_REACH_M / PAINT_CELL_M)), np.uint8)

    def fill(s0: float, s1: float, d0: float, d1: float, code: int) -> None:
        i0, i1 = (max(0, round(s / PAINT_CELL_M)) for s in (s0, s1))
        j0, j1 = (max(0, round((d + PAINT_REACH_M) / PAINT_CELL_M)) for d in (d0, d1))
        paint[i0:i1, j0:j1] = code

    _asphalt_patches(plan, rng, fill)
    _lane_lines(plan, rng, fill)
    for crossing in plan.crossings:
        _crossing_paint(plan, crossing, rng, paint, fill)
    return paint


def _asphalt_patches(plan: StreetPlan, rng: np.random.Generator, fill) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    for _ in range(rng.integers(6, 22)):
        s, d = rng.uniform(0, plan.length_m), rng.uniform(-plan.edge_m(-1), plan.edge_m(1))
        fill(s, s + rng.uniform(0.6, 9.0), d, d + rng.uniform(0.5, 2.2), PATCH)


def _lane_lines(plan: StreetPlan, rng: np.random.Generator, fill) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    half = rng.uniform(0.06, 0.09)
    dash, gap = [(3.0, 6.0), (3.0, 9.0), (6.0, 12.0), (2.0, 4.0)][rng.integers(4)]
    dashes = np.arange(0.0, plan.length_m, dash + gap)
    cycle = rng.random() < 0.3
    if plan.median_m == 0:
        style, color = rng.integers(3), YELLOW if rng.random() < 0.4 else WHITE
        if style == 0:
            for s in dashes:
                fill(s, s + dash, -half, half, color)
        else:
            fill(0, plan.length_m, -half - 0.12 * (style == 2), half - 0.12 * (style == 2), color)
            if style == 2:
                fill(0, plan.length_m, 0.12 - half, 0.12 + half, color)
    for sign in (1, -1):
        side = plan.side(sign)
        for lane in range(1, side.lanes):
            d = sign * (plan.median_m / 2 + lane * plan.lane_m)
            for s in dashes:
                fill(s, s + dash, d - half, d + half, WHITE)
        border = sign * (plan.median_m / 2 + side.lanes * plan.lane_m)
        if side.parking_m > 0 or rng.random() < 0.6:
            fill(0, plan.length_m, border - half - 0.15 * sign, border + half - 0.15 * sign, WHITE)
        if side.parking_m > 0 and rng.random() < 0.6:
            inner, outer = sorted((border, border + sign * side.parking_m))
            for s in np.arange(0.0, plan.length_m, 5.6):
                fill(s, s + 0.12, inner, outer, WHITE)
        if cycle and side.parking_m == 0:
            inner, outer = sorted((border - sign * 1.5, border - sign * 0.3))
            fill(0, plan.length_m, inner, outer, CYCLE_LANE)


def _crossing_paint(plan: StreetPlan, crossing: Crossing, rng: np.random.Generator, paint: np.ndarray, fill) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    s, half = crossing.s_m, crossing.half_width_m
    right, left = plan.edge_m(-1), plan.edge_m(1)
    fill(s - half - 1.0, s + half + 1.0, -right, left, 0)
    for way in (1, -1):
        near = s + way * (half + 1.4)
        if crossing.signals or rng.random() < 0.6:  # stripes of a zebra run along the street
            for d in np.arange(-right + 0.5, left - 0.4, 1.0):
                fill(*sorted((near, near + way * 3.0)), d, d + 0.5, WHITE)
        d0, d1 = (-right, -plan.median_m / 2) if way < 0 else (plan.median_m / 2, left)
        fill(*sorted((near + way * 3.8, near + way * 4.2)), d0, d1, WHITE)
    for sign, there in ((1, crossing.left), (-1, crossing.right)):
        if not there:
            continue
        edge = plan.edge_m(sign)
        for d in np.arange(edge + 8.0, PAINT_REACH_M - 3, 6.0):
            fill(s - 0.07, s + 0.07, *sorted((sign * d, sign * (d + 3.0))), WHITE)
        for along in np.arange(s - half + 0.4, s + half - 0.3, 1.0):
            fill(along, along + 0.5, *sorted((sign * (edge + 2.0), sign * (edge + 4.8))), WHITE)
        stop = sorted((sign * (edge + 5.4), sign * (edge + 5.8)))
        fill(*((s - half, s) if sign > 0 else (s, s + half)), *stop, WHITE)
