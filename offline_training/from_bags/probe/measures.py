"""What frozen features tell without a person's labels, and a linear probe for those that have some. Pure."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.evaluation.metrics import ConfusionMatrix

_STEPS, _RATE = 300, 0.05
_SAME_PLACE_M = 1.0


def effective_rank(features: Tensor) -> float:
    """How many directions the features (R, C) really use: RankMe (Garrido et al., ICML 2023); 1 = collapsed, at most C."""
    sizes = torch.linalg.svdvals(features.double())
    total = float(sizes.sum())
    if total == 0.0:
        return 1.0
    share = sizes / total + 1e-12
    return float(torch.exp(-(share * share.log()).sum()))


def repeatability(features: Tensor, turned_features: Tensor, xyz_m: np.ndarray) -> float:
    """Share of points whose most similar feature in a turned copy of the sweep is of a place within 1 m of their own.

    features, turned_features: (N, C) of the same points, xyz_m: (N, 3) before the turn. 0 for no points.
    """
    if not len(xyz_m):
        return 0.0
    one, other = (nn.functional.normalize(each.float(), dim=1) for each in (features, turned_features))
    nearest = (one @ other.T).argmax(dim=1).numpy()
    return float((np.linalg.norm(xyz_m[nearest] - xyz_m, axis=1) <= _SAME_PLACE_M).mean())


def linear_probe(
    features: Tensor, class_id: Tensor, test_features: Tensor, test_class_id: np.ndarray, classes: int, seed: int = 0
) -> ConfusionMatrix:
    """A linear layer trained on features (R, C) with classes (R,), judged on others; features are standardised first.

    Classes weigh by the root of their rarity, so that the road does not decide alone.
    """
    mean, deviation = features.mean(dim=0), features.std(dim=0).clamp_min(1e-6)
    train, test = ((each - mean) / deviation for each in (features, test_features))
    count = torch.bincount(class_id, minlength=classes).float()
    weight = torch.where(count > 0, count.clamp_min(1).rsqrt(), 0.0)
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(features.shape[1], classes)
    with torch.no_grad():
        head.weight.copy_(torch.randn(head.weight.shape, generator=generator) * 0.01)
        head.bias.zero_()
    optimizer = torch.optim.Adam(head.parameters(), lr=_RATE, weight_decay=1e-4)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(train), class_id, weight=weight / weight.sum()).backward()
        optimizer.step()
    confusion = ConfusionMatrix(classes)
    with torch.no_grad():
        confusion.add(test_class_id, head(test).argmax(dim=1).to(torch.uint8).numpy())
    return confusion


def joined(parts: Sequence[tuple[Tensor, np.ndarray]], most: int, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """Labelled rows of several sweeps, each (R, C) features and (R,) uint8 classes; at most so many, drawn at random."""
    features = torch.cat([part[torch.from_numpy(class_id != IGNORE_ID)] for part, class_id in parts])
    classes = np.concatenate([class_id[class_id != IGNORE_ID] for _, class_id in parts])
    chosen = np.sort(np.random.default_rng(seed).permutation(len(classes))[:most])
    return features[torch.from_numpy(chosen)], classes[chosen]
