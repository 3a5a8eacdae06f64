"""How often a trial is made: a few times in `make test`, as often as the words need in `make faults LONG=1`."""

import os

SHARE = "LIDAR_VL_FAULTS"  # environment variable: share of the long form, 1 = all of it; without it the quick form


def amount(quick: int, long: int) -> int:
    """Trials of the form that is asked for, never fewer than the quick one."""
    share = os.environ.get(SHARE, "")
    return max(quick, round(float(share) * long)) if share else quick
