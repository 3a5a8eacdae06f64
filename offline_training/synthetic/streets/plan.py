"""Draws the plan of a street: its curve, hills, lanes, sidewalks, crossings."""

import numpy as np

from offline_training.synthetic.streets.street import Crossing, Side, StreetPlan
from offline_training.synthetic.world.materials import OTHER_FLAT, TERRAIN

LENGTH_M = 340.0
_STYLES = ("town", "suburb", "country", "industry")


def street_plan(rng: np.random.Generator) -> StreetPlan:
    """A street of 340 m with 1 to 3 crossings."""
    lane = rng.uniform(2.9, 3.6)
    style = rng.choice(_STYLES, p=[0.42, 0.28, 0.15, 0.15])
    median = rng.uniform(1.2, 3.0) if rng.random() < 0.48 else 0.0
    return StreetPlan(
        length_m=LENGTH_M,
        curve=street_curve(rng),
        hills=street_hills(rng),
        lane_m=lane,
        median_m=median,
        median_class=OTHER_FLAT if rng.random() < 0.7 else TERRAIN,
        kerb_m=rng.uniform(0.08, 0.18) if style != "country" else rng.uniform(0.0, 0.1),
        left=_side(rng, style if rng.random() < 0.7 else str(rng.choice(_STYLES))),
        right=_side(rng, str(style)),
        crossings=street_crossings(rng, lane),
    )


def street_curve(rng: np.random.Generator) -> np.ndarray:
    """A straight or bent centre line: StreetPlan.curve. Shape and units: see there."""
    s = np.arange(-20.0, LENGTH_M + 21.0)
    bend = np.zeros_like(s)
    if rng.random() < 0.65:
        for wavelength in rng.uniform(180, 600, 2):
            bend += rng.uniform(-1, 1) * np.sin(2 * np.pi * s / wavelength + rng.uniform(0, 2 * np.pi))
        bend *= rng.uniform(1 / 500, 1 / 110) / max(float(np.abs(bend).max()), 1e-9)
    heading = rng.uniform(-np.pi, np.pi) + np.cumsum(bend)
    x, y = np.cumsum(np.cos(heading)), np.cumsum(np.sin(heading))
    return np.stack([s, x - x.mean(), y - y.mean(), heading], axis=1)


def street_hills(rng: np.random.Generator) -> np.ndarray:
    """Three waves of gentle ground: StreetPlan.hills. Shape and units: see there."""
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
        yard_m={
            "town": rng.uniform(0.0, 2.0) if rng.random() < 0.7 else rng.uniform(6, 14),
            "suburb": rng.uniform(4, 9),
        }.get(style, rng.uniform(8, 22)),
        style=style,
        rise=rng.uniform(-0.03, 0.04) if style in ("town", "industry") else rng.uniform(-0.08, 0.14),
    )


def street_crossings(rng: np.random.Generator, lane: float) -> tuple[Crossing, ...]:
    """One to three crossings."""
    found: list[Crossing] = []
    s = rng.uniform(70, 130)
    while s < LENGTH_M - 60 and len(found) < 3:
        arms = rng.choice(["both", "left", "right"], p=[0.6, 0.2, 0.2])
        found.append(
            Crossing(float(s), lane * rng.uniform(0.9, 1.4), arms != "right", arms != "left", bool(rng.random() < 0.5))
        )
        s += rng.uniform(80, 150)
    return tuple(found)
