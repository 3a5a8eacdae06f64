"""Objectives on made batches: what each draws, what each leaves out, and against the losses written out."""

import pytest
import torch

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.losses.info_nce import paired_info_nce
from offline_training.losses.olivine import weakly_supervised_contrastive
from offline_training.losses.scalr import direction_distance
from offline_training.losses.slidr import paired_means, superpixel_contrastive
from offline_training.networks.base.point_backbone import BackboneInputs
from offline_training.networks.projection_heads import PointHead, ProjectionHeads
from offline_training.pretraining.base.objective import PointFeatures
from offline_training.pretraining.methods.olivine import Olivine, OlivineConfig
from offline_training.pretraining.methods.ppkt import Ppkt
from offline_training.pretraining.methods.scalr import Scalr, bilinear_at
from offline_training.pretraining.methods.seal import Seal
from offline_training.pretraining.methods.slidr import Slidr
from offline_training.pretraining.methods.st_slidr import StSlidr
from offline_training.pretraining.views.pretrain_batch import PretrainBatch

ROWS, PAIRS, CHANNELS, TEACHER, STRIDE = 40, 60, 8, 12, 4
SIZE = (16, 24)


def batch(label: torch.Tensor | None = None, pairs: int = PAIRS, **changes: object) -> PretrainBatch:
    """Two scans of 20 points, which are their own rows, and two pictures each."""
    chance = torch.Generator().manual_seed(0)

    def draw(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, shape, generator=chance)

    image = draw(4, pairs)
    label = draw(5, pairs) if label is None else label
    values = {
        "inputs": BackboneInputs(torch.arange(ROWS), ROWS, (20, 20)),
        "images": torch.zeros(4, *SIZE, 3, dtype=torch.uint8),
        "pair_row": draw(ROWS, pairs),
        "pair_image": image,
        "pair_uv": torch.stack([draw(SIZE[1], pairs), draw(SIZE[0], pairs)], dim=1),
        "pair_class": label,
        "pair_true_class": label,
        "pair_distance_m": draw(50, pairs).float(),
        "superpixels": draw(6, 4, *SIZE) + 6 * torch.arange(4)[:, None, None],
        "superpixel_count": 24,
        "point_segment": draw(4, ROWS) - 1,
        "segment_count": 3,
    }
    return PretrainBatch(**{**values, **changes})


@pytest.fixture
def features() -> PointFeatures:
    sites = torch.randn(ROWS, CHANNELS, generator=torch.Generator().manual_seed(1)).requires_grad_()
    return PointFeatures(sites, lambda values: values)


