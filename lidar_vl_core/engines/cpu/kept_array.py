"""Memory kept from scan to scan, because page faults of fresh memory cost more than some layers."""

import numpy as np

from lidar_vl_core.engines.cpu.layout import aligned_empty
from lidar_vl_core.sweeps.outliers import Outliers


class KeptArray:
    """An array that grows with the largest scan, and shrinks once that is found to have been a rare one."""

    def __init__(self, dtype: type) -> None:
        self._dtype = dtype
        self._array = aligned_empty(0, dtype)
        self._outliers = Outliers()

    def at_least(self, length: int) -> np.ndarray:
        """The array, (length or more,); earlier content may be lost."""
        held = len(self._array)
        needed = self._outliers.over(length, held)
        if held < length:
            self._replace(length)
        elif needed is not None:
            self._replace(needed)
        return self._array

    def _replace(self, length: int) -> None:
        self._array = aligned_empty(0, self._dtype)  # freed first: the old and the new one are never held at once
        self._array = aligned_empty(length + length // 4, self._dtype)
