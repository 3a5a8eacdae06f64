"""Weak labels from words: a detector finds boxes, SAM segments masks in them (OLIVINE, appendix A.3, after Grounded-SAM)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.labelers.box_segmenter import BoxSegmenter
from offline_training.weak_labels.labelers.grounding_detector import GroundingDetector
from offline_training.weak_labels.pictures.mask_painting import PaintRule, Uncovered, paint
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels


class GroundedSamLabeler:
    """Text -> boxes -> masks -> one class for each pixel; a WeakLabeler. A mask's score is its box's."""

    def __init__(
        self,
        detector: Path,
        segmenter: Path,
        ontology: Ontology,
        box_threshold: float = 0.25,
        text_threshold: float = 0.25,
        rule: PaintRule = "small_over_large",
        uncovered: Uncovered = 255,
        boxes_at_once: int = 16,
        device: str = "auto",
    ) -> None:
        """detector, segmenter: local folders. Raises what GroundingDetector and BoxSegmenter raise."""
        self._ontology = ontology
        self._detector = GroundingDetector(detector, ontology, box_threshold, text_threshold, device)
        self._segmenter = BoxSegmenter(segmenter, boxes_at_once, device)
        self._painting: tuple[PaintRule, Uncovered] = (rule, uncovered)
        self._thresholds = {"box_threshold": box_threshold, "text_threshold": text_threshold}

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        return self._ontology

    def identity(self) -> dict[str, Any]:
        """Hashes of both models, prompts, thresholds, and the overlap rule."""
        rule, uncovered = self._painting
        return {
            "labeler": "grounded_sam",
            "detector": self._detector.folder.identity(),
            "segmenter": self._segmenter.folder.identity(),
            "ontology": self._ontology.to_json(),
            **self._thresholds,
            "rule": rule,
            "uncovered": uncovered,
        }

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """Label images (H, W, 3) uint8 RGB one by one, so that a label does not depend on its neighbours in a batch."""
        return [self._label_one(image) for image in images]

    def _label_one(self, image: np.ndarray) -> WeakLabels:
        found = self._detector.detect(image)
        masks = self._segmenter.masks(image, found.box_px)
        return paint(masks, found.class_id.tolist(), found.score.tolist(), image.shape[:2], *self._painting)
