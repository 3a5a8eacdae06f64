"""Von Mises-Fisher distributions on the unit sphere, one per weak class: their statistics and normaliser (OLIVINE, eq. 4 to 9)."""

import math

import numpy as np
import torch
from scipy import special
from torch import Tensor, distributed, nn

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadLabels
from offline_training.losses.info_nce import at_least_float32

_ROWS_AT_ONCE = 8192  # of features that are summed in their own precision; the sums of these in float64
_LARGEST_KAPPA = 1e4  # reached only by features that are all but equal; the estimate has a pole there
_LEAST_BESSEL = 1e-290  # below, float64 loses digits


class VmfStatistics(nn.Module):
    """Mean direction and concentration of each class, from a moving average of batch means (OLIVINE, eq. 6 to 9).

    As the original trains: the average begins at zero, moves by `decay` whenever the class occurs, stands still after
    `freeze_after_step`, and is not corrected for its beginning (so that kappa stays below 67 at 64 dimensions);
    `bias_correction` divides by the weight gathered so far. With torch.distributed features and counts are summed over the
    ranks, which equals one process with the joined batch. `average_over_ranks` is the original: each rank moves its average
    by its own batch, if that has the class, and then the averages are averaged. A class that few ranks see at a time
    moves more slowly then, and its kappa stays smaller.
    """

    mean_feature: Tensor
    gathered_weight: Tensor

    def __init__(
        self,
        num_classes: int,
        dim: int,
        decay: float = 1e-4,
        freeze_after_step: int = 10000,
        bias_correction: bool = False,
        average_over_ranks: bool = False,
    ) -> None:
        super().__init__()
        self.decay = decay
        self.freeze_after_step = freeze_after_step
        self.bias_correction = bias_correction
        self.average_over_ranks = average_over_ranks
        self.register_buffer("mean_feature", torch.zeros(num_classes, dim))  # (K, C) moving average of batch means
        self.register_buffer("gathered_weight", torch.zeros(num_classes))  # (K,) 1 - (1 - decay)^updates

    def is_frozen(self, step: int) -> bool:
        """Whether the statistics stand still at this step, which is when the consistency loss begins."""
        return step > self.freeze_after_step

    @torch.no_grad()
    def update(self, feature: Tensor, label: Tensor, step: int) -> None:
        """Take one batch in; does nothing once frozen. With torch.distributed every rank has to call it.

        feature: (P, C), unit rows; a row that is not finite is left out. label: (P,) int64, 255 = no class.
        Raises BadLabels for a label that is no class.
        """
        if self.is_frozen(step):
            return
        total, count = self._sums(feature, label)
        if not self.average_over_ranks:
            total, count = _sum_over_ranks(total), _sum_over_ranks(count)
        present = count > 0
        rate = self.decay * present
        batch_mean = total / count.clamp_min(1.0)[:, None]
        self.mean_feature.lerp_(batch_mean.to(self.mean_feature.dtype), rate[:, None].to(self.mean_feature.dtype))
        self.gathered_weight.lerp_(present.to(self.gathered_weight.dtype), rate.to(self.gathered_weight.dtype))
        if self.average_over_ranks:
            for average in (self.mean_feature, self.gathered_weight):
                average.copy_(_sum_over_ranks(average) / _ranks())

    def seen(self) -> Tensor:
        """(K,) bool: classes with a mean direction."""
        return self._resultant() > 0

    def mean_direction(self) -> Tensor:
        """(K, C) unit rows mu; zeros for a class that was never seen."""
        return self.mean_feature / self._resultant().clamp_min(torch.finfo(self.mean_feature.dtype).tiny)[:, None]

    def kappa(self) -> Tensor:
        """(K,) concentration R (C - R^2) / (1 - R^2) (eq. 9), at most 10,000; 0 for a class that was never seen."""
        length = self._resultant().double()
        if self.bias_correction:
            length = length / self.gathered_weight.double().clamp_min(self.decay * 0.5)
        length = length.clamp_max(1.0)
        dim = self.mean_feature.shape[1]
        pole = (1.0 - length.square()).clamp_min(torch.finfo(torch.float64).tiny)
        return (length * (dim - length.square()) / pole).clamp_max(_LARGEST_KAPPA).to(self.mean_feature.dtype)

    def _resultant(self) -> Tensor:
        return self.mean_feature.norm(dim=1)

    def _sums(self, feature: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Sum (K, C) and number (K,) of the features of each class in this batch, float64."""
        classes = len(self.gathered_weight)
        known = label != IGNORE_ID
        if bool(((label < 0) | (label >= classes))[known].any()):
            raise BadLabels(
                f"expected labels 0..{classes - 1} or {IGNORE_ID}, found {label[known].unique().tolist()[-8:]}. "
                "Give the statistics as many classes as the weak labels have."
            )
        slot = torch.where(known & feature.sum(dim=1).isfinite(), label, classes)  # the last slot is thrown away
        total = feature.new_zeros((classes + 1, feature.shape[1]), dtype=torch.float64)
        for rows, slots in zip(feature.split(_ROWS_AT_ONCE), slot.split(_ROWS_AT_ONCE), strict=True):
            rows = at_least_float32(rows)
            total += torch.zeros_like(total, dtype=rows.dtype).index_add_(0, slots, rows)
        return total[:classes], slot.bincount(minlength=classes + 1)[:classes].double()


def vmf_log_normaliser(kappa: Tensor, dim: int) -> Tensor:
    """log K(kappa) of the density K exp(kappa mu . z) on the unit sphere of R^dim (OLIVINE, eq. 5), same shape and dtype.

    K = kappa^(dim/2-1) / ((2 pi)^(dim/2) I_(dim/2-1)(kappa)). Differentiable once, finite from kappa = 0, with relative error
    below 1e-12 in float64.
    """
    log_bessel = _LogScaledBessel.apply(kappa.double(), 0.5 * dim - 1.0)
    return (-0.5 * dim * math.log(2.0 * math.pi) - log_bessel).to(kappa.dtype)


class _LogScaledBessel(torch.autograd.Function):
    """log(I_order(x) / x^order) of x >= 0; its slope is I_(order + 1)(x) / I_order(x). SciPy knows them, on the CPU."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, order: float) -> Tensor:
        values = x.detach().cpu().numpy()
        log_bessel = _log_scaled_bessel(values, order)
        slope = values * np.exp(_log_scaled_bessel(values, order + 1.0) - log_bessel)
        ctx.save_for_backward(torch.as_tensor(slope, dtype=x.dtype, device=x.device))
        return torch.as_tensor(log_bessel, dtype=x.dtype, device=x.device)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * slope, None


def _log_scaled_bessel(x: np.ndarray, order: float) -> np.ndarray:
    """log(I_order(x) / x^order); where I is below the smallest number, by its limit in 0F1 (DLMF 10.39.9)."""
    scaled = np.asarray(special.ive(order, x))  # I exp(-x)
    is_there = scaled > _LEAST_BESSEL
    from_bessel = np.log(scaled, where=is_there, out=np.zeros_like(scaled)) + x
    from_bessel -= order * np.log(x, where=is_there & (x > 0.0), out=np.zeros_like(scaled))
    from_limit = np.log(special.hyp0f1(order + 1.0, np.where(is_there, 0.0, 0.25 * x * x)))
    from_limit -= order * math.log(2.0) + special.gammaln(order + 1.0)
    return np.where(is_there, from_bessel, from_limit)


def _ranks() -> int:
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def _sum_over_ranks(tensor: Tensor) -> Tensor:
    if _ranks() == 1:
        return tensor
    total = tensor.clone()
    distributed.all_reduce(total)
    return total
