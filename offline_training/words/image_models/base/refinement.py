"""Class scores of an image's cells, and MaskCLIP's two ways to clean them (ECCV 2022).

Both act on the scores of one image, so they serve class maps and previews only; features that go to points are
unchanged.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.words.text_table import TextTable
from offline_training.words.image_models.base.dense_model import DenseImageModel

_ABSENT_LOGIT = -100.0  # MaskCLIP


@dataclass(frozen=True)
class Refinement:
    """Probability thresholds, 0..1; None = off."""

    prompt_denoising: float | None = None  # MaskCLIP, RADSeg: 0.5
    key_smoothing: float | None = None  # CLIP2Scene: 1, all cells


@runtime_checkable
class RefinedModel(Protocol):
    """A model that requests refinement of its class scores and provides the keys it needs."""

    refinement: Refinement

    def image_keys(self, image: np.ndarray) -> Tensor:
        """(D, h, w) keys, similar for cells that belong together, on the grid of image_features()."""
        ...


def class_scores(model: DenseImageModel, image: np.ndarray, table: TextTable) -> Tensor:
    """(K, h, w) scores of the table's classes, sinks included, for an image (H, W, 3) uint8 RGB: higher is more likely.

    Probabilities, except in cells that key smoothing replaces. Raises BadTextTable for a table of another width.
    """
    logits = _class_cosines(model, image, table) * table.logit_scale
    if not isinstance(model, RefinedModel):
        return logits.softmax(dim=0)
    if model.refinement.prompt_denoising is not None:
        logits = without_absent_classes(logits, model.refinement.prompt_denoising)
    scores = logits.softmax(dim=0)
    if model.refinement.key_smoothing is not None:
        scores = smoothed_by_keys(scores, model.image_keys(image), model.refinement.key_smoothing)
    return scores


def prompt_cosines(model: DenseImageModel, image: np.ndarray, table: TextTable) -> Tensor:
    """(P, h, w) cosines between an image's cells and the table's prompts.

    Raises BadTextTable for a table of another width.
    """
    if table.channels != model.channels:
        raise BadTextTable(
            f"text table: expected {model.channels} channels, as in the model's features, found {table.channels} in text "
            f"space {table.text_space}. Use the model's own text tower."
        )
    (features,) = model.image_features([image])
    prompts = torch.from_numpy(table.embeddings).to(features)
    return torch.einsum("pc,chw->phw", prompts, functional.normalize(features, dim=0))


def without_absent_classes(logits: Tensor, threshold: float) -> Tensor:
    """Prompt denoising: scores (K, h, w) of classes whose highest probability in the image is below the threshold become -100."""
    best = logits.softmax(dim=0).flatten(1).amax(dim=1)  # (K,)
    return torch.where((best < threshold)[:, None, None], _ABSENT_LOGIT, logits)


def smoothed_by_keys(scores: Tensor, keys: Tensor, threshold: float) -> Tensor:
    """Key smoothing: cells (K, h, w) whose best score is below the threshold get scores W, W = cosines between all keys.

    keys: (D, h, w). Scores of a replaced cell do not sum to 1: they only rank the classes within the cell.
    """
    rows, directions = scores.flatten(1), functional.normalize(keys.flatten(1), dim=0)  # (K, n), (D, n)
    unsure = rows.amax(dim=0) < threshold  # (n,)
    smooth = rows @ (directions.T @ directions[:, unsure])  # (K, unsure), W is symmetric
    result = rows.clone()
    result[:, unsure] = smooth
    return result.view_as(scores)


def _class_cosines(model: DenseImageModel, image: np.ndarray, table: TextTable) -> Tensor:
    """(K, h, w): cosine of the best prompt of each class."""
    cosines = prompt_cosines(model, image, table)
    firsts = [*table.first_prompt.tolist(), len(table.prompts)]
    return torch.stack([cosines[first:behind].amax(dim=0) for first, behind in pairwise(firsts)])
