"""Weak labels from words by one model, SAM 3 through transformers: one prompt at a time, with the image encoded once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage
from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.model_weights.model_folder import ModelFolder, choose_device
from offline_training.weak_labels.pictures.mask_painting import PaintRule, Uncovered, paint
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels

_MODEL_TYPES = ("sam3", "sam3_video")  # the published checkpoint is declared as a video model and contains both


class Sam3Labeler:
    """Segments every instance of every prompt and paints them onto one label image; a WeakLabeler."""

    def __init__(
        self,
        folder: Path,
        ontology: Ontology,
        score_threshold: float = 0.5,
        rule: PaintRule = "small_over_large",
        uncovered: Uncovered = 255,
        device: str = "auto",
    ) -> None:
        """Raises BadModelPackage for a folder without SAM 3, BadConfig for an ontology without prompts or with one that is too long."""
        require_packages("labeler: sam3", "transformers")
        from transformers import AutoTokenizer, Sam3ImageProcessor, Sam3Model

        self.folder = ModelFolder(folder)
        if self.folder.model_type not in _MODEL_TYPES:
            raise BadModelPackage(f"{folder}: expected SAM 3, found {self.folder.model_type}. Choose another folder.")
        if not ontology.prompts:
            raise BadConfig(f"ontology {ontology.name}: expected prompts, found none. Add some.")
        self._ontology, self._score_threshold = ontology, score_threshold
        self._painting: tuple[PaintRule, Uncovered] = (rule, uncovered)
        self._device = choose_device(device)
        self._processor = self.folder.load(Sam3ImageProcessor.from_pretrained)
        self._model = self.folder.load_model(Sam3Model.from_pretrained, self._device)
        tokenizer = self.folder.load(AutoTokenizer.from_pretrained)
        self._concepts = [(class_id, self._embedded(prompt, tokenizer)) for class_id, prompt in ontology.prompts]

    @property
    def ontology(self) -> Ontology:
        """The classes the ids stand for."""
        return self._ontology

    def identity(self) -> dict[str, Any]:
        """Hash of the model, prompts, threshold, and the overlap rule."""
        rule, uncovered = self._painting
        return {
            "labeler": "sam3",
            "model": self.folder.identity(),
            "ontology": self._ontology.to_json(),
            "score_threshold": self._score_threshold,
            "rule": rule,
            "uncovered": uncovered,
        }

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """Label images (H, W, 3) uint8 RGB one by one, so that a label does not depend on its neighbours in a batch."""
        return [self._label_one(image) for image in images]

    @torch.inference_mode()
    def _label_one(self, image: np.ndarray) -> WeakLabels:
        inputs = self._processor(images=image, return_tensors="pt")
        vision = self._model.get_vision_features(inputs["pixel_values"].to(self._device))
        masks: list[np.ndarray] = []
        class_ids: list[int] = []
        scores: list[float] = []
        for class_id, concept in self._concepts:
            output = self._model(vision_embeds=vision, **concept)
            found_masks, found_scores = self._instances(output, image.shape[:2])
            masks += found_masks
            scores += found_scores
            class_ids += [class_id] * len(found_scores)
        return paint(masks, class_ids, scores, image.shape[:2], *self._painting)

    def _instances(self, output: Any, shape: tuple[int, int]) -> tuple[list[np.ndarray], list[float]]:  # noqa: ANN401
        found = self._processor.post_process_instance_segmentation(
            output, threshold=self._score_threshold, target_sizes=[shape]
        )[0]
        return list(found["masks"].bool().cpu().numpy()), found["scores"].cpu().tolist()

    @torch.inference_mode()
    def _embedded(self, prompt: str, tokenizer: Any) -> dict[str, Any]:  # noqa: ANN401
        """The tokens of a prompt; computed once for all images."""
        length = self._model.config.text_config.max_position_embeddings
        tokens = tokenizer(prompt, return_tensors="pt", padding="max_length", max_length=length)
        if tokens["input_ids"].shape[1] > length:
            raise BadConfig(f"prompt: expected at most {length} tokens, found more in {prompt!r}. Shorten it.")
        tokens = tokens.to(self._device)
        return {"text_embeds": self._model.get_text_features(**tokens), "attention_mask": tokens["attention_mask"]}
