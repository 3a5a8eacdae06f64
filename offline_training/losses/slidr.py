"""SLidR (Sautier et al., CVPR 2022): the mean point feature of each superpixel against the mean pixel features of all."""

from torch import Tensor

from offline_training.losses.info_nce import at_least_float32, paired_info_nce


def superpixel_means(feature: Tensor, segment: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean feature of each segment, and which segments have any row.

    feature: (P, C); segment: (P,) int64 ids 0..count-1, negative = none. Returns (count, C), zeros where there is no row, and
    (count,) bool. The means are not normalised again, as in the original.
    """
    inside = segment >= 0
    rows, ids = at_least_float32(feature)[inside], segment[inside]
    total = rows.new_zeros((count, feature.shape[1])).index_add(0, ids, rows)
    members = ids.bincount(minlength=count)
    return total / members.clamp_min(1)[:, None], members > 0


def pixel_means(feature_map: Tensor, superpixels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean feature of each superpixel over all its pixels, as superpixel_means.

    feature_map: (I, C, H, W); superpixels: (I, H, W) int64 ids over all images, negative = none.
    """
    return superpixel_means(feature_map.permute(0, 2, 3, 1).flatten(0, 2), superpixels.flatten(), count)


def paired_means(
    point_feature: Tensor, pair_superpixel: Tensor, feature_map: Tensor, superpixels: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean point and mean pixel feature (S, C) of the S superpixels of a batch that have both, and which: (count,) bool.

    point_feature: (P, C) of the pairs; pair_superpixel: (P,) int64 superpixel of the pair's pixel, negative = none;
    feature_map: (I, C, H, W) of the image head; superpixels: (I, H, W) int64 ids 0..count-1 over all images, negative = none.
    """
    point_mean, has_points = superpixel_means(point_feature, pair_superpixel, count)
    pixel_mean, has_pixels = pixel_means(feature_map, superpixels, count)
    both = has_points & has_pixels
    return point_mean[both], pixel_mean[both], both


def superpixel_contrastive(point_mean: Tensor, pixel_mean: Tensor, temperature: float = 0.07) -> Tensor:
    """InfoNCE between the two mean features of each superpixel (SLidR, eq. 1). point_mean, pixel_mean: (S, C)."""
    return paired_info_nce(point_mean, pixel_mean, temperature)
