"""A linear probe of an image network's pixel features: how well they separate classes on other images."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from offline_training.networks.image.espnet import ESPNet, normalise_for_espnet

_PIXELS = 150  # of an image, at random
_PICTURES = 100  # to train the layer with, about
_STEPS, _RATE = 200, 0.05
_SETTLING = 30  # batches

Features = Callable[[Tensor], Tensor]  # (I, 3, H, W) of 0..1 to (I, C, h, w)
Pictures = tuple[Tensor, Tensor]  # (I, 3, H, W) uint8 and the class of each pixel (I, H, W) int64


def probed_quality(network: ESPNet, train: Pictures, test: Pictures, classes: int, ignored: int) -> dict[str, Any]:
    """Mean IoU of a probe on the network's features, on those of random weights, and on the colours themselves; as JSON."""
    train = (train[0][:: max(1, len(train[0]) // _PICTURES)], train[1][:: max(1, len(train[1]) // _PICTURES)])
    torch.manual_seed(0)
    fresh = _settled(ESPNet(network.classes), train[0])
    asked: dict[str, Features] = {
        "taught": lambda images: network.features(normalise_for_espnet(images)),
        "fresh weights": lambda images: fresh.features(normalise_for_espnet(images)),
        "colours": lambda images: images,
    }
    found = {name: pixel_probe(features, train, test, classes, ignored).mean_iou() for name, features in asked.items()}
    return {"probe_mean_iou": found}


def _settled(fresh: ESPNet, pictures: Tensor) -> ESPNet:
    """A copy with random weights whose norms have seen the images, like those of a trained network."""
    with torch.no_grad():
        for batch in pictures[: _SETTLING * 8].split(8):
            fresh.train()(normalise_for_espnet(batch.float() / 255))
    return fresh.eval()


def pixel_probe(features: Features, train: Pictures, test: Pictures, classes: int, ignored: int) -> ConfusionMatrix:
    """Mean IoU on pixels of `test` of a linear layer trained on pixels of `train`, both without the class `ignored`."""
    rows, truth = _rows(features, *train, ignored)
    mean, spread = rows.mean(dim=0), rows.std(dim=0).clamp_min(1e-6)
    head = torch.nn.Linear(rows.shape[1], classes)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    optimizer = torch.optim.Adam(head.parameters(), lr=_RATE, weight_decay=1e-4)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        F.cross_entropy(head((rows - mean) / spread), truth).backward()
        optimizer.step()
    tested, known = _rows(features, *test, ignored)
    confusion = ConfusionMatrix(classes)
    with torch.no_grad():
        confusion.add(known.numpy(), head((tested - mean) / spread).argmax(dim=1).numpy())
    return confusion


def _rows(features: Features, pictures: Tensor, classes: Tensor, ignored: int) -> tuple[Tensor, Tensor]:
    """(R, C) features of some pixels and (R,) their classes."""
    generator = torch.Generator().manual_seed(0)
    rows, truth = [], []
    _, height, width = classes.shape
    for picture, of_pixels in zip(pictures, classes, strict=True):
        place = torch.randint(height * width, (_PIXELS,), generator=generator)
        row, column = place // width, place % width
        own = of_pixels[row, column]
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=1)[None, None]
        with torch.no_grad():
            at = F.grid_sample(features(picture[None].float() / 255), grid, align_corners=False)[0, :, 0].T
        rows.append(at[own != ignored])
        truth.append(own[own != ignored])
    return torch.cat(rows), torch.cat(truth)
