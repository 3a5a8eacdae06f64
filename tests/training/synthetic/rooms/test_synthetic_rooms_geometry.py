"""Synthetic rooms as they are built and rendered: nothing intersects, rays hit what they must, kinds of room differ."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.words.vocabulary import load_vocabulary

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.synthetic.rooms.camera import RoomScene, take_picture, walk
from offline_training.synthetic.rooms.cloud import VOXEL_M, fused_cloud, measured_depth
from offline_training.synthetic.rooms.layout import build_room
from offline_training.synthetic.rooms.plan import KINDS
from offline_training.synthetic.rooms.shot import RoomPicture, RoomShot, room_camera
from offline_training.synthetic.sensors.scene import Part
from offline_training.synthetic.world.meshes import Mesh
from tests.training.synthetic.rooms.kept_rooms import room

SYNTHETIC_ROOMS = class_table("synthetic_rooms")

SEEDS = range(100, 124)
ID = {name: number for number, name in enumerate(SYNTHETIC_ROOMS.names)}


def classes_of(seed: int) -> set[str]:
    ids = np.unique(np.concatenate([mesh.class_id for mesh in room(seed).things]))
    return {SYNTHETIC_ROOMS.names[k] for k in ids if k != 255}


def test_furniture_stays_in_the_room_and_on_or_above_its_floor():
    for seed in SEEDS:
        half = room(seed).size_m[:2] / 2
        for mesh in room(seed).furniture:
            low, high = mesh.corners_m.min(axis=(0, 1)), mesh.corners_m.max(axis=(0, 1))
            assert (low[:2] > -half).all()
            assert (high[:2] < half).all()
            assert low[2] > -0.001
            assert high[2] < room(seed).size_m[2]


def crosses(one: Mesh, other: Part) -> bool:
    """Whether an edge of one mesh goes through a face of the other, farther than 5 mm from the edge's ends."""
    start = one.corners_m.reshape(-1, 3)
    edge = np.roll(one.corners_m, -1, axis=1).reshape(-1, 3) - start
    length = np.linalg.norm(edge, axis=1)
    start, edge, length = start[length > 0.02], edge[length > 0.02], length[length > 0.02]
    found = other.first((start + 0.005 * edge / length[:, None]).copy(), edge / length[:, None], 10.0)
    return bool(((found["primID"] >= 0) & (found["tfar"] < length - 0.01)).any())


def test_things_do_not_go_through_each_other_but_for_people_on_their_seats():
    for seed in list(SEEDS)[:10]:
        things = [mesh for mesh in room(seed).furniture if mesh.class_id[0] != ID["person"]]
        parts = [Part(mesh) for mesh in things]
        for i, one in enumerate(things):
            for j, part in enumerate(parts):
                assert i == j or not crosses(one, part), f"seed {seed}: {one.class_id[0]} and {things[j].class_id[0]}"


def test_every_thing_is_of_one_class_and_numbers_of_things_fit_into_eight_bits():
    for seed in SEEDS:
        assert len(room(seed).things) < 256
        assert all(len(set(mesh.class_id.tolist())) == 1 for mesh in room(seed).things)


def test_kinds_of_room_have_classes_of_their_own_and_share_others():
    of_kind: dict[str, list[set[str]]] = {kind: [] for kind in KINDS}
    for seed in range(100, 160):
        of_kind[room(seed).kind].append(classes_of(seed))
    assert all(len(found) >= 3 for found in of_kind.values())
    for kind, name in (
        ("living", "sofa"),
        ("lounge", "sofa"),
        ("bedroom", "bed"),
        ("kitchen", "cabinet"),
        ("office", "table"),
    ):
        assert np.mean([name in found for found in of_kind[kind]]) > 0.8, kind  # in small rooms it may find no place
    assert not any("bed" in found for kind in KINDS if kind != "bedroom" for found in of_kind[kind])
    lists = {frozenset(found) for found_of_kind in of_kind.values() for found in found_of_kind}
    assert len(lists) > 20
    assert all(5 <= len(found) <= 13 for found in lists)
    for name in SYNTHETIC_ROOMS.names[5:]:
        share = np.mean([name in classes_of(seed) for seed in range(100, 160)])
        assert 0.1 < share < 0.9, name


