"""Weak labels and superpixels on disk, found again by the content of their image. Touches the disk.

    FOLDER/
      labels.json which labels are read: those requested last
      labels-<fingerprint>/              one for each labeler identity
        identity.json                    model, revision, prompts, thresholds, rule, ontology
        class_id/ab/ab34….png            8-bit ids with a palette, 255 = uncovered; name = SHA-256 of the image
        score/ab/ab34….png               8-bit grey, 0..255
        instance_id/ab/ab34….png         16-bit grey, 0 = none
      superpixels.json                   the same for superpixels
      superpixels-<fingerprint>/
        identity.json
        segment_id/ab/ab34….png          16-bit grey, 65535 = none
      .lock held by writers

An entry exists if all its files are intact (PNG's own checksums) and of the image's size; anything else is made again.
class_id is written last, so a process killed half-way leaves no entry, at most stray files, which the next writer
removes. Several processes may write at once: the same image gives the same bytes, and files appear only when complete.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels, BadRequest
from lidar_vl_core.foundation.files import write_bytes
from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.pictures.id_picture import encode_ids
from offline_training.weak_labels.pictures.mask_painting import Uncovered
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.store_section import COMMAND, StoreSection, locked, open_section

NO_SEGMENT = 65535
_COUNTS, _SOURCE = "pixels_of_class", "source"
_LABEL_LAYERS = {"instance_id": 16, "score": 8, "class_id": 8}  # in the order they are written -> bits
_SEGMENT_LAYER = {"segment_id": 16}


class LabelStore:
    """Labels of one labeler, and superpixels of one kind, in one folder.

    To read, `LabelStore(folder)` is enough: it uses what was requested last. To write, pass the identities.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any] | None = None,
        ontology: Ontology | None = None,
        superpixel_identity: Mapping[str, Any] | None = None,
        uncovered: Uncovered = 255,
    ) -> None:
        """identity: WeakLabeler.identity() and its ontology; uncovered: the stored id of pixels without a class.

        Raises BadRequest if the folder does not record what it holds.
        """
        self.folder = Path(folder)
        self._ontology, self._uncovered = ontology, uncovered
        if ontology is not None:
            identity = {**(identity or {}), "ontology": ontology.to_json(), "uncovered": uncovered}
        to_read = identity is None and superpixel_identity is None
        self._labels = open_section(self.folder, "labels", identity, to_read)
        self._superpixels = open_section(self.folder, "superpixels", superpixel_identity, to_read)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes the ids stand for. Raises BadRequest if there are no labels."""
        section = self._labels_there()
        try:
            return tuple(str(name) for name, *_ in section.identity["ontology"]["classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadRequest(
                f"{section.folder / 'identity.json'}: expected the ontology of the labels, found none. Remove {section.folder}, "
                f"and run `{COMMAND}` again."
            ) from error

    @property
    def identity(self) -> dict[str, Any]:
        """The identity of the labels. Raises BadRequest if there are none."""
        return dict(self._labels_there().identity)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Enclose all writes of a process, and make this section what is read from now on.

        Removes stray files if nobody else writes. Raises BadRequest if the folder cannot be written.
        """
        with locked(self.folder):
            self.announce()
            yield

    def announce(self) -> None:
        """Make this what is read from now on; call within `writing`, or while another process holds the folder."""
        for section in (self._labels, self._superpixels):
            if section is not None:
                section.announce()

    def class_pixels(self, sha256: str, shape: tuple[int, int], source: str = "") -> np.ndarray | None:
        """(256,) int64 number of pixels of each class in an image's labels, without decompressing them.

        None if there is no intact entry, or it was written from another `source`.
        Raises BadRequest for a store without labels.
        """
        texts = self._labels_there().texts(_LABEL_LAYERS, sha256, shape)
        if texts is None or _COUNTS not in texts["class_id"] or texts["class_id"].get(_SOURCE, "") != source:
            return None
        counts = np.zeros(256, np.int64)
        for class_id, count in json.loads(texts["class_id"][_COUNTS]).items():
            counts[int(class_id)] = count
        return counts

    def has(self, sha256: str, shape: tuple[int, int]) -> bool:
        """Whether an image of height and width `shape` has intact labels."""
        return self.class_pixels(sha256, shape) is not None

    def write(self, sha256: str, labels: WeakLabels, source: str = "") -> np.ndarray:
        """Store the labels of an image; returns the pixels of each class (256,). Raises BadLabels for ids of no class.

        source: hash of what they were read from, if they are not determined by the image.
        """
        if self._ontology is None:
            raise BadRequest("labels: expected a store opened with its ontology to write, found one opened to read.")
        labels.require_classes(self._ontology)
        class_id = np.where(labels.class_id == IGNORE_ID, np.uint8(self._uncovered), labels.class_id)
        counts = np.bincount(class_id.reshape(-1), minlength=256)
        texts = {_COUNTS: json.dumps({str(k): int(counts[k]) for k in np.flatnonzero(counts)}), _SOURCE: source}
        contents = {
            "instance_id": encode_ids(labels.instance_id),
            "score": encode_ids(labels.score),
            "class_id": encode_ids(class_id, self._palette(), texts),
        }
        for layer in _LABEL_LAYERS:
            write_bytes(self._labels_there().path(layer, sha256), contents[layer])
        return counts

    def has_superpixels(self, sha256: str, shape: tuple[int, int], source: str = "") -> bool:
        """Whether an image of height and width `shape` has intact superpixels, made from that `source`.

        Raises BadRequest for a store without superpixels.
        """
        texts = self._superpixels_there().texts(_SEGMENT_LAYER, sha256, shape)
        return texts is not None and texts["segment_id"].get(_SOURCE, "") == source

    def write_superpixels(self, sha256: str, segment_id: np.ndarray, source: str = "") -> None:
        """Store the superpixels (H, W) uint16 of an image, 65535 = none; source: hash of the masks they were painted from.

        Raises BadRequest for a store without superpixels.
        """
        content = encode_ids(segment_id, text={_SOURCE: source})
        write_bytes(self._superpixels_there().path("segment_id", sha256), content)

    def read_class_id(self, view: CameraView) -> np.ndarray:
        """(H, W) uint8 class ids of a view's image, 255 = uncovered.

        Raises BadLabels if they are missing or damaged.
        """
        class_id = self._labels_there().read("class_id", view)
        beyond = (class_id >= len(self.class_names)) & (class_id != IGNORE_ID)
        if beyond.any():
            raise BadLabels(
                f"{self.folder}: camera {view.name}: expected ids 0..{len(self.class_names) - 1} or 255, found "
                f"{int(class_id[beyond].max())}. Remove the folder and run `{COMMAND}` again."
            )
        return class_id

    def read(self, view: CameraView) -> WeakLabels:
        """Everything stored for a view's image. Raises BadLabels if its labels are missing or damaged."""
        section = self._labels_there()
        return WeakLabels(self.read_class_id(view), section.read("score", view), section.read("instance_id", view))

    def read_superpixels(self, view: CameraView) -> np.ndarray:
        """(H, W) uint16 segment ids of a view's image, 65535 = none.

        Raises BadLabels if they are missing or damaged.
        """
        return self._superpixels_there().read("segment_id", view)

    def _palette(self) -> np.ndarray:
        palette = np.zeros((256, 3), np.uint8)
        if self._ontology is not None:
            palette[: len(self._ontology)] = self._ontology.class_table.colors_rgb
        palette[IGNORE_ID] = 255
        return palette

    def _labels_there(self) -> StoreSection:
        return _there(self._labels, self.folder, "labels", "")

    def _superpixels_there(self) -> StoreSection:
        return _there(self._superpixels, self.folder, "superpixels", " with superpixels: slic or sam")


def _there(section: StoreSection | None, store: Path, kind: str, option: str) -> StoreSection:
    if section is None:
        raise BadRequest(f"{store}: expected {kind}, found none. Run `{COMMAND}` with out={store}{option}.")
    return section
