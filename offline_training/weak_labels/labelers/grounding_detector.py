"""Boxes of the objects in an ontology, by Grounding DINO, MM-Grounding-DINO or LLMDet through transformers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.labelers.phrase_scores import PhraseText, corners_px, decide, phrase_texts
from offline_training.weak_labels.model_weights.model_folder import ModelFolder, choose_device

_MODEL_TYPES = ("grounding-dino", "mm-grounding-dino")  # LLMDet's checkpoints are the second


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one image, ordered by text and, within a text, as the model returns them."""

    box_px: np.ndarray  # (D, 4) float32: x0, y0, x1, y1
    class_id: np.ndarray  # (D,) int64
    score: np.ndarray  # (D,) float32, 0..1


class GroundingDetector:
    """Detects in one image at a time, so that results do not depend on the rest of a batch."""

    def __init__(
        self, folder: Path, ontology: Ontology, box_threshold: float, text_threshold: float, device: str = "auto"
    ) -> None:
        """Raises BadModelPackage for a folder without such a model, BadConfig for an ontology without prompts."""
        require_packages("labeler: grounded_sam", "transformers")
        from transformers import AutoImageProcessor, AutoModelForZeroShotObjectDetection, AutoTokenizer

        self.folder = ModelFolder(folder)
        if self.folder.model_type not in _MODEL_TYPES:
            raise BadModelPackage(
                f"{folder}: expected a detector of type {' or '.join(_MODEL_TYPES)}, found {self.folder.model_type}. "
                "Choose another folder."
            )
        if not ontology.prompts:
            raise BadConfig(f"ontology {ontology.name}: expected prompts, found none. Add some.")
        self._classes = len(ontology)
        self._thresholds = (box_threshold, text_threshold)
        self._device = choose_device(device)
        # Pillow scales as the authors' code does, and results do not depend on whether torchvision is installed.
        self._prepare = self.folder.load(AutoImageProcessor.from_pretrained, backend="pil")
        self._tokenizer = self.folder.load(AutoTokenizer.from_pretrained)
        self._model = self.folder.load_model(AutoModelForZeroShotObjectDetection.from_pretrained, self._device)
        config = self._model.config
        self._texts = phrase_texts(
            ontology.prompts,
            lambda text: self._tokenizer(text, return_offsets_mapping=True)["offset_mapping"],
            min(config.max_text_len, config.text_config.max_position_embeddings),
        )

    @torch.inference_mode()
    def detect(self, image: np.ndarray) -> Detections:
        """The boxes in an image (H, W, 3) uint8 RGB."""
        inputs = self._prepare(images=image, return_tensors="pt").to(self._device)
        found = [self._detect(text, inputs, image.shape[:2]) for text in self._texts]
        return Detections(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _detect(
        self, text: PhraseText, inputs: dict[str, torch.Tensor], shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        tokens = self._tokenizer(text.text, return_tensors="pt", return_token_type_ids=True).to(self._device)
        output = self._model(**inputs, **tokens)
        probability = output.logits[0].sigmoid().cpu().numpy()
        kept, class_id, score = decide(probability, text, self._classes, *self._thresholds)
        return corners_px(output.pred_boxes[0].cpu().numpy()[kept], shape), class_id, score
