"""Pair sampling of a real batch's size beside the plain formula, and each contrastive loss forward and backward."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from offline_training.losses import depthcontrast, scalr, seal, slidr, st_slidr
from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.olivine import semantic_consistency, weakly_supervised_contrastive
from offline_training.losses.pair_sampling import density_and_category_weights, draw_pairs
from offline_training.losses.von_mises_fisher import VmfStatistics, vmf_log_normaliser
from tests.bench.report.table import print_table, row

PAIRS, DRAWN, DIM, CLASSES, SUPERPIXELS = 150_000, 4096, 64, 17, 900
SAMPLING_TARGET_MS, DIFFERENCE_TARGET = 20.0, 1e-9
REPEATS = 15


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}; wall time, medians."""
    return [*_sampling_rows(), *_loss_rows()]


def _sampling_rows() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    distance = 0.05 + 0.1 * (torch.rand(PAIRS, generator=generator, dtype=torch.float64) ** 2 * 700).floor()
    label = torch.randint(0, CLASSES, (PAIRS,), generator=generator)
    weights = density_and_category_weights(distance, label)
    took_ms = _median_ms(lambda: density_and_category_weights(distance, label))
    draw_ms = _median_ms(lambda: draw_pairs(weights, DRAWN, generator))
    plain, plain_ms = _timed(lambda: _plain_weights(distance, label))
    difference = float(((weights - plain) / plain).abs().max())
    return [
        row(f"DCAS weights of {PAIRS:,} pairs", took_ms, "ms", at_most=SAMPLING_TARGET_MS),
        row(f"DCAS draw of {DRAWN:,} of them", draw_ms, "ms"),
        row("the same weights by the plain formula, U x n", plain_ms, "ms"),
        row("largest relative difference to the plain formula", difference, "", at_most=DIFFERENCE_TARGET),
    ]


def _plain_weights(distance: Tensor, label: Tensor) -> Tensor:
    """1 / (f_h(d_i) |A(i)|) (OLIVINE, eq. 12 and 13): at each different distance the sum over all pairs."""
    places, of_pair = distance.unique(return_inverse=True)
    bandwidth = 1.06 * distance.std() * len(distance) ** -0.2
    sums = [torch.exp(-0.5 * ((place - distance) / bandwidth) ** 2).sum() for place in places]
    density = torch.stack(sums) / (len(distance) * bandwidth * math.sqrt(2 * math.pi))
    return 1.0 / (density[of_pair] * label.bincount()[label])


def _loss_rows() -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    label = torch.randint(0, CLASSES, (DRAWN,), generator=generator)
    segment = torch.randint(0, SUPERPIXELS, (DRAWN,), generator=generator)
    point, pixel = (functional.normalize(torch.randn(DRAWN, DIM, generator=generator), dim=1) for _ in range(2))
    model = VmfStatistics(CLASSES, DIM)
    model.update(point, label, 0)
    of_model = (model.mean_direction(), model.kappa(), model.seen())
    pixel_mean, _ = slidr.superpixel_means(pixel, segment, SUPERPIXELS)
    similarity = st_slidr.superpixel_similarity(pixel_mean)
    queue = functional.normalize(torch.randn(65_536, 128, generator=generator), dim=1)
    query = functional.normalize(torch.randn(16, 128, generator=generator), dim=1)

    def mean(feature: Tensor) -> Tensor:
        return slidr.superpixel_means(feature, segment, SUPERPIXELS)[0]

    losses: dict[str, tuple[Tensor, Callable[[Tensor], Tensor]]] = {
        "InfoNCE of pairs (OLIVINE, PPKT, PointContrast)": (point, lambda f: paired_info_nce(f, pixel)),
        "weakly supervised contrast": (point, lambda f: weakly_supervised_contrastive(f, pixel, label)),
        "vMF consistency": (point, lambda f: semantic_consistency(f, label, *of_model)),
        f"SLidR, {SUPERPIXELS} superpixels": (point, lambda f: slidr.superpixel_contrastive(mean(f), pixel_mean)),
        f"ST-SLidR, {SUPERPIXELS} superpixels": (
            point,
            lambda f: st_slidr.semantically_tolerant_contrastive(mean(f), pixel_mean, similarity),
        ),
        "Seal, temporal": (point, lambda f: seal.temporal(f, segment, pixel, segment, SUPERPIXELS)),
        "Seal, point to segment": (point, lambda f: seal.point_to_segment(f, segment, SUPERPIXELS)),
        "DepthContrast, 16 scans, queue 65,536": (query, lambda f: depthcontrast.instance_contrastive(f, query, queue)),
        "ScaLR": (point, lambda f: scalr.direction_distance(f, pixel)),
    }
    found = [
        row(f"{name}, forward and backward, {DRAWN:,} x {DIM}", _median_ms(lambda f=feature, g=loss: _step(f, g)), "ms")
        for name, (feature, loss) in losses.items()
    ]
    many, of_many = point.repeat(PAIRS // DRAWN + 1, 1)[:PAIRS], label.repeat(PAIRS // DRAWN + 1)[:PAIRS]
    update_ms = _median_ms(lambda: model.update(many, of_many, 0))
    consistency_ms = _median_ms(lambda: _step(many, lambda f: semantic_consistency(f, of_many, *of_model)))
    normaliser_ms = _median_ms(lambda: vmf_log_normaliser(of_model[1], DIM))
    return [
        *found,
        row(f"vMF statistics, an update with {PAIRS:,} pairs", update_ms, "ms"),
        row(f"vMF consistency, forward and backward, {PAIRS:,} pairs", consistency_ms, "ms"),
        row(f"vMF normaliser of {CLASSES} classes", normaliser_ms, "ms"),
    ]


def _step(feature: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
    loss(feature.detach().requires_grad_()).backward()


def _median_ms(work: Callable[[], Any]) -> float:
    work()
    return statistics.median(_timed(work)[1] for _ in range(REPEATS))


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, 1e3 * (time.perf_counter() - began)


if __name__ == "__main__":
    print_table(measure())
