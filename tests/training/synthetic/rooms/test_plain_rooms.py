"""Plain rooms: two kinds of thing in each, the same room for a seed, and a data set that is like the synthetic rooms'."""

import numpy as np
import pytest

from lidar_vl_core.classes.known_tables import class_table

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.data_sources import data_source, open_source
from offline_training.synthetic.rooms.plain_rooms import THINGS, build_plain_room

TABLE = class_table("plain_rooms")


def test_the_things_are_the_classes_after_wall_floor_and_ceiling():
    assert TABLE.names == ("wall", "floor", "ceiling", *THINGS)


def test_a_room_holds_things_of_two_kinds_at_most():
    found = set[int]()
    for seed in range(40):
        room = build_plain_room(seed)
        classes = {int(each) for mesh in room.furniture for each in np.unique(mesh.class_id)}
        assert 1 <= len(classes) <= 2
        assert min(classes) > TABLE.id_of("ceiling")
        found |= classes
    assert len(found) > 18


def test_a_seed_is_one_room():
    first, again, other = (build_plain_room(seed) for seed in (3, 3, 4))
    assert all(
        (a.corners_m == b.corners_m).all() and (a.color_rgb == b.color_rgb).all()
        for a, b in zip(first.things, again.things, strict=True)
    )
    assert first.size_m.tolist() != other.size_m.tolist()


def test_things_stand_in_the_room_and_a_kind_keeps_its_tint():
    hues: dict[int, list[np.ndarray]] = {}
    for seed in range(30):
        room = build_plain_room(seed)
        for mesh in room.furniture:
            assert (np.abs(mesh.corners_m[..., :2]) <= room.size_m[:2] / 2 + 0.01).all()
            hues.setdefault(int(mesh.class_id[0]), []).append(mesh.color_rgb.mean(axis=0))
    within = np.mean([np.std(colours, axis=0).mean() for colours in hues.values() if len(colours) > 2])
    between = np.std([np.mean(colours, axis=0) for colours in hues.values()], axis=0).mean()
    assert within < between


def test_the_data_set_has_clouds_views_and_truth(tmp_path):
    source = data_source(
        {"kind": "plain_rooms", "folder": str(tmp_path), "first_seed": 5, "views_per_room": 3, "image_width": 64},
        "test",
    )
    data = open_source(source, TABLE)
    sample = data[0]
    assert sample.name == "plain_room_00005"
    assert len(sample.views) == 3
    assert sample.class_id is not None
    assert {TABLE.names[k] for k in np.unique(sample.class_id) if k < len(TABLE)} >= {"wall", "floor"}
    assert open_source(source, TABLE)[0].cloud.xyz_m.tolist() == sample.cloud.xyz_m.tolist()
