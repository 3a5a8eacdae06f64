"""ST-SLidR (Mahmoud et al., CVPR 2023): SLidR whose negatives know, by frozen image features, who looks alike."""

import torch
from torch import Tensor
from torch.nn import functional

from offline_training.losses.info_nce import at_least_float32, similarity_logits

_EXCLUDED_SHARE = 0.01  # of a row: its most similar negatives
_LOOKS_ALIKE = 0.5  # similarity from which two superpixels count as of one kind


def superpixel_similarity(teacher_mean: Tensor) -> Tensor:
    """(S, S) cosine between the frozen features of superpixels. teacher_mean: (S, C), means over each superpixel; 0 for zero rows."""
    direction = functional.normalize(at_least_float32(teacher_mean), dim=1)
    return direction @ direction.T


def semantically_tolerant_contrastive(
    point_mean: Tensor,
    pixel_mean: Tensor,
    similarity: Tensor,
    temperature: float = 0.07,
    excluded_share: float = _EXCLUDED_SHARE,
    balanced: bool = True,
) -> Tensor:
    """InfoNCE over superpixels in which each row's most similar negatives do not push, weighted against frequent kinds.

    point_mean, pixel_mean: (S, C); similarity: (S, S) of superpixel_similarity; superpixels whose teacher feature is zero
    are left out, as in the original. As there, an excluded negative keeps a logit of 0; it is not removed. balanced: by
    balance_weights. Returns a scalar; without superpixels 0, with a gradient path.
    """
    described = similarity.diagonal() > 0
    similarity = similarity[described][:, described].detach()
    logits = similarity_logits(point_mean[described], pixel_mean[described], temperature)
    logits = logits.masked_fill(_excluded(similarity, excluded_share), 0.0)
    loss = logits.logsumexp(dim=1) - logits.diagonal()
    weight = balance_weights(similarity) if balanced else torch.ones_like(loss)
    return (weight * loss).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


def balance_weights(similarity: Tensor) -> Tensor:
    """(S,) weights 1 - v: v is the summed similarity to all superpixels that look alike, stretched to 0..1 over the batch.

    similarity: (S, S). Where all are equally frequent, every weight is 1.
    """
    if len(similarity) == 0:
        return similarity.new_zeros(0)
    frequency = similarity.masked_fill(similarity < _LOOKS_ALIKE, 0.0).sum(dim=1)
    least, most = frequency.aminmax()
    return 1.0 - (frequency - least) / (most - least).clamp_min(torch.finfo(similarity.dtype).tiny)


def _excluded(similarity: Tensor, share: float) -> Tensor:
    """(S, S) bool: of each row the negatives whose dissimilarity lies below the row's `share` quantile; never the diagonal."""
    dissimilarity = 1.0 - similarity
    if len(similarity) == 0:
        return torch.zeros_like(similarity, dtype=torch.bool)
    below = dissimilarity < _row_quantile(dissimilarity, share)[:, None]
    return below.fill_diagonal_(False)


def _row_quantile(values: Tensor, share: float) -> Tensor:
    """(S,) linearly interpolated quantile of each row; torch.quantile refuses the (3,600, 3,600) and more of a large batch."""
    place = share * (values.shape[1] - 1)
    lower = int(place)
    smallest = values.topk(min(lower + 2, values.shape[1]), dim=1, largest=False).values
    return smallest[:, lower].lerp(smallest[:, -1], place - lower)
