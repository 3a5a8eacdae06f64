"""What stands beside highways and country roads: rails, walls, gantries, bridges, single houses."""

import numpy as np

from offline_training.synthetic.objects.buildings import building, hall
from offline_training.synthetic.objects.furniture import fence
from offline_training.synthetic.objects.traffic_furniture import traffic_sign
from offline_training.synthetic.streets.site import EGO_END_S_M, EGO_START_S_M
from offline_training.synthetic.wide.objects import bridge, guard_rail, long_wall, sign_gantry
from offline_training.synthetic.wide.roadside import wilderness
from offline_training.synthetic.wide.site import WideSite


def highway_sides(site: WideSite) -> None:
    """Rails in the middle and outside, noise barriers on some stretches, what spans the road, and the slopes."""
    plan, rng = site.plan, site.rng
    span = max(plan.edge_m(1), plan.edge_m(-1)) + 1.5
    lines = [(0.0, 1.0)] if plan.median_m < 3 else [(-0.7, 1.0), (0.7, 1.0)]
    lines += [(sign * (plan.edge_m(sign) + 0.7), rng.uniform(0.0, 1.0)) for sign in (1, -1)]
    for d, share in lines:
        for s in np.arange(4.0, plan.length_m - 4, 4.0):
            if share > 0.95 or np.sin(s / 40.0 + d) < 2 * share - 1:
                site.put(guard_rail(4.0), s, d)
    for sign in (1, -1):
        far = plan.edge_m(sign) + plan.side(sign).verge_m + 1.0
        if rng.random() < 0.35:
            barrier, height = far + rng.uniform(0.0, 3.0), rng.uniform(2.0, 5.0)
            for s in np.arange(rng.uniform(4, 120), plan.length_m - 4, 4.0):
                site.put(long_wall(rng, 4.0, height), s, sign * barrier)
        for s in np.arange(rng.uniform(10, 50), plan.length_m, 50.0):
            site.put(site.some(traffic_sign), s, sign * (plan.edge_m(sign) + 1.1), 0.0 if sign < 0 else np.pi)
        wilderness(site, sign, plan.edge_m(sign) + 0.6, rng.uniform(8, 70))
        _houses(site, sign, 0.3)
    if rng.random() < 0.35:
        site.put(bridge(span), rng.uniform(EGO_START_S_M + 15, EGO_END_S_M + 40), 0.0, level=0.0)
    if rng.random() < 0.6:
        site.put(sign_gantry(span), rng.uniform(EGO_START_S_M, EGO_END_S_M + 50), 0.0, level=0.0)


def country_sides(site: WideSite) -> None:
    """Fields or woods, a fence or a rail here and there, and a house now and then."""
    plan, rng = site.plan, site.rng
    for sign in (1, -1):
        start = plan.walk_end_m(sign)
        _houses(site, sign, 0.5)
        wilderness(site, sign, start + 0.3, rng.choice([rng.uniform(5, 30), rng.uniform(60, 150)]))
        if rng.random() < 0.4:
            make_rail = rng.random() < 0.5
            for s in np.arange(rng.uniform(4, 150), plan.length_m - 4, 4.0):
                if site.clear_of_arms(s + 2, sign, 4.0):
                    site.put(guard_rail(4.0) if make_rail else site.some(fence, 4.0), s, sign * (start + 0.5))


def _houses(site: WideSite, sign: int, share: float) -> None:
    plan, rng = site.plan, site.rng
    for s in np.arange(rng.uniform(10, 40), plan.length_m - 20, rng.uniform(25, 60)):
        front = plan.walk_end_m(sign) + rng.uniform(8, 30)
        width, depth = rng.uniform(9, 22), rng.uniform(8, 14)
        free = rng.random() < share and site.clear_of_arms(s, sign, width / 2 + 3)
        if free and site.claim(s, sign * (front + depth / 2), width / 2, depth / 2):
            mesh = (
                hall(rng, width, depth)
                if rng.random() < 0.3
                else building(rng, width, depth, int(rng.integers(1, 4)), True)
            )
            site.put(mesh, s, sign * front, 0.0 if sign > 0 else np.pi)
