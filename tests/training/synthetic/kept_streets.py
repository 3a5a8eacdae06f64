"""Streets and their rays, built once for all tests: that takes seconds."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS, LidarSpec
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.streets.layout import World, build_world

SMALL = replace(LIDARS["hdl32"], azimuth_steps=180)
PERFECT = replace(SMALL, range_sigma_m=0.0, loss=0.0)


@cache
def world(seed: int) -> World:
    return build_world(seed)


@cache
def scene(seed: int) -> Scene:
    return Scene(world(seed))


@cache
def scene_standing_still(seed: int) -> Scene:
    return Scene(replace(world(seed), ego_speed_m_s=0.0, actors=()))


def small_sweep(seed: int, time_s: float = 1.0, spec: LidarSpec = SMALL):
    return sweep(scene(seed), spec, time_s, 7, np.random.default_rng(0))