def test_a_color_does_not_tell_the_class():
    colors = {name: [] for name in ("chair", "sofa", "cabinet", "table")}
    for seed in range(100, 160):
        for mesh in room(seed).furniture:
            name = SYNTHETIC_ROOMS.names[mesh.class_id[0]] if mesh.class_id[0] != 255 else ""
            if name in colors:
                colors[name].append(np.median(mesh.color_rgb, axis=0))
    for name, found in colors.items():
        others = np.concatenate([colors[other] for other in colors if other != name])
        nearest = np.linalg.norm(np.array(found)[:, None] - others, axis=2).min(axis=1)
        assert np.median(nearest) < 25, name
        assert np.array(found).std(axis=0).min() > 20, name


def test_a_seed_gives_one_room_and_seeds_give_different_ones():
    again = build_room(103)
    assert_array_equal(again.size_m, room(103).size_m)
    assert all((a.corners_m == b.corners_m).all() for a, b in zip(again.things, room(103).things, strict=True))
    assert len({tuple(room(seed).size_m) for seed in SEEDS}) == len(SEEDS)


@cache
def scene() -> RoomScene:
    return RoomScene(room(106))


@cache
def shots() -> tuple[RoomShot, ...]:
    rng, camera = np.random.default_rng(0), room_camera(48)
    taken = []
    for T_room_cam in walk(scene(), 5, np.random.default_rng(1)):
        picture = take_picture(scene(), camera, T_room_cam, rng)
        taken.append(RoomShot(picture, measured_depth(picture, noise=True, rng=rng), T_room_cam))
    return tuple(taken)


def slow_first_hit(mesh: Mesh, origin: np.ndarray, direction: np.ndarray) -> tuple[float, int]:
    """Distance and face of the first triangle a ray meets: Moeller and Trumbore's test of all of them."""
    a, b, c = mesh.corners_m.astype(np.float64).transpose(1, 0, 2)
    across = np.cross(direction, c - a)
    det = np.einsum("ij,ij->i", b - a, across)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = origin - a
        u = np.einsum("ij,ij->i", s, across) / det
        q = np.cross(s, b - a)
        v = q @ direction / det
        t = np.einsum("ij,ij->i", c - a, q) / det
        t[~((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6))] = np.inf
    return float(np.nanmin(t)), int(np.nanargmin(t))


def test_depth_and_class_are_those_of_the_first_triangle_on_the_way():
    camera, rng = room_camera(48), np.random.default_rng(3)
    for shot in shots():
        pixels = np.stack([rng.integers(48, size=12), rng.integers(36, size=12)], axis=1)
        rays = camera.unproject(pixels, np.ones(12)) @ shot.T_room_cam.rotation.T
        for (u, v), ray in zip(pixels, rays, strict=True):
            depth_m, face = slow_first_hit(scene().part.mesh, shot.T_room_cam.translation_m, ray)
            assert_allclose(shot.picture.depth_m[v, u], depth_m, atol=2e-3)
            if shot.picture.instance[v, u] != scene().instance_of_face[face]:
                # Two faces at one depth: the rim of a thing may fall to either.
                assert shot.picture.slant[v, u] < 0.999
            else:
                assert shot.picture.class_id[v, u] == scene().part.mesh.class_id[face]


def test_pictures_are_lit_and_noise_is_small():
    for shot in shots():
        rgb = shot.picture.rgb
        assert 60 < np.median(rgb) < 210
        assert rgb.std() > 8
        assert (rgb.min(axis=2) < 252).mean() > 0.6  # what is not overexposed


def test_the_walk_goes_through_free_space_and_looks_about():
    poses = list(walk(scene(), 16, np.random.default_rng(5)))
    places = np.array([pose.translation_m for pose in poses])
    assert (np.abs(places[:, :2]) < scene().room.size_m[:2] / 2 - 0.3).all()
    assert ((places[:, 2] > 1.2) & (places[:, 2] < 1.75)).all()
    forward = np.array([pose.rotation[:, 2] for pose in poses])
    heading = np.sort(np.arctan2(forward[:, 1], forward[:, 0]))
    assert np.diff(np.append(heading, heading[0] + 2 * np.pi)).max() < np.pi
    assert np.linalg.norm(np.ptp(places[:, :2], axis=0)) > 0.8


