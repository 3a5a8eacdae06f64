"""How many rows a plan is made for: those of clouds from where it will run, plus a margin."""

from collections.abc import Mapping, Sequence

import numpy as np

from lidar_vl_core.engines.tensorrt.build_request import RowRange
from lidar_vl_core.foundation.errors import BadRequest

MARGIN = 1.3  # the largest measured cloud may be exceeded by this factor
_STEP = 256  # rows; so that a few clouds more do not ask for another plan


def measured_rows(counts: Sequence[Mapping[str, int]]) -> dict[str, RowRange]:
    """From one row, or none, to the most of any cloud and a margin, usually the median. counts: rows of each cloud by dimension.

    Raises BadRequest where no cloud has any.
    """
    told = [each for each in counts if any(each.values())]
    if not told:
        raise BadRequest(
            f"clouds: expected some with points in the network's range, found none in {len(counts)}. Give clouds of the "
            "sensor, in metres in its frame."
        )
    rows = {name: np.array([each[name] for each in told]) for name in told[0]}
    return {
        name: RowRange(
            least=min(1, int(values.min())),
            usual=int(np.median(values)),
            most=_rounded_up(MARGIN * max(1, int(values.max()))),
        )
        for name, values in rows.items()
    }


def _rounded_up(rows: float) -> int:
    return _STEP * -(-int(rows) // _STEP)
