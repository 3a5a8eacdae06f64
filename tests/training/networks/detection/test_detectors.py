"""Every detector: losses that can be minimised, boxes from its own targets, and scenes that it learns by heart."""

import numpy as np
import pytest
import torch

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import iou_3d
from offline_training.networks.centerpoint.centerpoint import CenterPoint, CenterSettings
from offline_training.networks.detection.bird_eye_map import bird_eye_map
from offline_training.networks.detection.detector import Detector
from offline_training.networks.second.anchor_head import AnchorSettings
from offline_training.networks.second.second import Second
from offline_training.networks.voxelnet.encoder import VoxelEncoder
from tests.training.networks.detection.made_scans import GRID, PREPARER, SCANS, SMALL_BEV, TRUTH
from tests.training.networks.one_thread import one_thread

NOTHING = (np.full((3, 3), 99.0, np.float32), np.zeros(3, np.float32))
NO_BOXES = Boxes3d.of(np.empty((0, 7)), np.empty(0))


def second() -> Second:
    return Second(VoxelEncoder(4), GRID, bev=SMALL_BEV)


def centerpoint() -> CenterPoint:
    return CenterPoint(
        VoxelEncoder(4), GRID, CenterSettings(groups=((0,), (1, 2)), shared_channels=24, box_weight=1.0), SMALL_BEV
    )


def centerpoint_without_velocity() -> CenterPoint:
    return CenterPoint(VoxelEncoder(4), GRID, CenterSettings(groups=((0, 1, 2),), velocity=False), SMALL_BEV)


every_detector = pytest.mark.parametrize("build", [second, centerpoint, centerpoint_without_velocity])


@every_detector
def test_each_part_of_the_loss_is_finite_and_moves_every_weight(build):
    detector = build()
    parts = detector.losses(detector(PREPARER(SCANS)), detector.targets(TRUTH))
    assert all(part.shape == () and bool(torch.isfinite(part)) and float(part.detach()) > 0 for part in parts.values())
    sum(parts.values()).backward()
    moved = {
        name: float(weight.grad.abs().sum()) > 0 for name, weight in detector.named_parameters() if weight.ndim > 1
    }
    assert [
        name for name, is_moved in moved.items() if not is_moved
    ] == []  # the L1 of two boxes may leave a bias alone


@every_detector
def test_scans_without_points_or_boxes_have_losses_and_gradients(build):
    detector = build()
    parts = detector.losses(detector(PREPARER([NOTHING])), detector.targets([NO_BOXES]))
    total = sum(parts.values())
    total.backward()
    assert bool(torch.isfinite(total))
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in detector.parameters() if weight.grad is not None)
    boxes = detector.eval().decode(detector(PREPARER([NOTHING])))
    assert len(boxes) == 1


@every_detector
def test_half_precision_gives_nearly_the_same_losses(build):
    detector, inputs = build(), PREPARER(SCANS)
    targets = detector.targets(TRUTH)
    expected = detector.losses(detector(inputs), targets)
    with torch.autocast("cpu", torch.bfloat16):
        found = detector.losses(detector(inputs), targets)
    for name, part in found.items():
        assert part.dtype == torch.float32
        torch.testing.assert_close(part, expected[name], rtol=0.05, atol=0.02)
    sum(found.values()).backward()
    assert all(bool(torch.isfinite(weight.grad).all()) for weight in detector.parameters() if weight.grad is not None)


@every_detector
def test_the_parts_of_a_detector_are_joined_by_an_index_gather(build):
    detector, inputs = build().eval(), PREPARER(SCANS)
    with torch.no_grad():
        whole = detector(inputs)
        apart = detector.dense(bird_eye_map(detector.sparse_rows(inputs), inputs.map_index))
        alone = [detector(PREPARER([scan])) for scan in SCANS]
    assert whole.keys() == apart.keys()
    for name, values in whole.items():
        assert values.shape[2:] == (16, 16)
        torch.testing.assert_close(values, apart[name], rtol=0, atol=0)
        torch.testing.assert_close(values, torch.cat([maps[name] for maps in alone]), rtol=1e-4, atol=1e-5)


@every_detector
def test_classes_that_a_detector_does_not_know_are_no_targets(build):
    detector = build()
    strange = [Boxes3d.of(boxes.boxes, np.full(len(boxes), 9)) for boxes in TRUTH]
    maps = detector(PREPARER(SCANS))
    with torch.no_grad():
        found, expected = (detector.losses(maps, detector.targets(truth)) for truth in (strange, [NO_BOXES] * 2))
    assert {name: float(part) for name, part in found.items()} == {name: float(part) for name, part in expected.items()}


def test_velocities_that_are_not_known_cost_nothing():
    detector = centerpoint()
    targets = detector.targets(TRUTH)
    assert bool(torch.isnan(targets[0].value[:, 8:]).any())
    assert all(bool(torch.isfinite(part)) for part in detector.losses(detector(PREPARER(SCANS)), targets).values())


def test_settings_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="thresholds: expected 3"):
        AnchorSettings(thresholds=())
    for groups in ((), ((0,), ()), ((0, 1), (1,))):
        with pytest.raises(ValueError, match="groups: expected each class in one group"):
            CenterSettings(groups=groups)


def trained(detector: Detector, steps: int) -> Detector:
    inputs, targets = PREPARER(SCANS), detector.targets(TRUTH)
    for module in detector.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 0.5  # or the statistics would still be those of the first weights
    optimizer = torch.optim.AdamW(detector.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(detector.losses(detector(inputs), targets).values()).backward()
        optimizer.step()
        schedule.step()
    return detector.eval()


@pytest.mark.slow
@pytest.mark.parametrize(("build", "steps"), [(second, 40), (centerpoint, 50)])
def test_two_scenes_are_learnt_by_heart(build, steps):
    with one_thread():  # the tensors are too small for more
        detector = trained(build(), steps)
    with torch.no_grad():
        found = detector.decode(detector(PREPARER(SCANS)))
    for boxes, truth in zip(found, TRUTH, strict=True):
        sure = boxes.taken(boxes.score >= 0.3)
        assert sorted(sure.class_id.tolist()) == sorted(truth.class_id.tolist())
        sure, truth = (one.taken(np.argsort(one.class_id)) for one in (sure, truth))
        assert np.diag(iou_3d(sure.boxes, truth.boxes)).min() > 0.5  # KITTI asks as much of people
        assert np.cos(sure.boxes[:, 6] - truth.boxes[:, 6]).min() > 0.8  # the heading, not the axis alone
        if build is centerpoint:
            known = ~np.isnan(truth.velocity_mps)
            np.testing.assert_allclose(sure.velocity_mps[known], truth.velocity_mps[known], atol=0.5)
