"""Worlds wider than the streets of `streets.layout`: residential streets, highways, country roads; one world per seed."""

import numpy as np

from offline_training.synthetic.streets.ground import block_edges, ground_mesh
from offline_training.synthetic.streets.layout import World
from offline_training.synthetic.streets.paint import road_paint
from offline_training.synthetic.streets.street import StreetPlan
from offline_training.synthetic.wide.gardens import properties
from offline_training.synthetic.wide.open_road import country_sides, highway_sides
from offline_training.synthetic.wide.plan import country_plan, highway_plan, residential_plan
from offline_training.synthetic.wide.roadside import parked, people, posts, two_wheelers, verge
from offline_training.synthetic.wide.site import WideSite
from offline_training.synthetic.wide.traffic import wide_traffic
from offline_training.synthetic.world.materials import DRIVEABLE_SURFACE, SIDEWALK, TERRAIN
from offline_training.synthetic.world.meshes import merged

_PLANS = {"residential": residential_plan, "highway": highway_plan, "country": country_plan}
_SPEED_M_S = {"residential": (2.0, 9.0), "highway": (10.0, 25.0), "country": (5.0, 16.0)}


def build_wide_world(seed: int) -> World:
    """The wide world of a seed; equal seeds give equal bytes."""
    rng = np.random.default_rng([seed, 11])
    road = str(rng.choice(["residential", "highway", "country"], p=[0.68, 0.13, 0.19]))
    plan = _PLANS[road](rng)
    site = WideSite(plan, rng)
    yard_class = _yard_classes(plan, rng, road)
    if road == "highway":
        highway_sides(site)
    else:
        for sign in (1, -1):
            if road == "residential" or rng.random() < 0.3:
                parked(site, sign)
            posts(site, sign)
            two_wheelers(site, sign)
            people(site, sign)
            if road == "residential":
                properties(site, sign)
            verge(site, sign)
        if road == "country":
            country_sides(site)
    lane = int(rng.integers(plan.right.lanes))
    speed = 0.0 if rng.random() < 0.06 else float(rng.uniform(*_SPEED_M_S[road]))
    ground = ground_mesh(plan, yard_class)
    return World(
        plan=plan,
        static=merged([ground, *site.meshes]),
        actors=wide_traffic(site, road, lane, speed),
        paint=road_paint(plan, rng),
        ego_lane_d_m=plan.lane_d_m(-1, lane),
        ego_speed_m_s=speed,
        sun_direction=_sun(rng),
    )


def _yard_classes(plan: StreetPlan, rng: np.random.Generator, road: str) -> np.ndarray:
    """(blocks, 2) class of the ground before the houses: gardens for the most part, paved yards here and there."""
    shape = (len(block_edges(plan)) - 1, 2)
    if road != "residential":
        return np.full(shape, TERRAIN, np.uint8)
    return rng.choice([TERRAIN, SIDEWALK, DRIVEABLE_SURFACE], size=shape, p=[0.8, 0.12, 0.08]).astype(np.uint8)


def _sun(rng: np.random.Generator) -> np.ndarray:
    elevation, azimuth = np.radians(rng.uniform(22, 62)), rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
