"""What moves in the wide world; the share of each kind depends on the road."""

import numpy as np

from offline_training.synthetic.objects.construction_vehicles import construction_vehicle
from offline_training.synthetic.objects.heavy_vehicles import bus, trailer, truck
from offline_training.synthetic.objects.people import bicycle, motorcycle, pedestrian
from offline_training.synthetic.objects.vehicles import car
from offline_training.synthetic.streets.site import EGO_START_S_M
from offline_training.synthetic.streets.traffic import Actor
from offline_training.synthetic.wide.site import WideSite
from offline_training.synthetic.world.meshes import Mesh

_KINDS = ("car", "truck", "bus", "motorcycle", "bicycle", "semi", "machine")
_SHARES = {
    "residential": (0.64, 0.03, 0.02, 0.1, 0.19, 0.005, 0.015),
    "highway": (0.64, 0.12, 0.04, 0.05, 0.0, 0.14, 0.01),
    "country": (0.56, 0.06, 0.03, 0.1, 0.2, 0.02, 0.03),
}
_LENGTH_M = {"car": 5.0, "truck": 10.0, "bus": 17.0, "motorcycle": 2.2, "bicycle": 1.9, "semi": 20.0, "machine": 9.0}


def wide_traffic(site: WideSite, road: str, ego_lane: int, ego_speed_m_s: float) -> tuple[Actor, ...]:
    """Vehicles of every lane with one speed a lane, and people walking, running or riding beside the road."""
    plan, rng = site.plan, site.rng
    actors: list[Actor] = []
    gap = rng.uniform(4.0, 30.0) if road != "residential" else rng.uniform(8.0, 60.0)
    for sign in (1, -1):
        for lane in range(plan.side(sign).lanes):
            own = sign < 0 and lane == ego_lane
            speed = ego_speed_m_s if own else rng.uniform(0.6, 1.4) * ego_speed_m_s
            actors += _lane(site, road, sign * abs(plan.lane_d_m(sign, lane)), speed, gap, own)
        if road != "highway":
            actors += _walkers(site, sign)
    return tuple(actors)


def _lane(site: WideSite, road: str, d_m: float, speed_m_s: float, gap_m: float, own: bool) -> list[Actor]:
    plan, rng = site.plan, site.rng
    actors: list[Actor] = []
    way = 1.0 if d_m < 0 else -1.0
    s = rng.uniform(3, 25)
    while s < plan.length_m - 10:
        kind = str(rng.choice(_KINDS, p=_SHARES[road]))
        length = _LENGTH_M[kind]
        middle = s + length / 2
        shift = rng.normal(0, 0.15) - way * (rng.uniform(0.1, 0.8) if kind in ("bicycle", "motorcycle") else 0.0)
        if not (own and abs(middle - EGO_START_S_M) < length / 2 + 8.0):
            for mesh, offset in _vehicles(site, kind):
                yaw = 0.0 if way > 0 else np.pi
                actors.append(Actor(mesh, middle + way * offset, d_m + shift, way * speed_m_s, 0.0, yaw, 0.0))
        s += length + rng.uniform(3.0, 4.0 + gap_m)
    return actors


def _vehicles(site: WideSite, kind: str) -> list[tuple[Mesh, float]]:
    """The meshes of a vehicle with their places along it."""
    if kind == "motorcycle":
        return [(site.some(motorcycle, True), 0.0)]
    if kind == "bicycle":
        return [(site.some(bicycle, True), 0.0)]
    if kind == "semi":
        return [(site.some(truck), 6.0), (site.some(trailer), -5.8)]
    return [(site.some({"car": car, "truck": truck, "bus": bus, "machine": construction_vehicle}[kind]), 0.0)]


def _walkers(site: WideSite, sign: int) -> list[Actor]:
    plan, rng = site.plan, site.rng
    side = plan.side(sign)
    actors = []
    for _ in range(rng.integers(3, 16)):
        way = float(rng.choice([-1, 1]))
        rides = rng.random() < 0.3
        speed = rng.uniform(2.5, 6.0) if rides else rng.uniform(0.8, 3.0)
        if side.walk_m > 0:
            d, level = plan.edge_m(sign) + side.verge_m + rng.uniform(0.4, max(0.5, side.walk_m - 0.4)), plan.kerb_m
        else:
            d, level = plan.edge_m(sign) - side.parking_m - 0.5, 0.0
        mesh = site.some(bicycle, True) if rides else site.some(pedestrian, True)
        yaw = 0.0 if way > 0 else np.pi
        actors.append(Actor(mesh, rng.uniform(5, plan.length_m - 5), sign * d, way * speed, 0.0, yaw, level))
    return actors
