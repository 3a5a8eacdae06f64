"""Which pairs a loss sees: the density- and category-aware weights of OLIVINE (eq. 12, 13) and the draw itself."""

import math

import torch
from torch import Tensor

from lidar_vl_core.classes.class_table import IGNORE_ID

_LARGEST_KERNEL = 1 << 22  # entries of a matrix held at once: 32 MiB
_MOST_BINS = 1 << 20  # counted directly; a point 100 km away at 0.1 m


def density_and_category_weights(
    distance: Tensor,
    label: Tensor,
    use_density: bool = True,
    use_category: bool = True,
    bin_m: float | None = 0.1,
) -> Tensor:
    """(P,) float64 sampling weights 1 / (density of the pair's distance * pairs of its category), not normalised (OLIVINE, eq. 13).

    distance: (P,) horizontal range in metres; label: (P,) int64, 255 = no class: weight 0, and counted nowhere.
    bin_m: distances are floored to this width: 0.1 for the cylindrical grid; None takes them as they are (round them first
    for VoxelNet, which has bins of 1 m around whole metres). The cost is O(U^2) for U different distances.
    """
    known = torch.nonzero(label != IGNORE_ID).squeeze(1)
    odds = torch.ones(len(known), dtype=torch.float64, device=distance.device)
    if use_density:
        density, place_of_pair = _density(distance[known], bin_m)
        odds *= density.reciprocal()[place_of_pair]
    if use_category:
        of_known = label[known]
        odds *= of_known.bincount().double().reciprocal()[of_known]
    return torch.zeros(len(distance), dtype=torch.float64, device=distance.device).index_copy(0, known, odds)


def draw_pairs(weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(<= count,) int64 indices drawn one after another without replacement, each in proportion to its weight.

    weights: (P,), of any scale; a pair of weight 0 is never drawn, and fewer pairs than `count` are all drawn. The first of
    independent exponential clocks with these rates is distributed as torch.multinomial's draw, without its 2^24 limit.
    """
    possible = torch.nonzero(weights > 0).squeeze(1)
    clock = torch.empty(len(possible), dtype=torch.float64, device=generator.device).exponential_(generator=generator)
    ring_time = clock.to(weights.device) / weights[possible].double()
    return possible[ring_time.topk(min(count, len(possible)), largest=False).indices]


def _density(distance: Tensor, bin_m: float | None) -> tuple[Tensor, Tensor]:
    """Kernel density estimate at each different distance (U,), per metre (eq. 12), and which of them each pair has (P,).

    The kernel is Gaussian, of the bandwidth below.
    """
    place, of_pair, pairs = _distinct(distance.double(), bin_m)
    bandwidth = _rule_of_thumb(place, pairs)
    if bandwidth == 0.0:  # all at one distance: no place is denser than another
        return torch.ones_like(place), of_pair
    at_once = max(1, _LARGEST_KERNEL // max(1, len(place)))
    density = torch.cat([_kernel_sums(part, place, pairs, bandwidth) for part in place.split(at_once)])
    return density / (float(pairs.sum()) * bandwidth * math.sqrt(2.0 * math.pi)), of_pair


def _kernel_sums(here: Tensor, place: Tensor, pairs: Tensor, bandwidth: float) -> Tensor:
    """(A,) Gaussian kernels of all pairs, summed, at A of the (U,) different distances."""
    # Worked on in place: fresh memory would cost more than the exponential, and powers of two are twice as fast as those of e.
    kernel = here[:, None] - place[None, :]  # (A, U)
    return kernel.div_(bandwidth).square_().mul_(-0.5 / math.log(2.0)).exp2_() @ pairs


def _distinct(distance: Tensor, bin_m: float | None) -> tuple[Tensor, Tensor, Tensor]:
    """Different distances (U,), which of them each pair has (P,), and how many pairs each has (U,) float64."""
    bins = distance if bin_m is None else (distance / bin_m).floor()
    first = float(bins.min()) if len(bins) else 0.0
    if bin_m is None or len(bins) == 0 or float(bins.max()) - first >= _MOST_BINS:
        place, of_pair, pairs = bins.unique(return_inverse=True, return_counts=True)
        return place * (1.0 if bin_m is None else bin_m), of_pair, pairs.double()
    bins = (bins - first).long()
    pairs = bins.bincount()  # a sort of all pairs would take most of the time
    filled = torch.nonzero(pairs).squeeze(1)
    of_bin = torch.zeros_like(pairs)
    of_bin[filled] = torch.arange(len(filled), device=bins.device)
    return (filled + first).double() * bin_m, of_bin[bins], pairs[filled].double()


def _rule_of_thumb(place: Tensor, pairs: Tensor) -> float:
    """Bandwidth 1.06 std n^(-1/5) of n weighted places, with the unbiased standard deviation; 0 for less than two pairs."""
    n = float(pairs.sum())
    if n < 2.0:
        return 0.0
    mean = (place @ pairs) / n
    variance = float((place - mean).square() @ pairs) / (n - 1.0)
    return 1.06 * math.sqrt(variance) * n**-0.2 if len(place) > 1 else 0.0
