"""Boxes of synthetic streets: about the points that a sweep has of each thing, made from the seed, kept beside the sweep."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.boxes.points_in_boxes import points_in_boxes
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.boxes.synthetic import SyntheticBoxes
from offline_training.datasets.lidar.synthetic_streets import SyntheticDataset
from offline_training.synthetic.objects.people import bicycle
from offline_training.synthetic.objects.traffic_furniture import barrier
from offline_training.synthetic.objects.vehicles import car
from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.sensors.thing_boxes import boxes_of_things
from offline_training.synthetic.streets.traffic import actor_poses
from offline_training.synthetic.wide.objects import leaning
from offline_training.synthetic.world.materials import BARRIER, BICYCLE, CAR
from offline_training.synthetic.world.meshes import merged, yaw_rotation
from tests.training.synthetic.kept_streets import world

SMALL = replace(LIDARS["hdl32"], azimuth_steps=300)
NUSCENES_10 = class_table("nuscenes10")


def test_a_thing_is_boxed_by_its_own_surfaces_and_turns_with_them():
    rng = np.random.default_rng(0)
    made, turn = car(rng), yaw_rotation(0.7)
    (thing,) = made.placed((3.0, 4.0, 5.0), turn).things
    own = made.corners_m[made.class_id == CAR].reshape(-1, 3)
    assert thing.class_id == CAR
    assert_allclose(thing.size_m, np.ptp(own, axis=0), rtol=1e-6)
    placed = made.placed((3.0, 4.0, 5.0), turn).corners_m[made.class_id == CAR].reshape(-1, 3)
    local = (placed - thing.center_m) @ thing.rotation
    assert (np.abs(local) <= thing.size_m / 2 + 1e-4).all()
    assert [each.class_id for each in merged([made, made, barrier(rng)]).things] == [CAR, CAR, BARRIER]


def test_barriers_head_across_as_those_of_nuscenes_do():
    for seed in range(3):
        (thing,) = barrier(np.random.default_rng(seed)).things
        assert thing.size_m[0] < 0.8 < thing.size_m[1]  # length, width
        assert_allclose(thing.rotation[:, 0], [0.0, 1.0, 0.0])


def test_a_leaning_bicycle_stands_in_an_upright_box():
    upright = bicycle(np.random.default_rng(1), False)
    leant = leaning(upright, 0.25)
    (thing,) = leant.things
    own = leant.corners_m[leant.class_id == BICYCLE].reshape(-1, 3)
    assert_allclose(thing.rotation, np.eye(3))
    assert_allclose(thing.size_m, np.ptp(own, axis=0), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("compensated", [True, False])
def test_points_of_things_lie_in_their_boxes(compensated):
    """But for the seam straight behind, which the beam passes at the sweep's start and at its end."""
    spec = replace(SMALL, motion_compensated=compensated)
    cloud = sweep(Scene(world(1)), spec, 3.0, 0, np.random.default_rng(0))
    things = boxes_of_things(world(1), spec, 3.0)
    label, xyz_m = cloud.extra["label"], cloud.xyz_m
    point, box = points_in_boxes(xyz_m, things.boxes)
    boxed = np.zeros(len(cloud), bool)
    boxed[point[label[point] == things.class_id[box]]] = True
    seam = np.abs(np.arctan2(xyz_m[:, 1], xyz_m[:, 0])) > np.radians(175)
    of_things = np.isin(label, np.unique(things.class_id)) & ~seam
    assert of_things.sum() > 500
    assert boxed[of_things].mean() > 0.995


@pytest.mark.slow
def test_velocities_are_those_of_the_traffic_over_ground():
    things = boxes_of_things(world(1), SMALL, 3.0)
    T_lidar_world = (world(1).ego_pose(3.0) @ SMALL.T_base_lidar()).inverse()
    moved_m, _ = actor_poses(world(1).plan, world(1).actors, 3.01)
    start_m, _ = actor_poses(world(1).plan, world(1).actors, 2.99)
    known = []
    for actor, velocity in zip(world(1).actors, (moved_m - start_m) / 0.02, strict=True):
        place = T_lidar_world.apply(actor_poses(world(1).plan, [actor], 2.95)[0])[0]
        near = np.linalg.norm(things.boxes[:, :2] - place[:2], axis=1)
        if near.min() < 3.0 and np.linalg.norm(velocity) < 60:
            turned = T_lidar_world.rotation @ velocity
            known.append(np.linalg.norm(things.velocity_mps[near.argmin()] - turned[:2]))
    assert len(known) > 5
    assert np.median(known) < 0.1
    speed = np.linalg.norm(things.velocity_mps, axis=1)
    assert (speed == 0).sum() > 50  # what is parked
    way = np.arctan2(things.velocity_mps[:, 1], things.velocity_mps[:, 0])
    assert (np.cos(way - things.boxes[:, 6])[speed > 0.3] > 0.99).all()  # all drive and walk forward


@pytest.mark.slow
def test_sweeps_that_were_kept_before_get_boxes_and_stay_as_they_are(tmp_path, kept_worlds):
    streets = SyntheticDataset([1], 2, tmp_path, SMALL)
    streets.prepare()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    heard: list[int] = []
    SyntheticBoxes(streets).prepare(on_progress=heard.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")} == before
    assert (len(list(tmp_path.glob("*_boxes_v*.npy"))), sum(heard)) == (2, 2)
    next(tmp_path.glob("00001_001_*.npz")).unlink()
    SyntheticBoxes(streets).prepare()  # a lost sweep comes again
    assert len(list(tmp_path.glob("*.npz"))) == 2
    sample = SyntheticBoxes(SyntheticDataset([1], 2, tmp_path, SMALL))[1]
    assert_array_equal(sample.cloud.xyz_m, streets[1].cloud.xyz_m)
    assert (sample.point_count >= 5).all()
    hidden = len(boxes_of_things(world(1), SMALL, 1.2)) - len(sample.boxes)
    assert hidden > 20
    assert len(sample.boxes) > 5
    assert set(sample.boxes.class_id) <= set(range(10))


@pytest.mark.slow
def test_a_damaged_file_of_boxes_is_named(tmp_path, kept_worlds):
    data = SyntheticBoxes(SyntheticDataset([1], 1, tmp_path, SMALL))
    data.prepare()
    path = next(tmp_path.glob("*_boxes_v*.npy"))
    whole = path.read_bytes()
    for content in (b"", b"no array", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BadDataset, match=path.name):
            data[0]
    np.save(path, np.zeros(3))
    with pytest.raises(BadDataset, match="expected kept boxes"):
        data[0]
