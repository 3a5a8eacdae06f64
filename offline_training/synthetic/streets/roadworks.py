"""Road works, and things a random street may lack, where the ego vehicle passes them."""

from collections.abc import Callable

import numpy as np

from offline_training.synthetic.objects.construction_vehicles import construction_vehicle
from offline_training.synthetic.objects.heavy_vehicles import bus, trailer, truck
from offline_training.synthetic.objects.people import bicycle, motorcycle, pedestrian
from offline_training.synthetic.objects.traffic_furniture import barrier, traffic_cone
from offline_training.synthetic.streets.site import EGO_END_S_M, EGO_START_S_M, Site
from offline_training.synthetic.world.meshes import Mesh, merged, yaw_rotation


def work_zone(site: Site) -> tuple[int, int] | None:
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
    site.taken.append((s0, s0 + length, min(sign * inner, sign * outer), max(sign * inner, sign * outer)))
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


def seldom_seen(site: Site) -> None:
    """What a random street may lack is put where the ego vehicle passes, so that nearly every drive has every class."""
    rng = site.rng
    large = [(trailer, 6.8, 1.3)] * int(rng.integers(1, 3)) + [
        (construction_vehicle, 4.6, 1.35),
        (truck, 5.3, 1.3),
        (bus, 8.8, 1.3),
    ]
    for make, half_s, half_d in large:
        _place_near(site, make, half_s, half_d)
    for _ in range(rng.integers(2, 5)):
        _place_near(
            site,
            lambda rng: merged(
                [
                    motorcycle(rng, False).placed((0, 0.9 * i - 0.9, 0), yaw_rotation(rng.normal(0, 0.1)))
                    for i in range(3)
                ]
            ),
            1.2,
            1.5,
        )
    for _ in range(rng.integers(1, 4)):
        _place_near(
            site,
            lambda rng: merged(
                [bicycle(rng, False).placed((0, 0.6 * i - 0.6, 0), yaw_rotation(rng.normal(0, 0.1))) for i in range(3)]
            ),
            1.0,
            1.1,
        )
    for _ in range(rng.integers(2, 5)):
        _place_near(site, _cone_group, 2.2, 0.7)
    for _ in range(rng.integers(1, 4)):
        _place_near(site, _barrier_row, 4.4, 0.4)


def _cone_group(rng: np.random.Generator) -> Mesh:
    return merged(
        [
            traffic_cone(rng).placed((x, rng.normal(0, 0.25), 0), np.eye(3))
            for x in np.arange(-2.0, 2.1, rng.uniform(0.8, 1.9))
        ]
    )


def _barrier_row(rng: np.random.Generator) -> Mesh:
    piece = barrier(rng)
    return merged([piece.placed((x, 0, 0), yaw_rotation(rng.normal(0, 0.04))) for x in (-3.3, -1.1, 1.1, 3.3)])


def _place_near(site: Site, make: Callable[[np.random.Generator], Mesh], half_s: float, half_d: float) -> None:
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