def flat_picture(depth_m: float, slant: float) -> RoomPicture:
    shape = (120, 160)
    return RoomPicture(
        np.full((*shape, 3), 90, np.uint8), np.full(shape, depth_m, np.float32), np.zeros(shape, np.uint8),
        np.ones(shape, np.uint16), np.full(shape, slant, np.float32),
    )  # fmt: skip


@pytest.mark.parametrize("depth_m", [0.8, 2.0, 4.0])
def test_measured_depth_has_the_noise_of_a_depth_camera(depth_m):
    measured = measured_depth(flat_picture(depth_m, 0.9), True, np.random.default_rng(0))
    assert_allclose(measured.std(), 0.0012 + 0.0019 * (depth_m - 0.4) ** 2, rtol=0.05, atol=2e-4)
    assert_allclose(measured.mean(), depth_m, atol=5e-4)
    assert_allclose(1000 * measured, np.round(1000 * measured), atol=1e-3)


@pytest.mark.parametrize(("depth_m", "slant"), [(6.5, 0.9), (2.0, 0.05)])
def test_a_depth_camera_answers_nothing_far_off_and_along_surfaces(depth_m, slant):
    assert not measured_depth(flat_picture(depth_m, slant), True, np.random.default_rng(0)).any()
    assert_allclose(measured_depth(flat_picture(depth_m, slant), False, np.random.default_rng(0)), depth_m, atol=1e-3)


def slow_fusion(taken: tuple[RoomShot, ...]) -> dict[tuple[int, ...], tuple[float, tuple[int, ...], int, int]]:
    """For each voxel its nearest point's depth, colour, class and instance."""
    found: dict[tuple[int, ...], list] = {}
    camera = room_camera(48)
    for shot in taken:
        for v, u in np.argwhere((shot.measured_depth_m > 0) & (shot.measured_depth_m < 4.0)):
            depth_m = shot.measured_depth_m[v, u]
            xyz_m = shot.T_room_cam.apply(camera.unproject(np.array([[u, v]]), np.array([depth_m])))[0]
            seen = (depth_m, tuple(shot.picture.rgb[v, u]), shot.picture.class_id[v, u], shot.picture.instance[v, u])
            found.setdefault(tuple(np.floor(xyz_m / VOXEL_M).astype(int)), []).append(seen)
    return {voxel: min(seen, key=lambda entry: entry[0]) for voxel, seen in found.items()}


def test_fusion_keeps_of_each_voxel_the_point_seen_from_nearest():
    cloud, expected = fused_cloud(shots()), slow_fusion(shots())
    assert len(cloud.xyz_m) == len(expected)
    same = 0
    for row, xyz_m in enumerate(cloud.xyz_m.astype(np.float64)):
        seen = expected.get(tuple(np.floor(xyz_m / VOXEL_M).astype(int)))
        same += seen is not None and seen[1:] == (
            tuple(cloud.rgb[row]), cloud.class_id[row], cloud.instance[row],
        )  # fmt: skip
    assert same / len(expected) > 0.99  # float32 moves a point on a voxel's border, equal depths may be either


def test_fusing_in_another_frame_of_shots_keeps_labels_with_their_points():
    cloud = fused_cloud(shots())
    mesh, instance_of_face = scene().part.mesh, scene().instance_of_face
    class_of_instance = {int(k): int(mesh.class_id[instance_of_face == k][0]) for k in np.unique(cloud.instance)}
    assert [class_of_instance[int(k)] for k in cloud.instance] == cloud.class_id.tolist()


def test_no_shot_that_measures_leaves_an_empty_cloud():
    nothing = RoomShot(flat_picture(2.0, 0.9), np.zeros((120, 160), np.float32), RigidTransform.identity())
    assert len(fused_cloud([nothing]).xyz_m) == 0


def test_the_vocabulary_asks_for_the_classes_of_the_table():
    vocabulary = load_vocabulary("synthetic_rooms")
    assert vocabulary.class_table == SYNTHETIC_ROOMS
    assert not vocabulary.is_sink.any()
    assert {"couch", "stool", "desk", "human"} <= set(vocabulary.prompts)
