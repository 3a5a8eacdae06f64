"""Which scans keep their labels when only a fraction is labelled, as OLIVINE and the methods before it choose them.

nuScenes is thinned by scene: the scenes of the split in the order of the scene table, of which the skip-th, the 2 skip-th
and so on are kept, which makes 7, 35, 70, 175 and 700 of the 700 training scenes. Every other set is thinned by frame: the
first of its sorted list and every skip-th from there, which makes 192 of the 19,130 training scans of SemanticKITTI at
skip 100.
"""

from collections.abc import Collection, Iterable

from lidar_vl_core.foundation.errors import BadConfig


def labelled_frames(count: int, skip: int) -> range:
    """Indices of the frames that keep their labels, among `count` sorted ones. Raises BadConfig for a skip below 1."""
    return range(0, count, _checked(skip))


def labelled_scenes(table: Iterable[str], scenes: Collection[str] | None, skip: int) -> tuple[str, ...]:
    """Names of the scenes that keep their labels.

    table: names of all scenes in the order of the scene table; scenes: those that count, e.g. a split's; None = all.
    Raises BadConfig for a skip below 1 or above the number of scenes, and for scenes that the table does not have.
    """
    every = tuple(table)
    if missing := sorted(set(scenes or ()) - set(every)):
        raise BadConfig(
            f"nuscenes: expected scenes of this version, found {len(missing)} others, {', '.join(missing[:3])} first. "
            "Choose another version, split or other scenes."
        )
    counted = [name for name in every if scenes is None or name in scenes]
    if _checked(skip) > len(counted):
        raise BadConfig(
            f"label_skip: expected at most {len(counted)}, as many as there are scenes, found {skip}. Scenes number n, 2 n "
            "and so on are kept: set a smaller n, 1 for all."
        )
    return tuple(counted[skip - 1 :: skip])


def _checked(skip: int) -> int:
    if skip < 1:
        raise BadConfig(f"label_skip: expected at least 1, found {skip}. 100 keeps 1 % of the labels, 1 all of them.")
    return skip
