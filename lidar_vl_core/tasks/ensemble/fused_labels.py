"""Each point named by the network or by the mean feature of the images that see it, whichever is closer to a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lidar_vl_core.cameras.pairing import ZBuffer, point_pixel_pairs
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.threads import HelperThreads
from lidar_vl_core.tasks.ensemble.picture_features import PlacedPicture, cosines
from lidar_vl_core.tasks.ensemble.prompt_cosines import PromptCosines
from lidar_vl_core.words.cosine_answers import CosineAnswers, cosine_answers
from lidar_vl_core.words.text_table import TextTable

_BLOCK_POINTS = 256  # that several images see, at a time: half a MB of sums at 512 channels, which a cache holds


@dataclass(frozen=True, eq=False)
class FusedLabels:
    """One entry per point of a cloud."""

    class_id: np.ndarray  # (N,) uint8
    probability: np.ndarray  # (N,) float32
    picture_class_id: np.ndarray  # (N,) uint8 what the images say alone
    picture_share: float  # of the points that are named by the images
    disagreement: (
        float | None
    )  # share of the points that network and images both name, differently; None: there are none


def fused_labels(
    of_network: PromptCosines, pictures: Sequence[PlacedPicture], occlusion: ZBuffer | None, threads: int = 1
) -> FusedLabels:
    """Class and probability of each point from the source whose best prompt is closer; the network's on ties.

    A point that several images see has the mean of the features of its cells.
    """
    table, point_to_row = of_network.table, of_network.point_to_row
    deep = _with_no_row(cosine_answers(of_network.cosine, table, threads))
    class_id, probability = deep.class_id[point_to_row], deep.probability[point_to_row]
    flat = _of_pictures(of_network.xyz_m, pictures, table, occlusion, threads)
    nearer = flat.best > deep.best[point_to_row]
    disagreement = _disagreement(class_id, flat.class_id)
    class_id[nearer], probability[nearer] = flat.class_id[nearer], flat.probability[nearer]
    share = np.count_nonzero(nearer & (class_id != IGNORE_ID)) / max(len(class_id), 1)
    return FusedLabels(class_id, probability, flat.class_id, share, disagreement)


def _disagreement(of_network: np.ndarray, of_pictures: np.ndarray) -> float | None:
    both = (of_network != IGNORE_ID) & (of_pictures != IGNORE_ID)
    named = np.count_nonzero(both)
    return np.count_nonzero(both & (of_network != of_pictures)) / named if named else None


def _with_no_row(answers: CosineAnswers) -> CosineAnswers:
    """With one more at the end, the answer of no row: index -1."""
    return CosineAnswers(
        np.append(answers.class_id, np.uint8(IGNORE_ID)),
        np.append(answers.probability, np.float32(0.0)),
        np.append(answers.best, np.float32(-np.inf)),
    )


def _of_pictures(
    xyz_m: np.ndarray, pictures: Sequence[PlacedPicture], table: TextTable, occlusion: ZBuffer | None, threads: int
) -> CosineAnswers:
    """(N,) what the images say of each point; nothing of those that none sees."""
    count = len(xyz_m)
    found = CosineAnswers(
        np.full(count, IGNORE_ID, np.uint8), np.zeros(count, np.float32), np.full(count, -np.inf, np.float32)
    )
    seen = _seen_cells(xyz_m, pictures, table, occlusion, threads)
    points = np.concatenate([np.empty(0, np.int64), *(point for point, _ in seen)])
    views_of_point = np.bincount(points, minlength=count)
    for picture, (point, cell) in zip(pictures, seen, strict=True):
        once = views_of_point[point] == 1
        _put(found, point[once], picture.features.answers(table).alone, cell[once])
    several = np.flatnonzero(views_of_point > 1)
    mean = cosine_answers(_mean_cosines(several, count, pictures, seen, table, threads), table, threads)
    _put(found, several, mean, np.arange(len(several)))
    return found


def _put(found: CosineAnswers, point: np.ndarray, answers: CosineAnswers, row: np.ndarray) -> None:
    found.class_id[point] = answers.class_id[row]
    found.probability[point] = answers.probability[row]
    found.best[point] = answers.best[row]


def _mean_cosines(
    several: np.ndarray, count: int, pictures: Sequence[PlacedPicture], seen: Sequence[tuple[np.ndarray, np.ndarray]],
    table: TextTable, threads: int,
) -> np.ndarray:  # fmt: skip
    """(S, P) of every prompt with the mean feature of points that several images see; its length does not matter: a sum will do.

    several: (S,) these points, of `count`, rising.
    """
    from lidar_vl_core.tasks.ensemble.fusion_loops import add_rows

    place_of_point = np.full(count, -1, np.int64)
    place_of_point[several] = np.arange(len(several))
    dot = np.zeros((len(several), len(table.prompts)), np.float32)
    places, cells = [], []
    for picture, (point, cell) in zip(pictures, seen, strict=True):
        place = place_of_point[point]
        places.append(place[place >= 0])
        cells.append(cell[place >= 0])
        add_rows(picture.features.answers(table).dot, cells[-1], places[-1], dot)
    square = np.empty(len(several), np.float32)
    with HelperThreads(threads) as helpers:
        for part in range(threads):
            bounds = len(several) * part // threads, len(several) * (part + 1) // threads
            helpers.add(partial(_square_sums, pictures, places, cells, bounds, square))
    return cosines(dot, square)


def _square_sums(
    pictures: Sequence[PlacedPicture], places: Sequence[np.ndarray], cells: Sequence[np.ndarray],
    bounds: tuple[int, int], square: np.ndarray,
) -> None:  # fmt: skip
    """Write the squared length of the sum of features of the points first .. last; places of an image's cells, which rise."""
    from lidar_vl_core.tasks.ensemble.fusion_loops import add_rows

    first, last = bounds
    total = np.empty(
        (min(_BLOCK_POINTS, last - first), pictures[0].features.rows.shape[1] if pictures else 0), np.float32
    )
    for start in range(first, last, _BLOCK_POINTS):
        block = total[: last - start]
        block[:] = 0.0
        for picture, place, cell in zip(pictures, places, cells, strict=True):
            here = slice(*np.searchsorted(place, (start, start + len(block))))
            add_rows(picture.features.rows, cell[here], place[here] - start, block)
        square[start : start + len(block)] = np.einsum("ij,ij->i", block, block)


def _seen_cells(
    xyz_m: np.ndarray, pictures: Sequence[PlacedPicture], table: TextTable, occlusion: ZBuffer | None, threads: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points that each image sees, (S,) int64, and the cell each of them falls into, (S,) int64."""
    seen: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0, np.int64),) * 2] * len(pictures)

    def look(number: int) -> None:
        picture = pictures[number]
        pairs = point_pixel_pairs(xyz_m, [(picture.camera, picture.T_cam_lidar)], occlusion=occlusion)
        seen[number] = pairs.point_index, picture.features.cell_of(pairs.pixel_uv)
        picture.features.answers(table)  # done already unless words changed

    with HelperThreads(threads) as helpers:
        for number in range(len(pictures)):
            helpers.add(partial(look, number))
    return seen
