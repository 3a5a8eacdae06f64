"""The strip between road and gardens in the wide world: parked vehicles, people, two-wheelers, poles, verges, trees."""

import numpy as np

from offline_training.synthetic.objects.furniture import clutter, power_pole, street_lamp
from offline_training.synthetic.objects.heavy_vehicles import bus, trailer, truck
from offline_training.synthetic.objects.people import bicycle, motorcycle, pedestrian
from offline_training.synthetic.objects.plants import bush, tall_grass, tree
from offline_training.synthetic.objects.traffic_furniture import barrier, traffic_cone, traffic_sign
from offline_training.synthetic.objects.vehicles import car
from offline_training.synthetic.streets.site import EGO_END_S_M, EGO_START_S_M
from offline_training.synthetic.wide.objects import grass, leaning
from offline_training.synthetic.wide.site import WideSite


def parked(site: WideSite, sign: int) -> None:
    """Vehicles on the parking strip, or half on the kerb where there is none."""
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    share = rng.uniform(0.1, 0.95)
    on_kerb = rng.uniform(0.0, 0.9)
    s = rng.uniform(3, 8)
    while s < plan.length_m - 8:
        kind = rng.choice(["car", "truck", "trailer", "motorcycle", "bus"], p=[0.9, 0.035, 0.02, 0.04, 0.005])
        half = {"car": 2.6, "truck": 5.0, "trailer": 6.4, "motorcycle": 1.2, "bus": 8.6}[kind]
        s += half
        d = plan.edge_m(sign) + (on_kerb if side.parking_m == 0 else -side.parking_m / 2)
        if site.clear_of_arms(s, sign, half + 4.0) and rng.random() < share and site.claim(s, sign * d, half, 0.9):
            make = {"car": car, "truck": truck, "trailer": trailer, "bus": bus}
            mesh = site.some(motorcycle, False) if kind == "motorcycle" else site.some(make[kind])
            yaw = rng.choice([0.0, np.pi]) + rng.normal(0, 0.03)
            level = plan.kerb_m / 2 if side.parking_m == 0 else 0.0
            site.put(mesh, s, sign * (d + rng.normal(0, 0.1)), yaw, tilt=True, level=level)
        s += half + rng.choice([rng.uniform(0.3, 1.5), rng.uniform(3, 18)], p=[0.75, 0.25])


def people(site: WideSite, sign: int) -> None:
    """People alone and in groups of up to five, standing beside the road or in the gardens, some with a bicycle."""
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    for _ in range(rng.integers(2, 12)):
        s = rng.uniform(EGO_START_S_M - 40, EGO_END_S_M + 50)
        d = plan.edge_m(sign) + rng.uniform(0.4, max(1.0, side.verge_m + side.walk_m + 1.0))
        for _ in range(rng.choice([1, 2, 3, 5], p=[0.5, 0.25, 0.15, 0.1])):
            at, away = s + rng.normal(0, 0.7), d + rng.normal(0, 0.6)
            if away > plan.edge_m(sign) - 0.4 and site.claim(at, sign * away, 0.25, 0.25):
                site.put(site.some(pedestrian, bool(rng.random() < 0.6)), at, sign * away, rng.uniform(0, 2 * np.pi))


def two_wheelers(site: WideSite, sign: int) -> None:
    """Bicycles and motorcycles that stand, lean on something, lie in a rack's row, or wait with their riders."""
    plan, rng = site.plan, site.rng
    for _ in range(rng.integers(4, 13)):
        s = rng.uniform(EGO_START_S_M - 30, EGO_END_S_M + 40)
        near_wall = rng.random() < 0.5
        d = plan.walk_end_m(sign) - 0.4 if near_wall else plan.edge_m(sign) + rng.uniform(0.4, 1.0)
        number = int(rng.choice([1, 2, 4], p=[0.5, 0.25, 0.25]))
        if not (site.clear_of_arms(s, sign, 1.5) and site.claim(s, sign * d, 0.4 + 0.3 * number, 0.5)):
            continue
        for place in range(number):
            bike = site.some(bicycle if rng.random() < 0.72 else motorcycle, bool(rng.random() < 0.3))
            turn = np.pi / 2 if number > 1 else rng.choice([0.0, np.pi])
            at = s + 0.6 * (place - (number - 1) / 2)
            site.put(leaning(bike, rng.uniform(-0.25, 0.25)), at, sign * d, turn + rng.normal(0, 0.15))


