"""PlainRooms: synthetic rooms with things of two kinds each, out of many, cached on disk as SyntheticRooms are."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lidar_vl_core.classes.class_table import ClassTable
from offline_training.datasets.base.data_set_spec import DataSetSpec
from offline_training.datasets.base.file_counts import FileCounts
from offline_training.datasets.base.source_config import Names, SourceConfig
from offline_training.datasets.rgbd.synthetic_rooms import SPEC as ROOMS
from offline_training.datasets.rgbd.synthetic_rooms import RoomSpec, SyntheticRooms

if TYPE_CHECKING:
    from offline_training.synthetic.rooms.layout import Room


class PlainRoomsSource(SourceConfig):
    """Plain rooms, one for each seed."""

    kind: Literal["plain_rooms"] = "plain_rooms"
    folder: str = Field(description="where its rooms are kept once made")
    first_seed: int = Field(default=0, description="seed of the first room")
    rooms: int = Field(default=1, description="one for each seed from first_seed")
    views_per_room: int = Field(default=10, description="RGB-D pictures")
    image_width: int = Field(default=128, description="pixels of its pictures")


class PlainRooms(SyntheticRooms):
    """One room for each seed: floor, ceiling, walls, and a few things of two kinds."""

    table = "plain_rooms"
    prefix = "plain_room"
    version = 102  # raise it when the same seed gives another room, so that cached ones are made anew

    def _room(self, seed: int) -> "Room":
        from offline_training.synthetic.rooms.plain_rooms import build_plain_room

        return build_plain_room(seed)


def _open(source: PlainRoomsSource, _: Names, classes: ClassTable) -> PlainRooms:
    spec = RoomSpec(source.views_per_room, source.image_width)
    return PlainRooms(range(source.first_seed, source.first_seed + source.rooms), Path(source.folder), spec)


SPEC = DataSetSpec(
    source=PlainRoomsSource,
    what="synthetic rooms with things of two kinds out of 22 in each, made when they are first asked for",
    layout=ROOMS.layout,
    classes=("plain_rooms",),
    open=_open,
    made_files=ROOMS.made_files,
    counts=FileCounts({"scans": "*/cloud.npz", "pictures": "*/*.jpg"}),
)
