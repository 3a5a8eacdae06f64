"""What moves on the synthetic street: vehicles in their lanes, cyclists, and people on foot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline_training.synthetic.objects.construction_vehicles import construction_vehicle
from offline_training.synthetic.objects.heavy_vehicles import bus, trailer, truck
from offline_training.synthetic.objects.people import bicycle, motorcycle, pedestrian
from offline_training.synthetic.objects.vehicles import car
from offline_training.synthetic.streets.site import EGO_START_S_M
from offline_training.synthetic.streets.street import StreetPlan
from offline_training.synthetic.world.meshes import Mesh


@dataclass(frozen=True)
class Actor:
    """A mesh that moves at constant speed in street coordinates; at the street's end it comes back at the start."""

    mesh: Mesh
    s_m: float  # at time 0
    d_m: float
    speed_s_m_s: float
    speed_d_m_s: float
    yaw_rad: float  # against the street
    level_m: float


def actor_poses(plan: StreetPlan, actors: Sequence[Actor], time_s: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (A, 3) and rotations (A, 3, 3) of all actors at that time, or each at its own (A,)."""
    rows = np.array([(a.s_m, a.d_m, a.speed_s_m_s, a.speed_d_m_s, a.yaw_rad, a.level_m) for a in actors]).reshape(-1, 6)
    s = (rows[:, 0] + rows[:, 2] * time_s) % plan.length_m
    return plan.poses(s, rows[:, 1] + rows[:, 3] * time_s, rows[:, 4], rows[:, 5], tilt=True)


def moving_actors(
    plan: StreetPlan, rng: np.random.Generator, ego_lane: int, ego_speed: float, closed: tuple[int, int] | None
) -> tuple[Actor, ...]:
    """Traffic of every lane but the closed one, with one speed per lane so that nobody runs into another."""
    actors: list[Actor] = []
    for sign in (1, -1):
        for lane in range(plan.side(sign).lanes):
            if closed == (sign, lane):
                continue
            own = sign < 0 and lane == ego_lane
            speed = ego_speed if own else rng.uniform(3.0, 13.0) if rng.random() < 0.85 else 0.0
            actors += _lane(plan, rng, sign, lane, speed, own)
        actors += _walkers(plan, rng, sign)
    for _ in range(rng.integers(0, 4)):
        actors += _road_crossers(plan, rng)
    return tuple(actors)


def _lane(plan: StreetPlan, rng: np.random.Generator, sign: int, lane: int, speed: float, own: bool) -> list[Actor]:
    actors = []
    d, yaw = plan.lane_d_m(sign, lane), 0.0 if sign < 0 else np.pi
    s = rng.uniform(3, 25)
    while s < plan.length_m - 10:
        kind = rng.choice(
            ["car", "truck", "bus", "motorcycle", "bicycle", "semi", "machine"],
            p=[0.54, 0.09, 0.1, 0.1, 0.1, 0.05, 0.02],
        )
        length = {
            "car": 5.0,
            "truck": 10.0,
            "bus": 17.0,
            "motorcycle": 2.2,
            "bicycle": 1.9,
            "semi": 20.0,
            "machine": 9.0,
        }[kind]
        middle = s + length / 2
        if not (own and abs(middle - EGO_START_S_M) < length / 2 + 9.0):
            shift = rng.normal(0, 0.12) if kind not in ("bicycle", "motorcycle") else sign * rng.uniform(0.2, 0.9)
            for mesh, offset in _vehicles(rng, kind):
                along = middle + (offset if sign < 0 else -offset)
                actors.append(Actor(mesh, along, d + shift, speed if sign < 0 else -speed, 0.0, yaw, 0.0))
        s += length + rng.uniform(3.0, 6.0 + 3.2 * max(speed, 2.0))
    return actors


def _vehicles(rng: np.random.Generator, kind: str) -> list[tuple[Mesh, float]]:
    """The meshes of a vehicle with their places along it."""
    if kind == "motorcycle":
        return [(motorcycle(rng, True), 0.0)]
    if kind == "bicycle":
        return [(bicycle(rng, True), 0.0)]
    if kind == "semi":
        return [(truck(rng), 6.0), (trailer(rng), -5.8)]
    return [({"car": car, "truck": truck, "bus": bus, "machine": construction_vehicle}[kind](rng), 0.0)]


def _walkers(plan: StreetPlan, rng: np.random.Generator, sign: int) -> list[Actor]:
    side = plan.side(sign)
    actors = []
    if side.walk_m > 0:
        for _ in range(rng.integers(4, 16)):
            way = rng.choice([-1, 1])
            d = sign * (plan.edge_m(sign) + side.verge_m + rng.uniform(0.5, max(0.6, side.walk_m - 0.5)))
            actors.append(
                Actor(
                    pedestrian(rng, True),
                    rng.uniform(5, plan.length_m - 5),
                    d,
                    way * rng.uniform(0.8, 1.7),
                    0.0,
                    0.0 if way > 0 else np.pi,
                    plan.kerb_m,
                )
            )
    return actors


def _road_crossers(plan: StreetPlan, rng: np.random.Generator) -> list[Actor]:
    if not plan.crossings:
        return []
    crossing = plan.crossings[rng.integers(len(plan.crossings))]
    s = crossing.s_m + rng.choice([-1, 1]) * (crossing.half_width_m + 2.8) + rng.uniform(-0.8, 0.8)
    way = rng.choice([-1, 1])
    d = rng.uniform(-plan.edge_m(-1), plan.edge_m(1))
    return [Actor(pedestrian(rng, True), s, d, 0.0, way * rng.uniform(0.05, 0.3), way * np.pi / 2, 0.0)]
