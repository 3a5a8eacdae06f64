"""Losses of the methods OLIVINE is compared with: written-out sums, gradients, and batches that are nearly nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from offline_training.losses import depthcontrast, pointcontrast, scalr, seal, slidr, st_slidr
from offline_training.losses.info_nce import paired_info_nce
from tests.training.losses.random_rows import unit_rows


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- SLidR --------------------------------------------------------------------------------------------------------


def test_slidr_contrasts_the_means_of_points_and_pixels_of_the_superpixels_with_points():
    superpixels = torch.randint(0, 6, (2, 5, 7), generator=_generator())
    superpixels[1] += 6
    superpixels[0, 0, 0] = -1
    feature_map, point = functional.normalize(unit_rows(2, 4, 5, 7), dim=1), unit_rows(30, 4, seed=3)
    pair_superpixel = torch.randint(-1, 9, (30,), generator=_generator(1))
    points, pixels = [], []
    for one in range(12):
        if (pair_superpixel == one).any() and (superpixels == one).any():
            points.append(point[pair_superpixel == one].mean(0))
            pixels.append(feature_map.permute(0, 2, 3, 1)[superpixels == one].mean(0))
    expected = paired_info_nce(torch.stack(points), torch.stack(pixels))
    point_mean, pixel_mean, _ = slidr.paired_means(point, pair_superpixel, feature_map, superpixels, 12)
    torch.testing.assert_close(slidr.superpixel_contrastive(point_mean, pixel_mean), expected)


@given(st.permutations(range(20)))
def test_means_of_segments_do_not_depend_on_the_order_of_the_rows(order):
    feature, segment = unit_rows(20, 3), torch.arange(20) % 6 - 1
    for one, other in zip(
        slidr.superpixel_means(feature[order], segment[order], 7),
        slidr.superpixel_means(feature, segment, 7),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_segment_without_rows_is_absent():
    mean, present = slidr.superpixel_means(torch.ones(3, 2), torch.tensor([0, 2, -1]), 4)
    assert present.tolist() == [True, False, True, False]
    assert mean.tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]


# --- ST-SLidR -----------------------------------------------------------------------------------------------------


def _slow_tolerant(point, pixel, similarity, share, balanced):
    count, total, weights = len(point), 0.0, []
    frequency = [sum(float(s) for s in row if s >= 0.5) for row in similarity]
    for i in range(count):
        dissimilarity = 1 - similarity[i]
        threshold = torch.quantile(dissimilarity, share)
        logits = [
            float(point[i] @ pixel[j]) / 0.07 * (1.0 if j == i or dissimilarity[j] >= threshold else 0.0)
            for j in range(count)
        ]
        weight = 1 - (frequency[i] - min(frequency)) / (max(frequency) - min(frequency)) if balanced else 1.0
        total += weight * (math.log(sum(math.exp(x) for x in logits)) - logits[i])
        weights.append(weight)
    return total / sum(weights)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.2, 0.33])
def test_the_tolerant_loss_equals_the_sum_written_out(share, balanced):
    point, pixel = unit_rows(25, 4), unit_rows(25, 4, seed=1)
    similarity = st_slidr.superpixel_similarity(torch.rand(25, 9, generator=_generator(), dtype=torch.float64))
    value = st_slidr.semantically_tolerant_contrastive(
        point, pixel, similarity, excluded_share=share, balanced=balanced
    )
    assert float(value) == pytest.approx(_slow_tolerant(point, pixel, similarity, share, balanced), rel=1e-12)


def test_rare_kinds_weigh_more_than_frequent_ones():
    teacher = torch.cat([torch.tensor([1.0, 0.0]).expand(9, 2), torch.tensor([[0.0, 1.0]])])
    weight = st_slidr.balance_weights(st_slidr.superpixel_similarity(teacher))
    assert weight.tolist() == pytest.approx([0.0] * 9 + [1.0])
    same = st_slidr.balance_weights(st_slidr.superpixel_similarity(teacher[:9]))
    assert same.tolist() == pytest.approx([1.0] * 9)


def test_superpixels_without_a_teacher_feature_take_no_part():
    point, pixel = unit_rows(12, 4), unit_rows(12, 4, seed=1)
    teacher = torch.rand(12, 5, dtype=torch.float64, generator=_generator())
    teacher[7] = 0.0
    rest = torch.arange(12) != 7
    torch.testing.assert_close(
        st_slidr.semantically_tolerant_contrastive(point, pixel, st_slidr.superpixel_similarity(teacher)),
        st_slidr.semantically_tolerant_contrastive(
            point[rest], pixel[rest], st_slidr.superpixel_similarity(teacher[rest])
        ),
    )


# --- Seal ---------------------------------------------------------------------------------------------------------


def test_temporal_contrast_pairs_the_clusters_seen_at_both_times():
    now, then = unit_rows(12, 4), unit_rows(9, 4, seed=1)
    cluster, next_cluster = torch.arange(12) % 4, torch.arange(9) % 3 + 1  # 1, 2, 3 are common
    means = [
        torch.stack([feature[ids == one].mean(0) for one in (1, 2, 3)])
        for feature, ids in ((now, cluster), (then, next_cluster))
    ]
    torch.testing.assert_close(seal.temporal(now, cluster, then, next_cluster, 5), paired_info_nce(*means))


def test_points_are_drawn_to_the_mean_of_their_own_segment():
    feature, segment = unit_rows(10, 4), torch.tensor([0, 0, 0, 3, 3, 5, 5, 5, 5, -1])
    mean = {one: feature[segment == one].mean(0) for one in (0, 3, 5)}
    terms = [
        math.log(sum(math.exp(float(feature[i] @ other) / 0.07) for other in mean.values()))
        - float(feature[i] @ mean[int(segment[i])]) / 0.07
        for i in range(9)
    ]
    assert float(seal.point_to_segment(feature, segment, 7)) == pytest.approx(sum(terms) / 9, rel=1e-12)


# --- PointContrast ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 12), st.integers(0, 99))
def test_each_anchor_keeps_one_of_its_matches(anchors, count, seed):
    chosen = pointcontrast.pick_matches(torch.tensor(anchors, dtype=torch.int64), count, _generator(seed)).tolist()
    kept = [anchors[row] for row in chosen]
    assert len(set(kept)) == len(kept) == min(count, len(set(anchors)))


def test_every_match_of_an_anchor_is_as_likely():
    anchor = torch.tensor([4, 4, 4, 1])
    picks = torch.stack([pointcontrast.pick_matches(anchor, 2, _generator(seed)).sort().values for seed in range(600)])
    shares = picks[:, 0].bincount(minlength=3) / 600
    assert bool(((shares - 1 / 3).abs() < 4.5 * math.sqrt(2 / 9 / 600)).all())


# --- DepthContrast ------------------------------------------------------------------------------------------------


def test_a_scan_is_told_from_the_queue():
    query, key, negatives = unit_rows(3, 5), unit_rows(3, 5, seed=1), unit_rows(7, 5, seed=2)
    terms = [
        math.log(math.exp(float(q @ k) / 0.1) + sum(math.exp(float(q @ n) / 0.1) for n in negatives))
        - float(q @ k) / 0.1
        for q, k in zip(query, key, strict=True)
    ]
    assert float(depthcontrast.instance_contrastive(query, key, negatives)) == pytest.approx(sum(terms) / 3, rel=1e-12)


@given(st.lists(st.integers(0, 9), max_size=8))
def test_the_queue_holds_the_newest_keys(batches):
    queue, pushed = depthcontrast.KeyQueue(6, 1), []
    for size in batches:
        keys = [float(len(pushed) + i + 1) for i in range(size)]
        queue.push(torch.tensor(keys).reshape(-1, 1))
        pushed += keys
    assert sorted(queue.negatives().flatten().tolist()) == pushed[-6:]


def test_the_key_encoder_follows_slowly():
    slow, fast = nn.Linear(2, 2), nn.Linear(2, 2)
    expected = 0.9 * slow.weight.detach().clone() + 0.1 * fast.weight.detach()
    depthcontrast.follow(slow, fast, momentum=0.9)
    torch.testing.assert_close(slow.weight.detach(), expected)


# --- ScaLR --------------------------------------------------------------------------------------------------------


def test_the_distance_of_scalr_depends_on_directions_only():
    point, pixel = unit_rows(9, 4), unit_rows(9, 4, seed=1)
    cosine = (point * pixel).sum(1)
    torch.testing.assert_close(scalr.direction_distance(3 * point, 0.5 * pixel), (2 - 2 * cosine).sqrt().mean())


# --- all of them --------------------------------------------------------------------------------------------------


def _superpixel_loss(feature, partner, label):
    superpixels, feature_map = torch.arange(8).reshape(1, 2, 4) % 3, feature.new_ones(1, feature.shape[1], 2, 4)
    point_mean, pixel_mean, _ = slidr.paired_means(feature, label, feature_map, superpixels, 4)
    return slidr.superpixel_contrastive(point_mean, pixel_mean)


def _tolerant_loss(feature, partner, label):
    mean, present = slidr.superpixel_means(feature, label, 4)
    pixel_mean, _ = slidr.superpixel_means(partner, label, 4)
    similarity = st_slidr.superpixel_similarity(pixel_mean[present])
    return st_slidr.semantically_tolerant_contrastive(mean[present], pixel_mean[present], similarity)


LOSSES = {
    "ppkt": lambda feature, partner, label: paired_info_nce(feature, partner),
    "slidr": _superpixel_loss,
    "st-slidr": _tolerant_loss,
    "seal, spatial": lambda feature, partner, label: seal.spatial(feature, partner),
    "seal, temporal": lambda feature, partner, label: seal.temporal(feature, label, partner, label.roll(1), 4),
    "seal, point to segment": lambda feature, partner, label: seal.point_to_segment(feature, label, 4),
    "pointcontrast": lambda feature, partner, label: pointcontrast.point_info_nce(feature, partner),
    "depthcontrast": lambda feature, partner, label: depthcontrast.instance_contrastive(
        feature, partner, unit_rows(5, 4).to(partner.dtype)
    ),
    "depthcontrast, empty queue": lambda feature, partner, label: depthcontrast.instance_contrastive(
        feature, partner, partner[:0]
    ),
    "scalr": lambda feature, partner, label: scalr.direction_distance(feature, partner),
}
EDGE_BATCHES = {
    "no row": (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)),
    "one row": (unit_rows(1, 4).float(), torch.tensor([2])),
    "one segment": (unit_rows(9, 4).float(), torch.full((9,), 2)),
    "no segment": (unit_rows(9, 4).float(), torch.full((9,), -1)),
    "equal features": (torch.full((9, 4), 0.5), torch.arange(9) % 3),
    "zero features": (torch.zeros(9, 4), torch.arange(9) % 3),
    "half precision": (unit_rows(9, 4).half(), torch.arange(9) % 3),
}


@pytest.mark.parametrize("case", EDGE_BATCHES)
@pytest.mark.parametrize("loss", LOSSES)
def test_an_odd_batch_gives_a_finite_loss_with_a_finite_gradient(loss, case):
    feature, label = EDGE_BATCHES[case]
    feature, partner = feature.clone().requires_grad_(), feature.roll(1, 1)
    value = LOSSES[loss](feature, partner, label)
    value.backward()
    assert value.shape == ()
    assert bool(value.isfinite())
    assert feature.grad is not None
    assert bool(feature.grad.isfinite().all())


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    feature, partner = unit_rows(7, 4, seed=4).requires_grad_(), unit_rows(7, 4, seed=9)
    label = torch.tensor([0, 1, 1, 3, -1, 0, 2])
    assert torch.autograd.gradcheck(lambda moved: LOSSES[loss](moved, partner, label), feature)
