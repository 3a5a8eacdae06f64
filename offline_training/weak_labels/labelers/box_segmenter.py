"""Masks of the objects in boxes, by SAM, SAM-HQ or SAM 2 through transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.foundation.optional_imports import require_packages
from offline_training.weak_labels.model_weights.model_folder import ModelFolder, choose_device

_MODEL_TYPES = (
    "sam",
    "sam_hq",
    "sam2",
    "sam2_video",
)  # SAM 2's checkpoints are declared as video models and contain both


class BoxSegmenter:
    """Segments one image at a time, its boxes in chunks."""

    def __init__(self, folder: Path, boxes_at_once: int = 16, device: str = "auto") -> None:
        """Raises BadModelPackage for a folder without such a model."""
        require_packages("labeler: grounded_sam", "transformers")
        from transformers import AutoImageProcessor, AutoModelForMaskGeneration

        self.folder = ModelFolder(folder)
        if self.folder.model_type not in _MODEL_TYPES:
            raise BadModelPackage(
                f"{folder}: expected a segmenter of type {' or '.join(_MODEL_TYPES)}, found {self.folder.model_type}. "
                "Choose another folder."
            )
        self._boxes_at_once = boxes_at_once
        self._device = choose_device(device)
        # SAM is scaled as by its authors, with or without torchvision; SAM 2's processor requires torchvision.
        backend = "torchvision" if self.folder.model_type.startswith("sam2") else "pil"
        self._prepare = self.folder.load(AutoImageProcessor.from_pretrained, backend=backend)
        self._model = self.folder.load_model(AutoModelForMaskGeneration.from_pretrained, self._device)

    @torch.inference_mode()
    def masks(self, image: np.ndarray, box_px: np.ndarray) -> list[np.ndarray]:
        """A mask (H, W) bool for each box (D, 4) x0, y0, x1, y1 of an image (H, W, 3) uint8 RGB."""
        if not len(box_px):
            return []
        inputs = self._prepare(images=image, return_tensors="pt")
        sizes = _Sizes(inputs)
        embedded = self._embedded(inputs["pixel_values"].to(self._device))
        boxes = torch.from_numpy(box_px * sizes.scale).to(self._device)
        masks: list[np.ndarray] = []
        for first in range(0, len(boxes), self._boxes_at_once):
            chunk = boxes[None, first : first + self._boxes_at_once]
            output = self._model(**embedded, input_boxes=chunk, multimask_output=False)
            masks += sizes.in_the_picture(self._prepare, output.pred_masks.cpu())
        return masks

    def _embedded(self, pixel_values: torch.Tensor) -> dict[str, Any]:
        answer = self._model.get_image_embeddings(pixel_values)
        if self.folder.model_type == "sam_hq":
            return {"image_embeddings": answer[0], "intermediate_embeddings": answer[1]}
        return {"image_embeddings": answer}


class _Sizes:
    """Scale between an image's pixels and the model's input: SAM scales uniformly and pads, SAM 2 stretches to a square."""

    def __init__(self, inputs: Any) -> None:  # noqa: ANN401 - transformers' BatchFeature
        self._original = [tuple(int(side) for side in inputs["original_sizes"][0])]
        self._pads = "reshaped_input_sizes" in inputs
        seen = inputs["reshaped_input_sizes"][0] if self._pads else inputs["pixel_values"].shape[-2:]
        self._seen = [tuple(int(side) for side in seen)]
        height, width = (new / old for new, old in zip(self._seen[0], self._original[0], strict=True))
        self.scale = np.array([width, height, width, height], np.float32)

    def in_the_picture(self, processor: Any, mask_logits: torch.Tensor) -> list[np.ndarray]:  # noqa: ANN401
        """(1, D, 1, h, w) -> D masks (H, W) bool."""
        reshaped = [self._seen] if self._pads else []
        masks = processor.post_process_masks(mask_logits, self._original, *reshaped)[0]
        return list(np.asarray(masks)[:, 0])
