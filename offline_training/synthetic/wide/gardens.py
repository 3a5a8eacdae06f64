"""Properties along a residential street: houses, garages, driveways, what bounds the gardens and grows in them."""

import numpy as np

from offline_training.synthetic.objects.buildings import building
from offline_training.synthetic.objects.furniture import clutter, fence
from offline_training.synthetic.objects.plants import bush, hedge, tree
from offline_training.synthetic.objects.vehicles import car
from offline_training.synthetic.wide.objects import garage, grass, ground_patch, long_wall, tall_hedge
from offline_training.synthetic.wide.site import WideSite
from offline_training.synthetic.world.meshes import Mesh


def properties(site: WideSite, sign: int) -> None:
    """One property after the other on one side."""
    plan, rng, side = site.plan, site.rng, site.plan.side(sign)
    border = str(rng.choice(["hedge", "tall hedge", "fence", "wall", "open"]))
    green = rng.uniform(0.3, 1.7)  # how much the gardens of this side are planted
    s = 3.0
    while s < plan.length_m - 16:
        length = float(rng.uniform(10, 22))
        if site.clear_of_arms(s + length / 2, sign, length / 2 + 2.0):
            if rng.random() < 0.5:
                border = str(rng.choice(["hedge", "tall hedge", "fence", "wall", "open"]))
            drive = s + float(rng.uniform(1.5, 3.0))
            _house(site, sign, s + 3.5, length - 4.0, side.yard_m)
            _driveway(site, sign, drive)
            _border(site, sign, border, (s, drive - 1.4))
            _border(site, sign, border, (drive + 1.4, s + length - 0.3))
            _between(site, sign, s + length - 0.2)
            _planted(site, sign, (s, s + length), green)
            s += length
        else:
            s += 3.0


def _house(site: WideSite, sign: int, s0: float, room_m: float, yard_m: float) -> None:
    plan, rng = site.plan, site.rng
    width, depth = min(room_m, rng.uniform(7, 14)), rng.uniform(7, 11)
    front = plan.walk_end_m(sign) + yard_m + rng.uniform(0, 3)
    middle = s0 + room_m / 2
    if width > 5 and site.claim(middle, sign * (front + depth / 2), width / 2, depth / 2):
        mesh = building(rng, width, depth, int(rng.integers(1, 4)), rng.random() < 0.85)
        site.put(mesh, middle, sign * front, 0.0 if sign > 0 else np.pi)


def _driveway(site: WideSite, sign: int, s: float) -> None:
    plan, rng = site.plan, site.rng
    start = plan.walk_end_m(sign)
    end = start + site.plan.side(sign).yard_m + rng.uniform(0, 4)
    site.meshes.append(ground_patch(plan, (s - 1.4, s + 1.4), (sign * start, sign * end), plan.kerb_m))
    if end - start > 5.6 and rng.random() < 0.45 and site.claim(s, sign * (start + 2.9), 1.0, 2.5):
        site.put(site.some(car), s, sign * (start + 2.9), rng.choice([-1, 1]) * np.pi / 2, tilt=True)
    if rng.random() < 0.5 and site.claim(s, sign * (end + 3.0), 1.6, 3.0):
        site.put(site.some(garage, 3.2), s, sign * end, 0.0 if sign > 0 else np.pi)
    if rng.random() < 0.4 and site.claim(s + 1.9, sign * (start + 0.7), 0.4, 0.4):
        site.put(site.some(clutter), s + 1.9, sign * (start + 0.7), rng.uniform(0, 6.3))


def _border(site: WideSite, sign: int, kind: str, s_m: tuple[float, float]) -> None:
    rng, d = site.rng, sign * (site.plan.walk_end_m(sign) + 0.45)
    s = s_m[0]
    while s_m[1] - s > 1.0:  # in short pieces, so that it follows slopes and bends
        length = min(float(rng.uniform(2.5, 5.0)), s_m[1] - s)
        if kind != "open" and site.claim(s + length / 2, d, length / 2, 0.35):
            site.put(_piece(rng, kind, length), s, d)
        s += length


def _piece(rng: np.random.Generator, kind: str, length_m: float) -> Mesh:
    if kind == "hedge":
        return hedge(rng, length_m)
    if kind == "tall hedge":
        return tall_hedge(rng, length_m)
    return fence(rng, length_m) if kind == "fence" else long_wall(rng, length_m, rng.uniform(0.4, 1.8))


def _between(site: WideSite, sign: int, s: float) -> None:
    """What parts two gardens, from the sidewalk away from the road."""
    rng = site.rng
    kind = str(rng.choice(["hedge", "tall hedge", "fence", "wall", "open"]))
    if kind == "open":
        return
    for d in np.arange(site.plan.walk_end_m(sign) + 1.2, site.plan.walk_end_m(sign) + rng.uniform(10, 40), 4.0):
        if site.claim(s, sign * (d + 2.0), 0.3, 2.0):
            site.put(_piece(rng, kind, 4.0), s, sign * d, sign * np.pi / 2)


def _planted(site: WideSite, sign: int, s_m: tuple[float, float], green: float) -> None:
    plan, rng, yard = site.plan, site.rng, site.plan.side(sign).yard_m
    start = plan.walk_end_m(sign)
    site.meshes.append(grass(rng, plan, s_m, (sign * (start + 0.2), sign * (start + yard + 6)), rng.uniform(0.05, 0.2)))
    for _ in range(int(green * rng.integers(1, 9))):
        s, d = rng.uniform(*s_m), start + rng.uniform(0.8, yard + 2)
        if site.claim(s, sign * d, 0.6, 0.6):
            site.grow(bush, s, sign * d, (0.5, 1.9))
    for _ in range(int(green * rng.integers(1, 9))):
        s, d = rng.uniform(*s_m), start + min(rng.uniform(1.0, 45), rng.uniform(1.0, 45))
        if site.claim(s, sign * d, 0.9, 0.9):
            site.grow(tree, s, sign * d, (0.45, 1.3), 90)