@pytest.fixture
def teacher_map() -> torch.Tensor:
    return torch.randn(4, TEACHER, SIZE[0] // STRIDE, SIZE[1] // STRIDE, generator=torch.Generator().manual_seed(2))


def heads(decoupled: bool = False) -> ProjectionHeads:
    torch.manual_seed(3)
    return ProjectionHeads(CHANNELS, TEACHER, STRIDE, decoupled)


def olivine(decoupled: bool = True, **changes: object) -> Olivine:
    """Over five weak classes."""
    config = OlivineConfig(out="unused", train=(), max_steps=1, **changes)
    return Olivine(heads(decoupled), [f"class{number}" for number in range(5)], config)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def at_pairs(head: ProjectionHeads, features: PointFeatures, teacher_map: torch.Tensor, of: PretrainBatch) -> tuple:
    """All features of all pairs, from whole maps."""
    u, v = of.pair_uv.T
    full = [head.pixel(teacher_map), (head.class_pixel or head.pixel)(teacher_map)]
    point, class_point = (one(features.sites) for one in (head.point, head.class_point or head.point))
    pixel, class_pixel = (one[of.pair_image, :, v, u] for one in full)
    return point[of.pair_row], pixel, class_point[of.pair_row], class_pixel


def test_olivine_over_all_pairs_is_the_papers_sum(features, teacher_map):
    objective, of = olivine(class_model="none", matches=1000), batch()
    losses = objective(features, teacher_map, of, 0, chance())
    point, pixel, class_point, class_pixel = at_pairs(objective.heads, features, teacher_map, of)
    apart = paired_info_nce(point, pixel), weakly_supervised_contrastive(class_point, class_pixel, of.pair_class)
    torch.testing.assert_close(losses["point_pixel"], apart[0])
    torch.testing.assert_close(losses["weakly_supervised"], apart[1])
    torch.testing.assert_close(losses["loss"], 0.5 * (apart[0] + apart[1]))


def test_consistency_begins_when_the_statistics_stand_still(features, teacher_map):
    objective = olivine(vmf_decay=0.5, vmf_freeze_step=1)
    told = []
    for step in range(4):
        losses = objective(features, teacher_map, batch(), step, chance())
        told.append((float(losses["consistency"].detach()), objective.statistics.mean_feature.clone()))
    assert [value == 0.0 for value, _ in told] == [True, True, False, False]
    assert not torch.equal(told[0][1], told[1][1])
    assert torch.equal(told[1][1], told[3][1])
    assert set(objective.numbers()) == {f"kappa/class{number}" for number in range(5)}


@pytest.mark.parametrize("averaged", [False, True])
def test_the_key_of_averaging_over_processes_reaches_the_statistics(averaged):
    assert olivine(vmf_average_over_ranks=averaged).statistics.average_over_ranks == averaged


@pytest.mark.parametrize("sampling", ["density_and_category", "density", "category", "random"])
@pytest.mark.parametrize("network", ["minkunet_small", "voxelnet"])  # which count distances in decimetres and metres
def test_pairs_without_a_class_are_never_drawn(sampling, network):
    label = torch.randint(0, 3, (PAIRS,), generator=chance())
    label[::3] = 255
    weights = olivine(False, sampling=sampling, network=network).pair_weights(batch(label))
    assert torch.equal(weights > 0, label != 255)
    assert (len(weights[label != 255].unique()) == 1) == (sampling == "random")


@pytest.mark.parametrize("label", [torch.full((PAIRS,), 255), torch.empty(0, dtype=torch.int64)])
def test_without_labels_or_pairs_there_is_a_gradient_and_it_is_finite(features, teacher_map, label):
    objective = olivine(vmf_decay=0.5, vmf_freeze_step=0)
    for step in range(2):
        losses = objective(features, teacher_map, batch(label, len(label)), step, chance())
        losses["loss"].backward()
    assert float(losses["weakly_supervised"]) == 0.0
    assert bool(features.sites.grad.isfinite().all())
    assert all(parameter.grad is not None for parameter in objective.heads.parameters())


def test_ppkt_over_all_pairs_is_info_nce(features, teacher_map):
    objective, of = Ppkt(heads(), 1000, 0.07, False), batch()
    point, pixel, _, _ = at_pairs(objective.heads, features, teacher_map, of)
    torch.testing.assert_close(objective(features, teacher_map, of, 0, chance())["loss"], paired_info_nce(point, pixel))


def test_slidr_is_its_loss_over_the_batch(features, teacher_map):
    objective, of = Slidr(heads(), 0.07, False), batch()
    point, *_ = at_pairs(objective.heads, features, teacher_map, of)
    pixels = objective.heads.pixel(teacher_map)
    point_mean, pixel_mean, _ = paired_means(point, of.pair_superpixel(), pixels, of.superpixels, 24)
    whole = superpixel_contrastive(point_mean, pixel_mean)
    torch.testing.assert_close(objective(features, teacher_map, of, 0, chance())["loss"], whole)


@pytest.mark.parametrize("method", [Slidr, StSlidr, Seal])
@pytest.mark.parametrize("pairs", [PAIRS, 1, 0])
def test_superpixel_methods_have_a_finite_gradient_with_any_number_of_pairs(features, teacher_map, method, pairs):
    loss = method(heads(), 0.07, False)(features, teacher_map, batch(pairs=pairs), 0, chance())["loss"]
    loss.backward()
    assert bool(loss.isfinite())
    assert bool(features.sites.grad.isfinite().all())


def test_superpixel_methods_ask_for_superpixels_and_seal_for_clusters(features, teacher_map):
    with pytest.raises(BadDataset, match="superpixels"):
        Slidr(heads(), 0.07, False)(features, teacher_map, batch(superpixels=None), 0, chance())
    with pytest.raises(BadDataset, match="clusters"):
        Seal(heads(), 0.07, False)(features, teacher_map, batch(point_segment=None), 0, chance())


def test_scalr_compares_with_the_frozen_features_under_the_pixels(features, teacher_map):
    torch.manual_seed(3)
    objective, of = Scalr(PointHead(CHANNELS, TEACHER)), batch()
    upsampled = torch.nn.functional.interpolate(teacher_map, scale_factor=STRIDE, mode="bilinear", align_corners=True)
    pixel = upsampled[of.pair_image, :, of.pair_uv[:, 1], of.pair_uv[:, 0]]
    torch.testing.assert_close(bilinear_at(teacher_map, of.pair_image, of.pair_uv, SIZE), pixel, rtol=1e-4, atol=1e-5)
    expected = direction_distance(objective.heads(features.sites)[of.pair_row], pixel)
    torch.testing.assert_close(objective(features, teacher_map, of, 0, chance())["loss"], expected)
