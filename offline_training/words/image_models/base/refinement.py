"""Class scores of a picture's cells, and MaskCLIP's two ways to clean them.

Both act on scores of one picture, so they are for class maps and previews; features that go to points are as they are.
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
    """Thresholds of probability; None = off."""

    prompt_denoising: float | None = None  # MaskCLIP, RADSeg: 0.5
    key_smoothing: float | None = None  # CLIP2Scene: 1, all cells


@runtime_checkable
class RefinedModel(Protocol):
    """A model that asks for refinement of its class scores, and has what that needs."""

    refinement: Refinement

    def image_keys(self, image: np.ndarray) -> Tensor:
        """(D, h, w) for cells that belong together alike, on the grid of image_features()."""
        ...


def class_scores(model: DenseImageModel, image: np.ndarray, table: TextTable) -> Tensor:
    """(K, h, w) scores of the table's classes, sinks too, for a picture (H, W, 3) uint8 RGB: the higher, the likelier.

    Probabilities, but for cells that key smoothing replaces. Raises BadTextTable for a table of another width.
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
    """(P, h, w) cosines of a picture's cells to the table's prompts. Raises BadTextTable for a table of another width."""
    if table.channels != model.channels:
        raise BadTextTable(
            f"text table: expected {model.channels} channels, as the model's features, found {table.channels} of text "
            f"space {table.text_space}. Use the model's own text tower."
        )
    (features,) = model.image_features([image])
    prompts = torch.from_numpy(table.embeddings).to(features)
    return torch.einsum("pc,chw->phw", prompts, functional.normalize(features, dim=0))


def without_absent_classes(logits: Tensor, threshold: float) -> Tensor:
    """Prompt denoising: classes (K, h, w) whose best probability in the picture is below the threshold get -100."""
    best = logits.softmax(dim=0).flatten(1).amax(dim=1)  # (K,)
    return torch.where((best < threshold)[:, None, None], _ABSENT_LOGIT, logits)


def smoothed_by_keys(scores: Tensor, keys: Tensor, threshold: float) -> Tensor:
    """Key smoothing: cells (K, h, w) whose best score is below the threshold get W scores, W = cosines of all keys.

    keys: (D, h, w). Scores of a replaced cell do not add up to 1: they compare classes within the cell.
    """
    rows, directions = scores.flatten(1), functional.normalize(keys.flatten(1), dim=0)  # (K, n), (D, n)
    unsure = rows.amax(dim=0) < threshold  # (n,)
    smooth = rows @ (directions.T @ directions[:, unsure])  # (K, unsure), W is symmetric
    result = rows.clone()
    result[:, unsure] = smooth
    return result.view_as(scores)


def _class_cosines(model: DenseImageModel, image: np.ndarray, table: TextTable) -> Tensor:
    """(K, h, w): of each class's prompts the best."""
    cosines = prompt_cosines(model, image, table)
    firsts = [*table.first_prompt.tolist(), len(table.prompts)]
    return torch.stack([cosines[first:behind].amax(dim=0) for first, behind in pairwise(firsts)])
