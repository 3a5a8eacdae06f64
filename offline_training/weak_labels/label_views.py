"""Labels and superpixels for the images of views, on this machine; threads read and write while the labeler works."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from threading import Lock

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadBag, BadDataset, BadImage, BadLabels, LidarVlError
from offline_training.weak_labels.pictures.weak_labeler import LabelReader, WeakLabeler, WeakLabels
from offline_training.weak_labels.read_ahead import read_ahead
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.store.store_section import content_sha256
from offline_training.weak_labels.superpixels import Superpixels

_OF_ONE_PICTURE = (BadBag, BadDataset, BadImage, BadLabels)  # raised by a single damaged image


@dataclass
class LabelReport:
    """The counts of a labelling run."""

    made: int = 0  # images for which labels or superpixels were made now
    present: int = 0  # images that already had everything
    repeated: int = 0  # further views of an image already counted
    failed: list[str] = field(default_factory=list)  # one line for each failed image
    class_pixels: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))  # over all images


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """The outcome for one view."""

    sha256: str  # of its image; empty if that could not be read
    made: bool
    repeated: bool  # the image was already counted
    failure: str  # one line; empty on success
    class_pixels: np.ndarray  # (256,) int64

    def count_into(self, report: LabelReport) -> None:
        """Add the outcome to a report."""
        if self.failure:
            report.failed.append(self.failure)
        elif self.repeated:
            report.repeated += 1
        else:
            report.made += self.made
            report.present += not self.made
            report.class_pixels += self.class_pixels


def label_views(
    views: Iterable[CameraView | LidarVlError],
    labeler: WeakLabeler | LabelReader | None,
    store: LabelStore,
    superpixels: Superpixels | None = None,
    batch_size: int = 4,
    threads: int = 4,
    on_progress: Callable[[], object] = lambda: None,
) -> LabelReport:
    """Make what the store lacks: labels, superpixels or both.

    An unreadable image, or an error in the place of a sample's views, is listed in the report and the others continue; a store that cannot be written raises
    BadRequest. on_progress is called once for each view, in this thread.
    """
    report = LabelReport()
    with store.writing():
        for picture in labelled_pictures(views, labeler, store, superpixels, batch_size, threads):
            picture.count_into(report)
            on_progress()
    return report


def labelled_pictures(
    views: Iterable[CameraView | LidarVlError],
    labeler: WeakLabeler | LabelReader | None,
    store: LabelStore,
    superpixels: Superpixels | None,
    batch_size: int,
    threads: int,
) -> Iterator[LabelledPicture]:
    """Like label_views(), yielding each image's outcome; the caller must hold the store's lock."""
    work = _Work(labeler, store, superpixels)
    waiting: list[_Picture] = []
    writes: deque[Future[_Picture]] = deque()

    def label_waiting() -> None:
        if waiting and isinstance(labeler, WeakLabeler):
            answers = labeler.label([picture.image for picture in waiting])
            writes.extend(pool.submit(work.write, *pair) for pair in zip(waiting, answers, strict=True))
            waiting.clear()

    with ThreadPoolExecutor(threads) as pool:
        for picture in read_ahead(pool, work.prepare, views, 2 * threads + batch_size):
            if isinstance(picture, _Picture) and picture.needs_labels:
                waiting.append(picture)
            else:
                yield picture.done()
            if len(waiting) == batch_size:
                label_waiting()
            while len(writes) > 2 * batch_size:
                yield writes.popleft().result().done()
        label_waiting()
        while writes:
            yield writes.popleft().result().done()


class _Picture:
    """The state of one view in progress."""

    def __init__(self, view: CameraView) -> None:
        self.view = view
        self.shape = (view.camera.height, view.camera.width)
        self.sha256 = ""
        self.made = self.repeated = self.needs_labels = False
        self.failure = ""
        self.class_pixels: np.ndarray | None = None

    @cached_property
    def image(self) -> np.ndarray:
        """The view's pixels. Raises BadImage if the camera is calibrated for another size."""
        rgb = self.view.load_rgb()
        if rgb.shape[:2] != self.shape:
            raise BadImage(
                f"expected {self.shape[1]}x{self.shape[0]} pixels as in the calibration, found "
                f"{rgb.shape[1]}x{rgb.shape[0]}. Fix the camera's calibration."
            )
        return rgb

    def done(self) -> LabelledPicture:
        """The outcome, without the image itself."""
        failure = (
            f"camera {self.view.name}, {self.view.file or self.view.stamp_ns}: {self.failure}" if self.failure else ""
        )
        pixels = np.zeros(256, np.int64) if self.class_pixels is None else self.class_pixels
        return LabelledPicture(self.sha256, self.made, self.repeated, failure, pixels)


@dataclass(frozen=True)
class _UnreadSample:
    """A sample whose views could not be read."""

    failure: str

    def done(self) -> LabelledPicture:
        """The failure, as the outcome of one image."""
        return LabelledPicture("", False, False, self.failure, np.zeros(256, np.int64))


class _Work:
    """The processing of one image, in any thread."""

    def __init__(
        self, labeler: WeakLabeler | LabelReader | None, store: LabelStore, superpixels: Superpixels | None
    ) -> None:
        self._labeler, self._store, self._superpixels = labeler, store, superpixels
        self._met: set[str] = set()
        self._lock = Lock()

    def prepare(self, view: CameraView | LidarVlError) -> "_Picture | _UnreadSample":
        """Do all but the labeler's part, which takes several images at once."""
        if isinstance(view, LidarVlError):
            return _UnreadSample(str(view))
        picture = _Picture(view)
        try:
            picture.sha256 = content_sha256(view)
            if self._is_met(picture.sha256):
                picture.repeated = True
                return picture
            if self._superpixels is not None:
                self._segment(picture, self._superpixels)
            if isinstance(self._labeler, LabelReader):
                self._take_over(picture, self._labeler)
            elif self._labeler is not None:
                picture.class_pixels = self._store.class_pixels(picture.sha256, picture.shape)
                picture.needs_labels = picture.class_pixels is None and bool(picture.image.size)
        except _OF_ONE_PICTURE as error:
            picture.failure = str(error)
        if not picture.needs_labels:
            picture.__dict__.pop("image", None)  # frees memory; not needed again
        return picture

    def write(self, picture: _Picture, labels: WeakLabels, source: str = "") -> _Picture:
        """Store the labels of an image."""
        if labels.class_id.shape != picture.shape:
            raise BadLabels(
                f"expected labels of {picture.shape}, the image's size, found {labels.class_id.shape}. Fix the labeler."
            )
        picture.class_pixels = self._store.write(picture.sha256, labels, source)
        picture.made = True
        picture.__dict__.pop("image", None)
        return picture

    def _is_met(self, content: str) -> bool:
        with self._lock:
            met = content in self._met
            self._met.add(content)
        return met

    def _segment(self, picture: _Picture, superpixels: Superpixels) -> None:
        source = superpixels.source(picture.view)
        if not self._store.has_superpixels(picture.sha256, picture.shape, source):
            segment_id = superpixels.segment_id(picture.view, lambda: picture.image)
            self._store.write_superpixels(picture.sha256, segment_id, source)
            picture.made = True

    def _take_over(self, picture: _Picture, reader: LabelReader) -> None:
        content = reader.read_bytes(picture.view)
        source = sha256(content).hexdigest()
        picture.class_pixels = self._store.class_pixels(picture.sha256, picture.shape, source)
        if picture.class_pixels is None:
            self.write(picture, reader.labels(content, picture.view), source)
