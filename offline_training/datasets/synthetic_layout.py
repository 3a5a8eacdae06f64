"""Puts buildings, plants, street furniture, vehicles and people along a street plan: one world per seed."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lidar_vl_core.geometry import RigidTransform
from offline_training.datasets.synthetic_buildings import building, hall
from offline_training.datasets.synthetic_furniture import (
    barrier,
    bus_shelter,
    clutter,
    fence,
    power_pole,
    street_lamp,
    traffic_cone,
    traffic_light,
    traffic_sign,
)
from offline_training.datasets.synthetic_ground import StreetPlan, block_edges, ground_mesh
from offline_training.datasets.synthetic_materials import DRIVEABLE_SURFACE, OTHER_FLAT, SIDEWALK, TERRAIN, Material
from offline_training.datasets.synthetic_meshes import Mesh, box, merged, surface, yaw_rotation
from offline_training.datasets.synthetic_people import bicycle, motorcycle, pedestrian
from offline_training.datasets.synthetic_plan import road_paint, street_plan
from offline_training.datasets.synthetic_plants import bush, hedge, tall_grass, tree
from offline_training.datasets.synthetic_traffic import Actor, moving_actors
from offline_training.datasets.synthetic_vehicles import bus, car, construction_vehicle, trailer, truck

EGO_START_S_M = 95.0
EGO_END_S_M = 245.0


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


@dataclass
class _Site:
    """The street while it is being furnished."""

    plan: StreetPlan
    rng: np.random.Generator
    meshes: list[Mesh] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def claim(self, s: float, d: float, half_s: float, half_d: float) -> bool:
        """Take a rectangle of the street if it is free."""
        if not 1.0 < s - half_s or not s + half_s < self.plan.length_m - 1.0:
            return False
        for s0, s1, d0, d1 in self.taken:
            if s0 < s + half_s and s - half_s < s1 and d0 < d + half_d and d - half_d < d1:
                return False
        self.taken.append((s - half_s, s + half_s, d - half_d, d + half_d))
        return True

    def put(self, mesh: Mesh, s: float, d: float, yaw: float = 0.0, tilt: bool = False, level: float | None = None) -> None:
        """Stand a mesh on the street."""
        if level is None:
            level = self.level(s, d)
        self.meshes.append(mesh.placed(*self.plan.pose(s, d, yaw, level, tilt)))

    def level(self, s: float, d: float) -> float:
        """Height of the ground's surface over the road's level."""
        sign = 1 if d > 0 else -1
        return self.plan.kerb_m if abs(d) > self.plan.edge_m(sign) and not self.plan.in_crossing(s, sign) else 0.0

    def clear_of_arms(self, s: float, sign: int, margin: float) -> bool:
        """Whether s keeps its distance from the arms of crossings on that side."""
        return not self.plan.in_crossing(s, sign, margin)


def build_world(seed: int) -> World:
    """The world of a seed; equal seeds give equal bytes."""
    rng = np.random.default_rng([seed, 1])
    plan = street_plan(rng)
    site = _Site(plan, rng)
    yard_class = _yard_classes(plan, rng)
    closed = _work_zone(site)
    for sign in (1, -1):
        _buildings(site, sign)
        _cross_street_buildings(site, sign)
    _seldom_seen(site)
    for sign in (1, -1):
        _parked(site, sign)
        _bus_stop(site, sign)
        _street_furniture(site, sign)
        _yard(site, sign, yard_class)
        _plants(site, sign)
        _people_standing(site, sign)
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
        sun_direction=np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]),
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


def _buildings(site: _Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    front = plan.walk_end_m(sign) + side.yard_m
    s = rng.uniform(3, 12)
    while s < plan.length_m - 4:
        if side.style == "town":
            width, depth, floors, gap = rng.uniform(9, 19), rng.uniform(9, 13), int(rng.integers(2, 6)), rng.choice([0.05, 3.0, 9.0], p=[0.7, 0.2, 0.1])
        elif side.style == "suburb":
            width, depth, floors, gap = rng.uniform(8, 13), rng.uniform(8, 11), int(rng.integers(1, 3)), rng.uniform(4, 14)
        elif side.style == "industry":
            width, depth, floors, gap = rng.uniform(18, 36), rng.uniform(15, 28), 0, rng.uniform(6, 22)
        else:
            width, depth, floors, gap = rng.uniform(9, 14), rng.uniform(8, 11), 1, rng.uniform(40, 110)
        setback = front + (rng.uniform(0, 0.6) if side.style == "town" else rng.uniform(0, 3))
        middle = s + width / 2
        fits = all(site.clear_of_arms(middle + reach * width, sign, side.walk_m + 1.0) for reach in (-0.5, 0.0, 0.5))
        if fits and site.claim(middle, sign * (setback + depth / 2), width / 2, depth / 2):
            mesh = hall(rng, width, depth) if side.style == "industry" else building(rng, width, depth, floors, side.style in ("suburb", "country"))
            site.put(mesh, middle, sign * setback, 0.0 if sign > 0 else np.pi)
            s += width + gap
        else:
            s += 3.0


def _cross_street_buildings(site: _Site, sign: int) -> None:
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
                    site.put(building(rng, width, depth, int(rng.integers(1, 4)), side.style == "suburb"), s, sign * (d + width / 2), -way * np.pi / 2)
                d += width + rng.choice([0.2, 5.0])


def _seldom_seen(site: _Site) -> None:
    """What a random street may lack is put where the ego vehicle passes, so that nearly every drive has every class."""
    rng = site.rng
    large = [(trailer, 6.8, 1.3)] * int(rng.integers(1, 3)) + [(construction_vehicle, 4.6, 1.35), (truck, 5.3, 1.3), (bus, 8.8, 1.3)]
    for make, half_s, half_d in large:
        _place_near(site, make, half_s, half_d)
    for _ in range(rng.integers(2, 5)):
        _place_near(site, lambda rng: merged([motorcycle(rng, False).placed((0, 0.9 * i - 0.9, 0), yaw_rotation(rng.normal(0, 0.1))) for i in range(3)]), 1.2, 1.5)
    for _ in range(rng.integers(1, 4)):
        _place_near(site, lambda rng: merged([bicycle(rng, False).placed((0, 0.6 * i - 0.6, 0), yaw_rotation(rng.normal(0, 0.1))) for i in range(3)]), 1.0, 1.1)
    for _ in range(rng.integers(2, 5)):
        _place_near(site, _cone_group, 2.2, 0.7)
    for _ in range(rng.integers(1, 4)):
        _place_near(site, _barrier_row, 4.4, 0.4)


def _cone_group(rng: np.random.Generator) -> Mesh:
    return merged([traffic_cone(rng).placed((x, rng.normal(0, 0.25), 0), np.eye(3)) for x in np.arange(-2.0, 2.1, rng.uniform(0.8, 1.9))])


def _barrier_row(rng: np.random.Generator) -> Mesh:
    piece = barrier(rng)
    return merged([piece.placed((x, 0, 0), yaw_rotation(rng.normal(0, 0.04))) for x in (-3.3, -1.1, 1.1, 3.3)])


def _place_near(site: _Site, make: Callable[[np.random.Generator], Mesh], half_s: float, half_d: float) -> None:
    """Stand a thing on a parking strip, a sidewalk or a yard beside the ego vehicle's way, where there is room."""
    plan, rng = site.plan, site.rng
    for _ in range(24):
        sign = int(rng.choice([-1, 1]))
        side, edge, walk_end = plan.side(sign), plan.edge_m(sign), plan.walk_end_m(sign)
        spots = [walk_end + half_d + 0.4] if side.yard_m > 2 * half_d + 1.0 else []
        if side.parking_m > 0 and half_d <= 1.4:
            spots += [edge - side.parking_m / 2] * 2
        if side.walk_m > 2 * half_d + 0.8:
            spots += [edge + side.verge_m + half_d + 0.3]
        if not spots:
            continue
        s, d = rng.uniform(EGO_START_S_M - 15, EGO_END_S_M + 25), spots[rng.integers(len(spots))]
        if site.clear_of_arms(s, sign, half_s + 5.0) and site.claim(s, sign * d, half_s, half_d):
            site.put(make(rng), s, sign * d, rng.choice([0.0, np.pi]) + rng.normal(0, 0.03), tilt=True)
            return


