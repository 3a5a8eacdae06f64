"""Rooms, built once for all tests, and the folders in which they are kept."""

from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("embreex", reason="the ray caster of lidar-vl[synthetic] is not installed")

from offline_training.datasets.rgbd.synthetic_rooms import RoomSpec, SyntheticRooms
from offline_training.synthetic.rooms.layout import Room, build_room

SEEDS = (100, 103)
EXACT = RoomSpec(views=6, image_width=96, depth_noise=False)
NOISY = RoomSpec(views=6, image_width=96)


@cache
def room(seed: int) -> Room:
    return build_room(seed)


def kept_rooms(folder: Path, spec: RoomSpec) -> SyntheticRooms:
    return SyntheticRooms(SEEDS, folder, spec)


def folder_of(cache_folder: Path, seed: int, spec: RoomSpec) -> Path:
    view = SyntheticRooms([seed], cache_folder, spec).views(0)[0]
    return (cache_folder / str(view.file)).parent
