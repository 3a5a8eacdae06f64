"""Furnishes the sides of a synthetic street: parked cars, bus stops, lamps, signs, gardens, trees, people standing."""

import numpy as np

from offline_training.synthetic.objects.construction_vehicles import construction_vehicle
from offline_training.synthetic.objects.furniture import bus_shelter, clutter, fence, power_pole, street_lamp
from offline_training.synthetic.objects.heavy_vehicles import bus, trailer, truck
from offline_training.synthetic.objects.people import bicycle, motorcycle, pedestrian
from offline_training.synthetic.objects.plants import bush, hedge, tall_grass, tree
from offline_training.synthetic.objects.traffic_furniture import traffic_light, traffic_sign
from offline_training.synthetic.objects.vehicles import car
from offline_training.synthetic.streets.ground import block_edges
from offline_training.synthetic.streets.site import EGO_END_S_M, EGO_START_S_M, Site
from offline_training.synthetic.world.materials import DRIVEABLE_SURFACE
from offline_training.synthetic.world.meshes import Mesh


def furnish_side(site: Site, sign: int, yard_class: np.ndarray) -> None:
    """All that stands beside the road on one side. yard_class and its shape: see ground_mesh. Its shape, too."""
    _parked(site, sign)
    _bus_stop(site, sign)
    _street_furniture(site, sign)
    _yard(site, sign, yard_class)
    _plants(site, sign)
    _people_standing(site, sign)


def _parked(site: Site, sign: int) -> None:
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
            mesh = (
                {"car": car, "truck": truck, "trailer": trailer, "bus": bus}[kind](rng)
                if kind != "motorcycle"
                else motorcycle(rng, False)
            )
            site.put(mesh, s, d + rng.normal(0, 0.08), yaw, tilt=True, level=0.0)
        s += half + rng.uniform(0.3, 1.2)


def _bus_stop(site: Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    if side.walk_m < 2.4 or rng.random() < 0.3:
        return
    for _ in range(12):
        s = rng.uniform(EGO_START_S_M - 30, EGO_END_S_M + 30)
        d = sign * (plan.walk_end_m(sign) - 0.9)
        if site.clear_of_arms(s, sign, 12.0) and site.claim(s, d, 2.4, 0.9):
            site.put(bus_shelter(), s, d, 0.0 if sign < 0 else np.pi)
            for _ in range(rng.integers(1, 5)):
                site.put(
                    pedestrian(rng, False),
                    s + rng.uniform(-3, 3),
                    d - sign * rng.uniform(0.6, 1.2),
                    rng.uniform(0, 6.3),
                )
            return


def _street_furniture(site: Site, sign: int) -> None:
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


def _yard(site: Site, sign: int, yard_class: np.ndarray) -> None:
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


def _plants(site: Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    kinds, far = [tree(rng) for _ in range(3)], [tree(rng, 40) for _ in range(3)]
    shrubs = [bush(rng) for _ in range(3)] + [tall_grass(rng)]

    def grow(shapes: list[Mesh], s: float, d: float, low: float, high: float) -> None:
        scale = rng.uniform(low, high)
        site.put(
            shapes[rng.integers(len(shapes))].placed((0, 0, 0), np.eye(3) * scale),
            s,
            sign * d,
            rng.uniform(0, 2 * np.pi),
        )

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


def _people_standing(site: Site, sign: int) -> None:
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    if side.walk_m == 0:
        return
    for _ in range(rng.integers(2, 12)):
        s = rng.uniform(EGO_START_S_M - 50, EGO_END_S_M + 60)
        d = plan.edge_m(sign) + side.verge_m + rng.uniform(0.4, side.walk_m - 0.3)
        for number in range(rng.integers(1, 4)):
            if site.claim(s + 0.7 * number, sign * d, 0.3, 0.3):
                site.put(pedestrian(rng, rng.random() < 0.4), s + 0.7 * number, sign * d, rng.uniform(0, 2 * np.pi))