def posts(site: WideSite, sign: int) -> None:
    """Lamps or wooden poles, signs, bins, and here and there cones or barriers."""
    plan, rng = site.plan, site.rng
    d = sign * (plan.edge_m(sign) + 0.4)
    make = power_pole if rng.random() < 0.3 else street_lamp
    for s in np.arange(rng.uniform(4, 20), plan.length_m, rng.uniform(22, 45)):
        if site.clear_of_arms(s, sign, 2.0) and site.claim(s, d, 0.25, 0.25):
            site.put(site.some(make), s, d, 0.0 if sign < 0 else np.pi)
    for _ in range(rng.integers(3, 12)):
        s = rng.uniform(4, plan.length_m - 4)
        if site.clear_of_arms(s, sign, 1.0) and site.claim(s, d, 0.4, 0.4):
            site.put(site.some(traffic_sign if rng.random() < 0.6 else clutter), s, d, 0.0 if sign < 0 else np.pi)
    for make_small in (traffic_cone, barrier):
        if rng.random() < 0.35:
            first = rng.uniform(EGO_START_S_M, EGO_END_S_M)
            for s in np.arange(first, first + rng.uniform(4, 16), 2.3):
                if site.claim(s, d, 1.1, 0.4):
                    site.put(site.some(make_small), s, d)


def verge(site: WideSite, sign: int) -> None:
    """Grass of the strip beside the road and trees in it."""
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    edge = plan.edge_m(sign)
    low = rng.uniform(0.04, 0.2)
    if side.verge_m > 0:
        for s in np.arange(2.0, plan.length_m - 12, 10.0):
            if site.clear_of_arms(s + 5, sign, 7.0):
                site.meshes.append(
                    grass(rng, plan, (s, s + 10.0), (sign * (edge + 0.1), sign * (edge + side.verge_m - 0.1)), low)
                )
    if side.verge_m > 0.9 or (side.walk_m > 2.5 and rng.random() < 0.4):
        d = edge + (side.verge_m / 2 if side.verge_m > 0.9 else 0.7)
        for s in np.arange(rng.uniform(3, 9), plan.length_m, rng.uniform(6, 18)):
            if rng.random() < 0.75 and site.clear_of_arms(s, sign, 4.0) and site.claim(s, sign * d, 0.4, 0.4):
                site.grow(tree, s, sign * d, (0.5, 1.1), 90)


def wilderness(site: WideSite, sign: int, from_d_m: float, density: float) -> None:
    """Meadow, tall grass, bushes and trees from a distance outwards; `density` in plants for 100 m of street."""
    plan, rng = site.plan, site.rng
    for s in np.arange(2.0, plan.length_m - 12, 12.0):
        if not site.clear_of_arms(s + 6, sign, 8.0):
            continue
        d0, width = from_d_m, rng.uniform(4, 14)
        site.meshes.append(grass(rng, plan, (s, s + 12), (sign * d0, sign * (d0 + width)), rng.uniform(0.05, 0.2)))
        if rng.random() < 0.4:
            height = rng.uniform(0.35, 1.1)
            first = d0 + rng.uniform(0.0, 5.0)
            site.meshes.append(
                grass(rng, plan, (s, s + 12), (sign * first, sign * (first + rng.uniform(1, 5))), height)
            )
    for _ in range(int(density * plan.length_m / 100)):
        s, d = rng.uniform(2, plan.length_m - 2), from_d_m + 0.5 + abs(rng.normal(0, 20))
        if d < 74 and site.clear_of_arms(s, sign, 4.0) and site.claim(s, sign * d, 0.7, 0.7):
            if rng.random() < 0.55:
                site.grow(tree, s, sign * d, (0.5, 1.5), 90)
            else:
                site.grow(bush if rng.random() < 0.7 else tall_grass, s, sign * d, (0.5, 1.8))
