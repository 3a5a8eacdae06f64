"""Puts buildings, plants, street furniture, vehicles and people along a street plan: one world per seed."""

from dataclasses import dataclass

import numpy as np

from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.objects.buildings import building, hall
from offline_training.synthetic.objects.traffic_furniture import traffic_sign
from offline_training.synthetic.streets.ground import block_edges, ground_mesh
from offline_training.synthetic.streets.paint import road_paint
from offline_training.synthetic.streets.plan import street_plan
from offline_training.synthetic.streets.roadside import furnish_side
from offline_training.synthetic.streets.roadworks import seldom_seen, work_zone
from offline_training.synthetic.streets.site import EGO_END_S_M, EGO_START_S_M, Site
from offline_training.synthetic.streets.street import StreetPlan
from offline_training.synthetic.streets.traffic import Actor, moving_actors
from offline_training.synthetic.world.materials import DRIVEABLE_SURFACE, OTHER_FLAT, SIDEWALK, TERRAIN, Material
from offline_training.synthetic.world.meshes import Mesh, box, merged, surface


@dataclass(frozen=True)
class World:
    """A street with everything on it; what moves stands apart."""

    plan: StreetPlan
    static: Mesh
    actors: tuple[Actor, ...]
    paint: np.ndarray  # see road_paint
    ego_lane_d_m: float
    ego_speed_m_s: float
    sun_direction: np.ndarray  # (3,) from the ground towards the sun

    def ego_pose(self, time_s: float) -> RigidTransform:
        """T_world_base: x forward, y left, z up, on the ground under the vehicle; it stops where the street's furnished part ends."""
        s = min(EGO_START_S_M + self.ego_speed_m_s * time_s, EGO_END_S_M)
        sway = 0.12 * np.sin(0.05 * s)
        position, rotation = self.plan.pose(s, self.ego_lane_d_m + sway, 0.006 * np.cos(0.05 * s), tilt=True)
        return RigidTransform(rotation, position)


def build_world(seed: int) -> World:
    """The world of a seed; equal seeds give equal bytes."""
    rng = np.random.default_rng([seed, 1])
    plan = street_plan(rng)
    site = Site(plan, rng)
    yard_class = _yard_classes(plan, rng)
    closed = work_zone(site)
    for sign in (1, -1):
        _buildings(site, sign)
        _cross_street_buildings(site, sign)
    seldom_seen(site)
    for sign in (1, -1):
        furnish_side(site, sign, yard_class)
    _islands(site)
    lane = int(rng.integers(plan.right.lanes))
    speed = 0.0 if rng.random() < 0.06 else rng.uniform(4.0, 12.0)
    ground = ground_mesh(plan, yard_class)
    elevation, azimuth = np.radians(rng.uniform(22, 62)), rng.uniform(0, 2 * np.pi)
    return World(
        plan=plan,
        static=merged([ground, *site.meshes]),
        actors=moving_actors(plan, rng, lane, speed, closed),
        paint=road_paint(plan, rng),
        ego_lane_d_m=plan.lane_d_m(-1, lane),
        ego_speed_m_s=speed,
        sun_direction=np.array(
            [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        ),
    )


def _yard_classes(plan: StreetPlan, rng: np.random.Generator) -> np.ndarray:
    rows = []
    for _ in block_edges(plan)[:-1]:
        row = []
        for side in (plan.left, plan.right):
            paved = side.walk_m > 0 and side.style in ("town", "industry")
            if paved and side.yard_m > 6 and rng.random() < 0.6:
                row.append(DRIVEABLE_SURFACE)  # a parking lot
            else:
                row.append(SIDEWALK if paved and side.style == "town" else TERRAIN)
        rows.append(row)
    return np.array(rows, np.uint8)


def _buildings(site: Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    front = plan.walk_end_m(sign) + side.yard_m
    s = rng.uniform(3, 12)
    while s < plan.length_m - 4:
        if side.style == "town":
            width, depth, floors, gap = (
                rng.uniform(9, 19),
                rng.uniform(9, 13),
                int(rng.integers(2, 6)),
                rng.choice([0.05, 3.0, 9.0], p=[0.7, 0.2, 0.1]),
            )
        elif side.style == "suburb":
            width, depth, floors, gap = (
                rng.uniform(8, 13),
                rng.uniform(8, 11),
                int(rng.integers(1, 3)),
                rng.uniform(4, 14),
            )
        elif side.style == "industry":
            width, depth, floors, gap = rng.uniform(18, 36), rng.uniform(15, 28), 0, rng.uniform(6, 22)
        else:
            width, depth, floors, gap = rng.uniform(9, 14), rng.uniform(8, 11), 1, rng.uniform(40, 110)
        setback = front + (rng.uniform(0, 0.6) if side.style == "town" else rng.uniform(0, 3))
        middle = s + width / 2
        fits = all(site.clear_of_arms(middle + reach * width, sign, side.walk_m + 1.0) for reach in (-0.5, 0.0, 0.5))
        if fits and site.claim(middle, sign * (setback + depth / 2), width / 2, depth / 2):
            mesh = (
                hall(rng, width, depth)
                if side.style == "industry"
                else building(rng, width, depth, floors, side.style in ("suburb", "country"))
            )
            site.put(mesh, middle, sign * setback, 0.0 if sign > 0 else np.pi)
            s += width + gap
        else:
            s += 3.0


def _cross_street_buildings(site: Site, sign: int) -> None:
    """Houses along the arms of crossings, seen when looking into them."""
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    if side.style == "country":
        return
    for crossing in plan.crossings:
        if not (crossing.left if sign > 0 else crossing.right):
            continue
        for way in (1, -1):
            d = plan.walk_end_m(sign) + side.yard_m + rng.uniform(14, 18)
            while d < 62:
                width, depth = rng.uniform(9, 14), rng.uniform(8, 11)
                s = crossing.s_m + way * (crossing.half_width_m + max(side.walk_m, 1.5) + rng.uniform(0.3, 2.0))
                if site.claim(s + way * depth / 2, sign * (d + width / 2), depth / 2, width / 2):
                    site.put(
                        building(rng, width, depth, int(rng.integers(1, 4)), side.style == "suburb"),
                        s,
                        sign * (d + width / 2),
                        -way * np.pi / 2,
                    )
                d += width + rng.choice([0.2, 5.0])


def _islands(site: Site) -> None:
    """Traffic islands in the arms of crossings, with a bollard sign."""
    plan, rng = site.plan, site.rng
    for crossing in plan.crossings:
        for sign, there in ((1, crossing.left), (-1, crossing.right)):
            if not there or rng.random() < 0.25:
                continue
            d, length = plan.edge_m(sign) + rng.uniform(8.5, 10.0), rng.uniform(4, 7)
            island = box((0, 0, -0.12), (rng.uniform(0.9, 1.6), length, 0.52))
            site.put(surface(island, OTHER_FLAT, Material.CONCRETE, (168, 160, 148)), crossing.s_m, sign * d, level=0.0)
            site.put(traffic_sign(rng), crossing.s_m, sign * (d - length / 2 + 0.4), sign * np.pi / 2, level=0.1)
