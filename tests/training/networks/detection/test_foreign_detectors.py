"""OpenPCDet's SECOND and CenterPoint give their numbers here: whole networks with random weights, both layouts of spconv."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.errors import BadCheckpoint
from offline_training.networks.centerpoint.centerpoint import CenterPoint, CenterSettings
from offline_training.networks.detection.detector import Detector
from offline_training.networks.foreign_detectors import translate_detector
from offline_training.networks.second.anchor_head import CLASS, CODE, DIRECTION
from offline_training.networks.second.second import Second
from offline_training.networks.voxelnet.encoder import VoxelEncoder
from tests.training.networks.detection.made_scans import GRID, PREPARER, SCANS, SMALL_BEV
from tests.training.networks.detection.openpcdet_reference import (
    anchor_head,
    bev_features,
    center_head,
    detector_state,
    spconv_map,
)
from tests.training.networks.detection.random_weights import randomise

TOLERANCE = 1e-4
GROUPS = ((0,), (1, 2))


def second() -> Second:
    return Second(VoxelEncoder(4), GRID, bev=SMALL_BEV)


def centerpoint() -> CenterPoint:
    return CenterPoint(VoxelEncoder(4), GRID, CenterSettings(groups=GROUPS), SMALL_BEV)


def residual_centerpoint() -> CenterPoint:
    """As the published ones for nuScenes: residual units, and the age of a point behind its intensity."""
    return CenterPoint(VoxelEncoder(5, residual=True), GRID, CenterSettings(groups=GROUPS), SMALL_BEV)


def random_state(detector: Detector, generation: int) -> dict[str, torch.Tensor]:
    randomise(detector, 5)
    return detector_state(detector.state_dict(), generation)


@pytest.fixture(scope="module")
def sites() -> torch.Tensor:
    """Voxels of the made scans (V, 4) scan, x, y, z, by dividing: none of these points lies on a face."""
    cells = []
    for number, (xyz_m, _) in enumerate(SCANS):
        cell = np.floor((xyz_m.astype(np.float64) - GRID.range_min) / GRID.voxel_size).astype(np.int64)
        cell = cell[((cell >= 0) & (cell < GRID.shape)).all(axis=1)]
        cells.append(np.insert(np.unique(cell, axis=0), 0, number, axis=1))
    return torch.from_numpy(np.concatenate(cells))


def loaded(detector: Detector, state: dict[str, torch.Tensor]) -> Detector:
    detector.load_state_dict(translate_detector(state, detector))
    return detector.eval()


def foreign_bev_features(state: dict[str, torch.Tensor], sites: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    shape_zyx = (GRID.shape[2] + 1, GRID.shape[1], GRID.shape[0])
    return bev_features(state, spconv_map(state, features, sites, shape_zyx, len(SCANS)))


def test_a_second_of_openpcdet_gives_its_maps(sites):
    pytest.importorskip("spconv.pytorch")
    state = random_state(second(), 2)
    expected = anchor_head(state, foreign_bev_features(state, sites, PREPARER(SCANS).features))
    with torch.no_grad():
        found = loaded(second(), state)(PREPARER(SCANS))
    for ours, theirs in ((CLASS, "conv_cls"), (CODE, "conv_box"), (DIRECTION, "conv_dir_cls")):
        assert expected[theirs].std() > 1e-3
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("build", "with_time"), [(centerpoint, False), (residual_centerpoint, True)])
def test_a_centerpoint_of_openpcdet_gives_its_maps(sites, build, with_time):
    pytest.importorskip("spconv.pytorch")
    state = random_state(build(), 2)
    scans = [(*scan, np.linspace(0, 0.45, len(scan[0]), dtype=np.float32)) for scan in SCANS]
    inputs = replace(PREPARER, with_time=with_time)(scans)
    features = foreign_bev_features(state, sites, inputs.features)
    with torch.no_grad():
        found = loaded(build(), state)(inputs)
    for group in range(len(GROUPS)):
        expected = center_head(state, features, group)
        assert set(expected) == {"center", "center_z", "dim", "rot", "vel", "hm"}
        for name, values in expected.items():
            assert values.std() > 1e-3
            np.testing.assert_allclose(found[f"{name}_{group}"], values, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("build", [second, centerpoint, residual_centerpoint])
def test_files_of_spconv_1_say_the_same(build):
    detector = build()
    old = random_state(detector, 1)
    old["global_step"] = torch.tensor([1000])
    without_counters = {name: tensor for name, tensor in old.items() if not name.endswith("num_batches_tracked")}
    for name, tensor in translate_detector(without_counters, build()).items():
        torch.testing.assert_close(tensor, detector.state_dict()[name], rtol=0, atol=0)


def test_the_published_second_has_its_tensors():
    network = Second(VoxelEncoder(4), GRID)
    shapes = {name: tuple(tensor.shape) for name, tensor in detector_state(network.state_dict()).items()}
    assert shapes["backbone_3d.conv_out.0.weight"] == (128, 3, 1, 1, 64)
    assert shapes["backbone_2d.blocks.0.1.weight"] == (128, 256, 3, 3)
    assert shapes["backbone_2d.blocks.1.16.weight"] == (256, 256, 3, 3)
    assert shapes["backbone_2d.deblocks.1.0.weight"] == (256, 256, 2, 2)
    assert shapes["dense_head.conv_box.weight"] == (42, 512, 1, 1)
    assert shapes["dense_head.conv_dir_cls.bias"] == (12,)
    assert shapes["dense_head.conv_cls.weight"] == (18, 512, 1, 1)


def test_what_does_not_fit_is_named():
    state = random_state(second(), 2)
    del state["dense_head.conv_cls.bias"]
    state["dense_head.conv_box.weight"] = torch.zeros(7, 3, 1, 1)
    state["backbone_2d.blocks.0.1.weight"][:] = torch.nan
    state["roi_head.more"] = torch.zeros(1)
    told = (
        r"1 missing: dense_head.conv_cls.bias; 1 unexpected: roi_head.more; "
        r"1 misshapen: dense_head.conv_box.weight \(7, 3, 1, 1\); 1 not finite: backbone_2d.blocks.0.1.weight"
    )
    with pytest.raises(BadCheckpoint, match=told):
        translate_detector(state, second())