def _parked(site: _Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    if side.parking_m == 0:
        return
    d = sign * (plan.edge_m(sign) - side.parking_m / 2)
    share = rng.uniform(0.45, 0.95)
    s = rng.uniform(3, 8)
    while s < plan.length_m - 8:
        kind = rng.choice(["car", "truck", "trailer", "motorcycle", "bus"], p=[0.84, 0.05, 0.04, 0.06, 0.01])
        half = {"car": 2.7, "truck": 5.2, "trailer": 6.6, "motorcycle": 1.2, "bus": 8.6}[kind]
        s += half
        free = site.clear_of_arms(s, sign, half + 6.0)
        if free and rng.random() < share and site.claim(s, d, half, 1.0):
            yaw = (0.0 if sign < 0 else np.pi) + rng.normal(0, 0.02)
            mesh = {"car": car, "truck": truck, "trailer": trailer, "bus": bus}[kind](rng) if kind != "motorcycle" else motorcycle(rng, False)
            site.put(mesh, s, d + rng.normal(0, 0.08), yaw, tilt=True, level=0.0)
        s += half + rng.uniform(0.3, 1.2)


def _bus_stop(site: _Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    if side.walk_m < 2.4 or rng.random() < 0.3:
        return
    for _ in range(12):
        s = rng.uniform(EGO_START_S_M - 30, EGO_END_S_M + 30)
        d = sign * (plan.walk_end_m(sign) - 0.9)
        if site.clear_of_arms(s, sign, 12.0) and site.claim(s, d, 2.4, 0.9):
            site.put(bus_shelter(), s, d, 0.0 if sign < 0 else np.pi)
            for _ in range(rng.integers(1, 5)):
                site.put(pedestrian(rng, False), s + rng.uniform(-3, 3), d - sign * rng.uniform(0.6, 1.2), rng.uniform(0, 6.3))
            return


def _street_furniture(site: _Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    kerb_d = plan.edge_m(sign) + 0.45
    turned = 0.0 if sign < 0 else np.pi
    towards_road = 0.0 if sign < 0 else np.pi  # lamps reach towards +y of their own frame
    for s in np.arange(rng.uniform(4, 20), plan.length_m, rng.uniform(20, 32)):
        mesh = street_lamp(rng) if side.style != "country" else power_pole(rng)
        if site.clear_of_arms(s, sign, 2.0) and site.claim(s, sign * kerb_d, 0.25, 0.25):
            site.put(mesh, s, sign * kerb_d, towards_road)
    for _ in range(rng.integers(5, 11)):
        s = rng.uniform(4, plan.length_m - 4)
        if site.clear_of_arms(s, sign, 1.0) and site.claim(s, sign * kerb_d, 0.3, 0.3):
            site.put(traffic_sign(rng), s, sign * kerb_d, turned)
    for crossing in plan.crossings:
        if not crossing.signals:
            continue
        s = crossing.s_m + sign * (crossing.half_width_m + 3.2)
        if site.claim(s, sign * kerb_d, 0.3, 0.3):
            site.put(traffic_light(rng), s, sign * kerb_d, turned)
    for _ in range(rng.integers(8, 26) if side.walk_m > 0 else 3):
        s = rng.uniform(4, plan.length_m - 4)
        d = plan.edge_m(sign) + rng.choice([0.5, max(0.6, side.verge_m + side.walk_m - 0.5)])
        if site.clear_of_arms(s, sign, 1.5) and site.claim(s, sign * d, 0.9, 0.4):
            what = rng.random()
            if what < 0.55:
                site.put(clutter(rng), s, sign * d, turned + rng.choice([0, np.pi]))
            elif what < 0.8:
                for number in range(rng.integers(1, 4)):
                    site.put(bicycle(rng, False), s + 0.55 * number, sign * d, np.pi / 2 + rng.normal(0, 0.15))
            else:
                site.put(motorcycle(rng, False), s, sign * d, turned + rng.normal(0, 0.3))


def _yard(site: _Site, sign: int, yard_class: np.ndarray) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    blocks, start, column = block_edges(plan), plan.walk_end_m(sign), 0 if sign > 0 else 1
    for number in range(len(yard_class)):
        s0, s1 = blocks[number] + 12, blocks[number + 1] - 12
        if yard_class[number, column] == DRIVEABLE_SURFACE and side.yard_m > 6:
            for s in np.arange(s0, s1, 2.7):
                d = sign * (start + side.yard_m - 2.9)
                if rng.random() < 0.6 and site.claim(s, d, 1.2, 2.6):
                    mesh = car(rng) if rng.random() < 0.93 else motorcycle(rng, False)
                    site.put(mesh, s, d, rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.03), tilt=True)
        elif side.style in ("suburb", "country") and side.yard_m > 3:
            s = s0
            while s < s1:
                length = rng.uniform(4, 9)
                if rng.random() < 0.55 and site.claim(s + length / 2, sign * (start + 0.6), length / 2, 0.45):
                    mesh = hedge(rng, length) if rng.random() < 0.5 else fence(rng, length)
                    site.put(mesh, s, sign * (start + 0.6))
                elif rng.random() < 0.35 and side.yard_m > 5.5 and site.claim(s + 2, sign * (start + 3.2), 1.2, 2.6):
                    site.put(car(rng), s + 2, sign * (start + 3.2), np.pi / 2, tilt=True)
                s += length + rng.choice([0.3, 3.5])
        elif side.style == "industry":
            for kind, half in ((trailer, 6.8), (truck, 5.3), (construction_vehicle, 4.5)):
                s = rng.uniform(s0, max(s0 + 1, s1))
                d = start + 3.0
                if rng.random() < 0.6 and site.claim(s, sign * d, half, 1.5):
                    site.put(kind(rng), s, sign * d, rng.choice([0.0, np.pi]), tilt=True)


def _plants(site: _Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    kinds, far = [tree(rng) for _ in range(3)], [tree(rng, 40) for _ in range(3)]
    shrubs = [bush(rng) for _ in range(3)] + [tall_grass(rng)]

    def grow(shapes: list[Mesh], s: float, d: float, low: float, high: float) -> None:
        scale = rng.uniform(low, high)
        site.put(shapes[rng.integers(len(shapes))].placed((0, 0, 0), np.eye(3) * scale), s, sign * d, rng.uniform(0, 2 * np.pi))

    if side.verge_m > 0 or rng.random() < 0.5:
        d = plan.edge_m(sign) + (side.verge_m / 2 if side.verge_m > 0 else 0.7)
        for s in np.arange(rng.uniform(3, 9), plan.length_m, rng.uniform(8, 16)):
            if rng.random() < 0.8 and site.clear_of_arms(s, sign, 4.0) and site.claim(s, sign * d, 0.4, 0.4):
                grow(kinds, s, d, 0.6, 1.0)
    count = {"town": 18, "suburb": 60, "country": 110, "industry": 26}[side.style]
    for _ in range(count):
        s, d = rng.uniform(2, plan.length_m - 2), plan.walk_end_m(sign) + abs(rng.normal(0, 22)) + 1.5
        if d < 76 and site.clear_of_arms(s, sign, 4.0) and site.claim(s, sign * d, 1.0, 1.0):
            grow(kinds if d < plan.walk_end_m(sign) + 14 else far, s, d, 0.7, 1.3)
    near = side.yard_m if side.style == "town" else 18.0
    for _ in range(count * 2):
        s, d = rng.uniform(2, plan.length_m - 2), plan.walk_end_m(sign) + rng.uniform(0.6, near + 1.0)
        if site.clear_of_arms(s, sign, 3.0) and site.claim(s, sign * d, 0.6, 0.6):
            grow(shrubs, s, d, 0.7, 1.9)


def _people_standing(site: _Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    if side.walk_m == 0:
        return
    for _ in range(rng.integers(2, 12)):
        s = rng.uniform(EGO_START_S_M - 50, EGO_END_S_M + 60)
        d = plan.edge_m(sign) + side.verge_m + rng.uniform(0.4, side.walk_m - 0.3)
        for number in range(rng.integers(1, 4)):
            if site.claim(s + 0.7 * number, sign * d, 0.3, 0.3):
                site.put(pedestrian(rng, rng.random() < 0.4), s + 0.7 * number, sign * d, rng.uniform(0, 2 * np.pi))


def _islands(site: _Site) -> None:
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


def _work_zone(site: _Site) -> tuple[int, int] | None:
    """Cones, barriers and machines on the outermost lane or the parking strip; returns the closed lane as (sign, lane)."""
    plan, rng = site.plan, site.rng
    if rng.random() < 0.06:
        return None
    sign = int(rng.choice([-1, 1]))
    side = plan.side(sign)
    lane = side.lanes - 1
    if sign < 0 and lane == 0:
        sign, side, lane = 1, plan.left, plan.left.lanes - 1
    length = rng.uniform(18, 34)
    s0 = rng.uniform(EGO_START_S_M - 10, EGO_END_S_M - 10)
    inner = plan.median_m / 2 + lane * plan.lane_m + 0.35
    outer = plan.edge_m(sign) - 0.3
    site.taken.append((s0, s0 + length, *sorted((sign * inner, sign * outer))))
    for s in np.arange(s0, s0 + length, rng.uniform(2.0, 4.0)):
        site.put(traffic_cone(rng), s, sign * (inner + rng.normal(0, 0.06)), level=0.0)
    for end in (s0 - 1.5, s0 + length + 1.5):
        for number, d in enumerate(np.arange(inner, outer, 0.8)):
            site.put(traffic_cone(rng), end + 0.3 * number, sign * d, level=0.0)
    board = barrier(rng)
    for s in np.arange(s0 + 3, s0 + length - 3, 2.3):
        site.put(board if rng.random() < 0.8 else barrier(rng), s, sign * (inner + 0.9), level=0.0)
    middle = (inner + 0.9 + outer) / 2 + 0.3
    site.put(construction_vehicle(rng), s0 + length * 0.3, sign * middle, rng.choice([0.0, np.pi]), level=0.0)
    if length > 24:
        what = truck(rng) if rng.random() < 0.6 else trailer(rng)
        site.put(what, s0 + length * 0.78, sign * middle, rng.choice([0.0, np.pi]), level=0.0)
    heap = pedestrian(rng, False)
    site.put(heap, s0 + length * 0.52, sign * middle, rng.uniform(0, 6.0), level=0.0)
    return sign, lane
