"""Notices when a rare large sweep is past, so that its memory can be freed."""

_CALM_SWEEPS = 50  # 5 s of a 10 Hz LiDAR


class Outliers:
    """Tracks how much of something kept between sweeps each sweep needs."""

    def __init__(self) -> None:
        self._small_sweeps = self._largest_small = 0  # since the last one that needed more than half

    def over(self, need: int, held: int) -> int | None:
        """The largest need of the last 50 sweeps, once all of them needed less than half of what is held; else None."""
        if 2 * need >= held:
            self._small_sweeps = self._largest_small = 0
            return None
        self._small_sweeps += 1
        self._largest_small = max(self._largest_small, need)
        if self._small_sweeps < _CALM_SWEEPS:
            return None
        largest, self._small_sweeps, self._largest_small = self._largest_small, 0, 0
        return largest
