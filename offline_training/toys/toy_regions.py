"""Images of the synthetic worlds cut into regions: connected pixels of one class, each with the name of its colour."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.threads import machine_cores
from offline_training.datasets.base.source_config import SourceConfig
from offline_training.datasets.data_sources import DataSource, data_set_spec, open_source
from offline_training.datasets.lidar.synthetic_streets import SyntheticSource
from offline_training.datasets.rgbd.plain_rooms import PlainRoomsSource
from offline_training.datasets.rgbd.synthetic_rooms import SyntheticRoomsSource
from offline_training.toys.toy_captions import KINDS, NO_COLOUR
from offline_training.toys.toy_words import COLOURS, colour_word

# The world of each data set whose images have true classes.
_WORLDS: dict[type[SourceConfig], str] = {
    SyntheticSource: "street",
    SyntheticRoomsSource: "room",
    PlainRoomsSource: "plain",
}
_MIN_AREA_PX = 12  # smaller ones are leaves and gaps


@dataclass(frozen=True)
class LabelledPicture:
    """One image and its regions."""

    rgb: np.ndarray  # (H, W, 3) uint8
    class_id: np.ndarray  # (H, W) uint8, 255 = none
    region: np.ndarray  # (H, W) int32 into the R regions, -1 = none
    area_px: np.ndarray  # (R,) int64
    kind: np.ndarray  # (R,) int64 into toy_captions.KINDS
    colour: np.ndarray  # (R,) int64 into toy_words.COLOURS, NO_COLOUR where it has no clear name


class _Pictured(Protocol):
    def pictures_with_classes(self, index: int) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...

    def __len__(self) -> int: ...


def labelled_pictures(source: DataSource) -> list[LabelledPicture]:
    """All images of a synthetic source, with their regions. Raises BadConfig for a source without true class images."""
    world, classes = world_of(source)
    dataset: _Pictured = open_source(source, classes, machine_cores())  # type: ignore[assignment]  # by its kind
    return [
        in_regions(rgb, class_id, world, classes)
        for index in range(len(dataset))
        for rgb, class_id in dataset.pictures_with_classes(index)
    ]


def world_of(source: DataSource) -> tuple[str, ClassTable]:
    """World and class table of a source. Raises BadConfig for one without true class images."""
    world = _WORLDS.get(type(source))
    if world is None or (isinstance(source, SyntheticSource) and source.image_width is None):
        kinds = " or ".join(each.kind_name() for each in _WORLDS)
        raise BadConfig(
            f"toy language model: expected a source of {kinds}, with image_width, found {source.kind} with image_width "
            f"{getattr(source, 'image_width', None)}. It learns from the true classes of rendered images."
        )
    return world, class_table(data_set_spec(source.kind).classes[0])


def in_regions(rgb: np.ndarray, class_id: np.ndarray, world: str, classes: ClassTable) -> LabelledPicture:
    """Cut one image; pixels without a class are regions too, called sky or nothing.

    rgb: (H, W, 3) uint8; class_id: (H, W).
    """
    from scipy.ndimage import label

    region = np.full(class_id.shape, -1, np.int32)
    kinds: list[int] = []
    colours: list[int] = []
    for present in np.unique(class_id):
        name = "" if present == IGNORE_ID else classes.names[present]
        parts, count = label(class_id == present)
        part_px = np.bincount(parts.ravel(), minlength=count + 1)
        for part in range(1, count + 1):
            if part_px[part] < _MIN_AREA_PX:
                continue
            inside = parts == part
            region[inside] = len(kinds)
            kinds.append(KINDS.index(f"{world}/{name}"))
            word = colour_word(rgb[inside].mean(axis=0))
            colours.append(NO_COLOUR if word is None else COLOURS.index(word))
    area_px = np.bincount(region[region >= 0], minlength=len(kinds))
    return LabelledPicture(rgb, class_id, region, area_px, np.array(kinds, np.int64), np.array(colours, np.int64))
