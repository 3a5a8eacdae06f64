"""Superpixels: SLIC with SLidR's numbers, SAM masks painted as Seal does, and their purity on a real scan."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadDataset, BadLabels
from offline_training.datasets.lidar.semantic_kitti import SemanticKitti
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.weak_labels.store.label_store import NO_SEGMENT, LabelStore
from offline_training.weak_labels.superpixels import read_masks, sam_superpixels, slic
from offline_training.weak_labels.weak_label import weak_label
from tests.recordings import recording

# --- SAM masks


@settings(max_examples=60)
@given(count=st.integers(0, 5), seed=st.integers(0, 2**32 - 1), shape=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_each_pixel_belongs_to_its_smallest_mask_and_ids_are_ranks_by_area(count, seed, shape):
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) < rng.random() for _ in range(count)]
    segment_id = sam_superpixels(masks, shape)
    ranked = sorted(masks, key=lambda mask: -mask.sum())
    for row, column in np.ndindex(shape):
        over = [rank for rank, mask in enumerate(ranked) if mask[row, column]]
        assert segment_id[row, column] == (max(over) if over else NO_SEGMENT)
    original = sam_superpixels(masks, shape, uncovered=0)
    assert (original == np.where(segment_id == NO_SEGMENT, 0, segment_id)).all()


def test_masks_of_another_picture_are_refused(tmp_path):
    with pytest.raises(BadLabels, match="another image"):
        sam_superpixels([np.ones((2, 3), bool)], (2, 2))
    with pytest.raises(BadLabels, match="found none"):
        read_masks(tmp_path)
    (tmp_path / "0.png").write_bytes(b"hello")
    with pytest.raises(BadLabels, match=r"0\.png"):
        read_masks(tmp_path)


# --- purity


def purity(segments_of_point: Sequence[np.ndarray], label: np.ndarray, min_points: int = 20) -> np.ndarray:
    """Share of each segment's points that have its most frequent label.

    segments_of_point: one (P,) bool per segment, which may overlap; label: (P,) ids >= 0. Returns one share for each
    segment with more than min_points points.
    """
    shares = []
    for inside in segments_of_point:
        counts = np.bincount(label[inside])
        if counts.sum() > min_points:
            shares.append(counts.max() / counts.sum())
    return np.array(shares)


def test_purity_is_the_share_of_the_most_frequent_label_of_each_large_enough_segment():
    label = np.array([1, 1, 1, 2, 5, 5])
    segments = [np.array([1, 1, 1, 1, 0, 0], bool), np.array([0, 0, 0, 1, 1, 1], bool), np.zeros(6, bool)]
    assert purity(segments, label, min_points=2).tolist() == pytest.approx([3 / 4, 2 / 3])
    assert purity(segments, label, min_points=3).tolist() == [3 / 4]
    assert purity([], label).tolist() == []


@pytest.fixture(scope="module")
def kitti(test_data):
    recording(test_data, "semantickitti/sequences/00/sam_masks/000000")
    return recording(test_data, "semantickitti")


@pytest.fixture(scope="module")
def scan(kitti):
    return scan_of(kitti)


def scan_of(kitti):
    return SemanticKitti(kitti, ["00"], ["000000"])[0]


def test_the_purity_of_real_sam_masks_is_the_published_one(real_data):
    """Majority share of the raw labels over each of the overlapping masks with more than 20 points: 0.864."""
    kitti = recording(real_data, "semantickitti/sequences/00/sam_masks").parents[2]
    scan = scan_of(kitti)
    raw = np.fromfile(kitti / "sequences/00/labels/000000.label", np.uint32) & 0xFFFF
    view = scan.views[0]
    pairs = point_pixel_pairs(scan.cloud.xyz_m, [(view.camera, view.T_cam_lidar)], min_depth_m=0.0)
    column, row = pairs.pixel_uv.T
    masks = read_masks(kitti / "sequences/00/sam_masks/000000")
    assert len(masks) == 94
    assert np.any(masks, axis=0).mean() == pytest.approx(0.856, abs=0.001)
    shares = purity([mask[row, column] for mask in masks], raw[pairs.point_index])
    assert shares.mean() == pytest.approx(0.864, abs=0.01)
    assert 70 <= len(shares) <= 73


def test_painted_superpixels_are_purer_than_the_overlapping_masks_they_come_from(kitti, scan):
    view = scan.views[0]
    pairs = point_pixel_pairs(scan.cloud.xyz_m, [(view.camera, view.T_cam_lidar)], min_depth_m=0.0)
    column, row = pairs.pixel_uv.T
    label = scan.class_id[pairs.point_index]
    masks = read_masks(kitti / "sequences/00/sam_masks/000000")
    segment_of_point = sam_superpixels(masks, (view.camera.height, view.camera.width))[row, column]
    painted = purity([segment_of_point == rank for rank in range(len(masks))], label)
    overlapping = purity([mask[row, column] for mask in masks], label)
    assert painted.mean() > overlapping.mean()


# --- SLIC


def test_slic_cuts_a_picture_into_about_as_many_connected_segments_as_asked():
    from scipy import ndimage

    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    image = coarse.repeat(20, axis=0).repeat(20, axis=1)
    for wanted in (30, 150):
        segment_id = slic(image, wanted)
        ids = np.unique(segment_id)
        assert segment_id.shape == image.shape[:2]
        assert segment_id.dtype == np.uint16
        assert ids.tolist() == list(range(len(ids)))
        assert 0.5 * wanted <= len(ids) <= 1.2 * wanted
        assert all(ndimage.label(segment_id == each)[1] == 1 for each in ids)
        assert (slic(image, wanted) == segment_id).all()


def test_slic_segments_of_a_picture_are_mostly_of_one_class(scan):
    view = scan.views[0]
    segment_id = slic(view.load_rgb())
    pairs = point_pixel_pairs(scan.cloud.xyz_m, [(view.camera, view.T_cam_lidar)], min_depth_m=0.0)
    column, row = pairs.pixel_uv.T
    segment_of_point, label = segment_id[row, column], scan.class_id[pairs.point_index]
    least = 20 if len(scan.cloud) > 100_000 else 5
    found = purity([segment_of_point == each for each in np.unique(segment_id)], label, least)
    shuffled = np.random.default_rng(0).permutation(segment_of_point)
    mixed = purity([shuffled == each for each in np.unique(segment_id)], label, least)
    assert found.mean() > 0.75 > mixed.mean()


# --- through the command


def _config(kitti, out, **changes):
    source = {"kind": "semantic_kitti", "folder": str(kitti), "sequences": ["00"], "frames": ["000000"]}
    return validated(WeakLabelConfig, {"out": str(out), "source": [source], **changes}, "test")


def test_sam_masks_beside_a_data_set_become_superpixels_of_its_views(kitti, scan, tmp_path):
    masks = {"superpixels": "sam", "sam_masks": str(kitti), "sam_template": "{folder}/../sam_masks/{stem}"}
    report = weak_label(_config(kitti, tmp_path, **masks))
    assert (report.made, report.class_pixels.sum()) == (1, 0)
    stored = LabelStore(tmp_path).read_superpixels(scan.views[0])
    painted = read_masks(kitti / "sequences/00/sam_masks/000000")
    assert (stored == sam_superpixels(painted, stored.shape)).all()
    assert ((stored == NO_SEGMENT) == ~np.any(painted, axis=0)).all()
    assert weak_label(_config(kitti, tmp_path, **masks)).present == 1
    assert (tmp_path / "preview.png").exists()


def test_changed_masks_are_painted_anew_and_absent_ones_told(kitti, scan, tmp_path):
    folder = tmp_path / "masks" / "000000"
    folder.mkdir(parents=True)
    camera = scan.views[0].camera
    mask = np.zeros((camera.height, camera.width), np.uint8)
    mask[:100] = 255
    Image.fromarray(mask).save(folder / "a.png")
    config = _config(
        kitti, tmp_path / "out", superpixels="sam", sam_masks=str(tmp_path / "masks"), sam_template="{stem}"
    )
    assert weak_label(config).made == 1
    Image.fromarray(255 - mask).save(folder / "a.png")
    assert weak_label(config).made == 1
    assert LabelStore(tmp_path / "out").read_superpixels(scan.views[0])[0, 0] == NO_SEGMENT
    (folder / "a.png").unlink()
    with pytest.raises(BadDataset, match="one PNG for each mask"):
        weak_label(config)


def test_slic_superpixels_are_made_once_and_the_numbers_are_part_of_their_identity(kitti, scan, tmp_path):
    first = _config(kitti, tmp_path, superpixels="slic", slic_segments=30)
    assert [weak_label(first).made, weak_label(first).made] == [1, 0]
    assert (LabelStore(tmp_path).read_superpixels(scan.views[0]) == slic(scan.views[0].load_rgb(), 30)).all()
    assert weak_label(_config(kitti, tmp_path, superpixels="slic", slic_segments=31)).made == 1
