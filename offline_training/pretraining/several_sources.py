"""Pre-training on several data sets at once: which scans a step reads, and whether their intensities may be mixed."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.datasets.base.sample import Sample
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.scan_order import ScanOrder
from offline_training.datasets.batches.share_order import ShareOrder
from offline_training.networks.waffleiron.waffleiron_shapes import SHAPES as WAFFLEIRON_SHAPES
from offline_training.pretraining.base.config import PictureConfig, PretrainConfig
from offline_training.runs.ranks import Ranks

Order = ScanOrder | ShareOrder
_log = logging.getLogger(__name__)
_LOOKED_AT = 4  # scans of each data set, spread evenly over it
_FULL_PERCENT = 99.0  # quantile of intensities that counts as a data set's brightest
_ALIKE = 3.0  # sensors with the same scale differ by a smaller factor, 0..1 and 0..255 by 255


def order_of(config: PretrainConfig, sources: Sequence[SampleSource], scans_per_step: int) -> Order:
    """The configured order of scans. Raises BadConfig for a weight too small for a single scan."""
    counts = tuple(len(source) for source in sources)
    if config.order == "weights":
        return ShareOrder(counts, tuple(source.weight for source in config.train), scans_per_step, config.seed)
    return ScanOrder(sum(counts), scans_per_step, config.seed)


class StepSources:
    """From which data set each scan of a step is."""

    def __init__(self, config: PretrainConfig, sources: Sequence[SampleSource], order: Order, ranks: Ranks) -> None:
        # of each data set, for the log; none for a single one
        self.names = [f"{number}_{source.kind}" for number, source in enumerate(config.train) if len(sources) > 1]
        self._end, self._order, self._ranks = np.cumsum([len(source) for source in sources]), order, ranks
        self._batch_size, self._scans = config.batch_size, config.batch_size * config.accumulate  # of this process

    def counts(self, step: int) -> dict[str, float]:
        """Number of scans from each data set over all processes, for the log."""
        if not self.names:
            return {}
        counts = np.bincount(self._of(step, range(self._scans * self._ranks.count)), minlength=len(self.names))
        return {f"scans_{name}": float(count) for name, count in zip(self.names, counts, strict=True)}

    def of_first_batch(self, step: int) -> dict[str, np.ndarray]:
        """By the name of each data set, (B,) bool: which scans of this process's first batch of a step are its own."""
        first = self._ranks.rank * self._scans
        source = self._of(step, range(first, first + self._batch_size))
        return {name: source == number for number, name in enumerate(self.names)}

    def _of(self, step: int, places: range) -> np.ndarray:
        return np.searchsorted(self._end, [self._order.scan(step, place) for place in places], side="right")


def require_pictures(config: PretrainConfig, sources: Sequence[SampleSource]) -> None:
    """Raise BadDataset if a method that needs images gets a data set without, judged by its first scan, or one whose images show no point."""
    if not isinstance(config, PictureConfig):
        return
    for source, samples in zip(config.train, sources, strict=True):
        if not samples[0].views:
            raise BadDataset(
                f"{source.folder}: expected images with the scans, because method {config.method} learns from them, found "
                "none. Provide its images, leave the data set out, or use pointcontrast or depthcontrast."
            )
        looked = [samples[k] for k in _evenly(len(samples))]
        if not any(_is_seen(sample) for sample in looked):
            raise BadDataset(
                f"{source.title}: expected points that images show, because method {config.method} learns from them, found none in "
                f"{len(looked)} of {len(samples)} scans, {looked[0].name} first. Check its calibration, and the frame of its clouds."
            )


def intensity_factors(config: PretrainConfig, sources: Sequence[SampleSource]) -> tuple[float, ...]:
    """The factor of each data set's intensities, estimated from a few of its scans; 1 for a single data set.

    Logs points, images and intensities of each. Raises BadConfig if intensities of different scales would be mixed
    without being asked to.
    """
    if len(sources) == 1:
        return (1.0,)
    looked = [[source[k] for k in _evenly(len(source))] for source in sources]
    bright = [_bright([sample.cloud.intensity for sample in samples]) for samples in looked]
    for source, samples, brightest in zip(config.train, looked, bright, strict=True):
        points = float(np.median([len(sample.cloud) for sample in samples]))
        views = len(samples[0].views)
        _log.warning(
            "%s: %.0f points and %d images per scan, %.0f %% of intensities up to %.3g",
            source.title, points, views, _FULL_PERCENT, brightest,
        )  # fmt: skip
    if config.intensity_scales == "even":
        return tuple(1.0 / brightest if brightest > 0 else 1.0 for brightest in bright)
    if config.intensity_scales == "alike" and _reads_intensity(config):
        _require_alike(config, bright)
    return (1.0,) * len(sources)


def scaled(drawn: Any, factor: float) -> Any:  # noqa: ANN401  a method's training item: a scan, or two in a tuple
    """Multiply the intensities of a training item by the factor, and limit them to 1."""
    if factor == 1.0:
        return drawn
    if isinstance(drawn, tuple):
        return tuple(scaled(one, factor) for one in drawn)
    return replace(drawn, intensity=np.minimum(drawn.intensity * np.float32(factor), np.float32(1.0)))


def _is_seen(sample: Sample) -> bool:
    """Whether an image of a sample shows one of its points."""
    views = [(view.camera, view.T_cam_lidar) for view in sample.views]
    return len(point_pixel_pairs(sample.cloud.measured_xyz_m(), views)) > 0


def _evenly(count: int) -> list[int]:
    return sorted({k * count // _LOOKED_AT for k in range(_LOOKED_AT)})


def _bright(intensities: Sequence[np.ndarray]) -> float:
    values = np.concatenate(intensities)
    values = values[np.isfinite(values)]
    return float(np.percentile(values, _FULL_PERCENT)) if len(values) else 0.0


def _reads_intensity(config: PretrainConfig) -> bool:
    return config.network in WAFFLEIRON_SHAPES or any("intensity" in name for name in config.features)


def _require_alike(config: PretrainConfig, bright: Sequence[float]) -> None:
    if max(bright) > _ALIKE * min(bright):
        told = ", ".join(f"{source.title} {one:.3g}" for source, one in zip(config.train, bright, strict=True))
        raise BadConfig(
            f"intensity_scales: expected data sets whose brightest intensities differ by less than {_ALIKE:g} times, "
            f"found {told}. Set intensity_scales: even to scale each by its own, as_measured to mix them unchanged, or "
            "choose features without intensity."
        )
