"""Draws the plans of the wide world: residential streets, highways and country roads on sloped, uneven ground."""

from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.streets.plan import LENGTH_M, street_crossings, street_curve, street_hills
from offline_training.synthetic.streets.street import Crossing, Side, StreetPlan
from offline_training.synthetic.world.materials import OTHER_FLAT, TERRAIN


@dataclass(frozen=True)
class WidePlan(StreetPlan):
    """A street whose ground is uneven behind the sidewalks."""

    bumps: np.ndarray  # (B, 4) float64: amplitude m, wave number along s and d in 1/m, phase

    def ground_z(self, s_m: np.ndarray, d_m: np.ndarray) -> np.ndarray:
        """Height of the road's level there; bumps grow over the first 3 m behind the sidewalk.

        s_m, d_m: of one shape, which the result has.
        """
        z = super().ground_z(s_m, d_m)
        behind = np.where(np.asarray(d_m) > 0, self.walk_end_m(1), self.walk_end_m(-1))
        grown = np.clip((np.abs(d_m) - behind - 0.5) / 3.0, 0.0, 1.0)
        for amplitude, along, across, phase in self.bumps:
            z = z + grown * amplitude * np.sin(along * np.asarray(s_m) + across * np.asarray(d_m) + phase)
        return z


def residential_plan(rng: np.random.Generator) -> WidePlan:
    """A narrow street of low kerbs between gardens."""
    lane = rng.uniform(2.3, 3.3)
    return _plan(
        rng,
        lane_m=lane,
        median_m=0.0,
        kerb_m=rng.uniform(0.02, 0.13),
        left=_residential_side(rng),
        right=_residential_side(rng),
        crossings=street_crossings(rng, lane),
        steep=0.035,
    )


def highway_plan(rng: np.random.Generator) -> WidePlan:
    """Two or three lanes and a hard shoulder for each direction, between slopes."""
    median = rng.uniform(1.5, 5.0)
    lanes = int(rng.integers(2, 4))
    sides = [
        Side(
            lanes=lanes,
            parking_m=rng.uniform(1.0, 2.8),
            verge_m=rng.uniform(1.5, 4.0),
            walk_m=0.0,
            yard_m=rng.uniform(6, 20),
            style="highway",
            rise=rng.uniform(-0.35, 0.45),
        )
        for _ in range(2)
    ]
    return _plan(
        rng,
        lane_m=rng.uniform(3.3, 3.8),
        median_m=median,
        kerb_m=rng.uniform(0.0, 0.05),
        left=sides[0],
        right=sides[1],
        crossings=(),
        steep=0.03,
    )


def country_plan(rng: np.random.Generator) -> WidePlan:
    """A road through fields or a wood, with a path on one side at most."""
    sides = [
        Side(
            lanes=1,
            parking_m=0.0,
            verge_m=rng.uniform(0.8, 4.0),
            walk_m=walk,
            yard_m=rng.uniform(4, 16),
            style="country",
            rise=rng.uniform(-0.2, 0.3),
        )
        for walk in (rng.uniform(1.5, 3.0) if rng.random() < 0.5 else 0.0, 0.0)
    ]
    lane = rng.uniform(2.5, 3.4)
    return _plan(
        rng,
        lane_m=lane,
        median_m=0.0,
        kerb_m=rng.uniform(0.0, 0.06),
        left=sides[0],
        right=sides[1],
        crossings=street_crossings(rng, lane)[:1],
        steep=0.06,
    )


def _plan(
    rng: np.random.Generator,
    *,
    lane_m: float,
    median_m: float,
    kerb_m: float,
    left: Side,
    right: Side,
    crossings: tuple[Crossing, ...],
    steep: float,
) -> WidePlan:
    hills = street_hills(rng)
    slope, wave = rng.uniform(0.0, steep), 2 * np.pi / rng.uniform(300, 700)
    direction = rng.uniform(0, 2 * np.pi)
    slopes = (slope / wave, wave * np.cos(direction), wave * np.sin(direction), rng.uniform(0, 2 * np.pi))
    return WidePlan(
        length_m=LENGTH_M,
        curve=street_curve(rng),
        hills=np.concatenate([hills, [slopes]]),
        lane_m=lane_m,
        median_m=median_m,
        median_class=TERRAIN if rng.random() < 0.6 else OTHER_FLAT,
        kerb_m=kerb_m,
        left=left,
        right=right,
        crossings=crossings,
        bumps=np.stack(
            [
                rng.uniform(0.0, 0.09, 4),
                2 * np.pi / rng.uniform(9, 25, 4),
                2 * np.pi / rng.uniform(9, 25, 4),
                rng.uniform(0, 2 * np.pi, 4),
            ],
            axis=1,
        ),
    )


def _residential_side(rng: np.random.Generator) -> Side:
    walk = rng.choice([0.0, rng.uniform(1.1, 3.2), rng.uniform(3.5, 7.0)], p=[0.1, 0.7, 0.2])
    return Side(
        lanes=1,
        parking_m=rng.uniform(1.9, 2.5) if rng.random() < 0.4 else 0.0,
        verge_m=rng.uniform(0.7, 4.0) if rng.random() < 0.4 else 0.0,
        walk_m=float(walk),
        yard_m=rng.uniform(2.5, 10),
        style="suburb",
        rise=rng.uniform(-0.1, 0.16),
    )
