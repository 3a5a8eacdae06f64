"""Batches of paired scans: every pair finds the row, the picture, the class and the superpixel it had in its own scan."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.networks.base.point_backbone import BackboneInputs
from offline_training.pretraining.views.paired_scan import PairedScan
from offline_training.pretraining.views.pretrain_batch import collate_pairs
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import preparer_of

HEIGHT, WIDTH = 12, 20


@dataclass(frozen=True)
class EveryThirdIsOutside:
    """Row of a point: its place among those that are inside, last point first; every third point has none."""

    def __call__(self, scans):
        count = sum(len(xyz_m) for xyz_m, _ in scans)
        inside = np.arange(count) % 3 != 0
        row = np.full(count, -1, np.int64)
        row[inside] = np.arange(inside.sum())[::-1]
        return BackboneInputs(torch.from_numpy(row), int(inside.sum()), tuple(len(xyz_m) for xyz_m, _ in scans))


def scan(seed: int, points: int, images: int, pairs: int) -> PairedScan:
    rng = np.random.default_rng(seed)
    return PairedScan(
        xyz_m=rng.normal(0, 10, (points, 3)).astype(np.float32),
        intensity=rng.random(points, np.float32),
        images=tuple(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(images)),
        superpixels=tuple(rng.integers(-1, 5 + seed, (HEIGHT, WIDTH), np.int32) for _ in range(images)),
        point_index=rng.integers(0, points, pairs),
        image_index=rng.integers(0, images, pairs),
        pixel_uv=(rng.random((pairs, 2)) * (WIDTH, HEIGHT)).astype(np.int32),
        weak_class=rng.choice(np.array([0, 1, 7, 255], np.uint8), pairs),
        class_id=rng.choice(np.array([2, 3, 255], np.uint8), points),
        segment=rng.integers(-1, 4, points).astype(np.int32),
    )


@pytest.fixture
def scans() -> list[PairedScan]:
    return [scan(0, 50, 2, 90), scan(1, 31, 3, 40), scan(2, 5, 1, 0)]


def test_every_pair_keeps_what_belongs_to_it(scans):
    preparer = EveryThirdIsOutside()
    batch = collate_pairs(scans, preparer)
    row_of_point = preparer([(one.xyz_m, one.intensity) for one in scans]).row_of_point.numpy()
    per_image = 1 + max(int(ids.max()) for one in scans for ids in one.superpixels)
    place, first_point, first_image = 0, 0, 0
    for one in scans:  # one pair after the other, the slow way
        for p in range(len(one.point_index)):
            row = row_of_point[first_point + one.point_index[p]]
            if row < 0:
                continue
            image, (u, v) = one.image_index[p], one.pixel_uv[p]
            assert batch.pair_row[place] == row
            assert batch.pair_image[place] == first_image + image
            assert_array_equal(batch.images[batch.pair_image[place]], one.images[image])
            assert_array_equal(batch.pair_uv[place], (u, v))
            assert batch.pair_class[place] == one.weak_class[p]
            assert batch.pair_true_class[place] == one.class_id[one.point_index[p]]
            assert_allclose(batch.pair_distance_m[place], np.hypot(*one.xyz_m[one.point_index[p], :2]), rtol=1e-6)
            local = one.superpixels[image][v, u]
            assert batch.pair_superpixel()[place] == (-1 if local < 0 else (first_image + image) * per_image + local)
            place += 1
        first_point, first_image = first_point + len(one), first_image + len(one.images)
    assert place == len(batch.pair_row)
    assert 0 < place < 130


def test_ids_of_superpixels_and_segments_are_unique_in_the_batch(scans):
    images, per_image = 6, 6 + 1  # local ids up to 6
    scans[2] = replace(scans[2], superpixels=(np.full((HEIGHT, WIDTH), 6, np.int32),))
    batch = collate_pairs(scans, EveryThirdIsOutside())
    assert batch.superpixel_count == images * per_image
    assert int(batch.superpixels.max()) == batch.superpixel_count - 1
    for number, local in enumerate(ids for one in scans for ids in one.superpixels):
        assert_array_equal(batch.superpixels[number], np.where(local < 0, -1, number * per_image + local))
    segments = np.split(batch.point_segment.numpy(), np.cumsum([len(one) for one in scans])[:-1])
    assert_array_equal(segments[0], scans[0].segment)
    assert set(segments[1][segments[1] >= 0].tolist()).isdisjoint(segments[0].tolist())
    assert_array_equal(segments[2] >= 0, scans[2].segment >= 0)
    assert batch.segment_count > batch.point_segment.max()


def test_scans_of_one_moment_pair_share_their_segments(scans):
    pair = [scans[0], replace(scans[1], segment=scans[1].segment)]
    batch = collate_pairs([*pair, *pair], EveryThirdIsOutside(), scans_per_sample=2)
    assert_array_equal(batch.point_segment[:81], np.concatenate([one.segment for one in pair]))
    count = int(batch.point_segment[:81].max()) + 1
    second = batch.point_segment[81:]
    assert_array_equal(second[second >= 0], (batch.point_segment[:81] + count)[batch.point_segment[:81] >= 0])
    assert_array_equal(batch.inputs.scan_of_point(), np.repeat([0, 1, 2, 3], [50, 31, 50, 31]))


def test_pictures_travel_as_bytes_and_become_floats_where_they_arrive(scans):
    batch = collate_pairs(scans, EveryThirdIsOutside())
    assert batch.images.dtype == torch.uint8
    rgb = batch.rgb()
    assert rgb.shape == (6, 3, HEIGHT, WIDTH)
    assert rgb.dtype == torch.float32
    assert_allclose(rgb[4, 1], scans[1].images[2][..., 1] / 255, rtol=1e-6)


def test_no_pair_at_all_is_a_batch_too(scans):
    batch = collate_pairs([scans[2], scans[2]], EveryThirdIsOutside())
    assert len(batch.pair_row) == len(batch.pair_superpixel()) == 0
    assert batch.pair_uv.shape == (0, 2)
    assert batch.images.shape == (2, HEIGHT, WIDTH, 3)


def test_scans_without_labels_have_none(scans):
    bare = [replace(one, superpixels=None, class_id=None, segment=None) for one in scans]
    batch = collate_pairs(bare, EveryThirdIsOutside())
    assert (batch.pair_true_class == 255).all()
    assert batch.superpixels is None
    assert batch.point_segment is None
    with pytest.raises(BadDataset, match="superpixels"):
        batch.pair_superpixel()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: replace(one, images=tuple(image[:-1] for image in one.images)), "expected one size"),
        (lambda one: replace(one, superpixels=None), "superpixels: expected them for every scan"),
        (lambda one: replace(one, segment=None), "segments: expected them for every scan"),
    ],
)
def test_scans_that_do_not_fit_together_are_refused(scans, change, message):
    with pytest.raises(BadDataset, match=message):
        collate_pairs([scans[0], change(scans[1])], EveryThirdIsOutside())


def test_a_batch_without_pictures_is_refused(scans):
    with pytest.raises(BadDataset, match="at least one"):
        collate_pairs([replace(scans[2], images=(), superpixels=None)], EveryThirdIsOutside())


def test_a_batch_moves_between_processes_and_devices(scans):
    batch = collate_pairs(scans, EveryThirdIsOutside())
    for copy in (batch.to("cpu"), pickle.loads(pickle.dumps(batch))):
        assert_array_equal(copy.pair_row, batch.pair_row)
        assert copy.superpixel_count == batch.superpixel_count
    assert batch.to("meta").inputs.row_of_point.device.type == "meta"


def test_rows_are_those_of_the_network(scans):
    batch = collate_pairs(scans, preparer_of(BackboneConfig(point_cloud_range=(-10, -10, -10, 10, 10, 10))))
    assert 0 < len(batch.pair_row) < 130
    assert int(batch.pair_row.max()) < batch.inputs.row_count
