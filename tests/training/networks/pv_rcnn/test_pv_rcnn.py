"""PV-RCNN: OpenPCDet's numbers with random weights, losses that can be minimised, and scenes learnt by heart."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.iou import iou_3d
from offline_training.networks.foreign_detectors import translate_detector
from offline_training.networks.pv_rcnn import proposals as drawing
from offline_training.networks.pv_rcnn import pv_rcnn as network
from offline_training.networks.pv_rcnn.inputs import PvRcnnPreparer
from offline_training.networks.pv_rcnn.pv_rcnn import KEYPOINT_FEATURE, KEYPOINT_LOGIT, PvRcnn
from offline_training.networks.voxelnet.encoder import VoxelEncoder
from tests.training.networks.detection.made_scans import GRID, PREPARER, SCANS, SMALL_BEV, TRUTH
from tests.training.networks.detection.openpcdet_reference import detector_state, spconv_map
from tests.training.networks.detection.random_weights import randomise
from tests.training.networks.one_thread import one_thread
from tests.training.networks.pv_rcnn import openpcdet_pv_rcnn as reference

WITH_KEYPOINTS = PvRcnnPreparer(GRID, 5, 16_000, keypoints=48)
NOTHING = (np.full((3, 3), 99.0, np.float32), np.zeros(3, np.float32))
NO_BOXES = Boxes3d.of(np.empty((0, 7)), np.empty(0))
SHAPE_ZYX = (41, 128, 128)


@pytest.fixture(autouse=True)
def _few_proposals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is 216 points with their neighbours."""
    monkeypatch.setattr(drawing, "_COUNT", 4)
    monkeypatch.setattr(drawing, "_MOST_POSITIVE", 3)
    monkeypatch.setitem(network._PROPOSALS, False, BoxSelection(0.0, 1024, 0.7, 8))


def pv_rcnn() -> PvRcnn:
    return PvRcnn(VoxelEncoder(4), GRID, bev=SMALL_BEV)


def test_keypoints_lie_over_the_range_and_levels_at_the_centres_of_their_voxels():
    above = (np.array([[1, 1, 30], [2, -3, 0], [99, 0, 0], [1, np.nan, 0]], np.float32), np.zeros(4, np.float32))
    inputs = WITH_KEYPOINTS([above, NOTHING]).to("cpu")
    around = inputs.surroundings
    assert around.points.counts == (2, 0)
    np.testing.assert_array_equal(around.keypoint_m[0, :3], above[0][[0, 1, 0]])
    assert float(around.keypoint_m[1].abs().max()) == 0
    for level, centres in enumerate(around.levels):
        size = np.array([0.1, 0.1, 0.2]) * 2**level
        place = (centres.xyz_m.numpy() - GRID.range_min) / size
        np.testing.assert_allclose(place % 1, 0.5, atol=1e-3)
        assert np.abs(centres.xyz_m[0].numpy() - above[0][1]).max() < 2 * size.max()
    base = PREPARER([above, NOTHING])
    for field in fields(base):
        if field.name != "tables":
            torch.testing.assert_close(getattr(inputs, field.name), getattr(base, field.name))


def test_a_pv_rcnn_of_openpcdet_gives_its_keypoints_and_refinement():
    spconv = pytest.importorskip("spconv.pytorch")
    source = pv_rcnn()
    randomise(source, 4)
    state = detector_state(source.state_dict())
    detector = pv_rcnn()
    detector.load_state_dict(translate_detector(state, detector))
    inputs = WITH_KEYPOINTS(SCANS)
    around = inputs.surroundings
    scan = torch.arange(2.0).repeat_interleave(48)[:, None]
    keypoints = torch.cat([scan, around.keypoint_m.flatten(0, 1)], dim=1)
    low, size = np.array(GRID.range_min), np.array(GRID.voxel_size)
    cells = np.floor((around.levels[0].xyz_m.numpy() - low) / size).astype(np.int64)
    sites = torch.from_numpy(np.insert(cells, 0, np.repeat([0, 1], around.levels[0].counts), axis=1))
    bev_map = spconv_map(state, inputs.features, sites, SHAPE_ZYX, 2)
    start = spconv.SparseConvTensor(inputs.features, sites[:, [0, 3, 2, 1]].int().contiguous(), SHAPE_ZYX, 2)
    points = torch.cat(
        [torch.repeat_interleave(torch.arange(2.0), torch.tensor(around.points.counts))[:, None], around.points.xyz_m],
        dim=1,
    )
    parts = [reference.map_at(bev_map, keypoints, low, 8 * size)]
    parts.append(reference.abstraction(state, "pfe.SA_rawpoints", points, around.values, keypoints))
    for level, (indices, features) in enumerate(reference.spconv_levels(state, start)):
        order = np.lexsort(indices[:, [1, 2, 3, 0]].numpy().T)  # ours: by scan, x, y, z, which says who is first
        centre_m = (indices[order][:, [3, 2, 1]].numpy() + 0.5) * size * 2**level + low
        voxels = torch.from_numpy(np.insert(centre_m, 0, indices[order][:, 0], axis=1)).float()
        parts.append(reference.abstraction(state, f"pfe.SA_layers.{level}", voxels, features[order], keypoints))
    joined = torch.cat(parts, dim=1)
    logit = reference.layers(state, "point_head.cls_layers", joined, (0, 3), 6)[:, 0]
    fused = reference.fused(state, joined)
    proposals = [boxes.boxes + 0.1 for boxes in TRUTH]
    rows = torch.from_numpy(np.concatenate(proposals)).float()
    weighted = fused * logit.sigmoid()[:, None]
    score, code = reference.refinement(state, keypoints, weighted, rows, torch.tensor([0, 0, 1, 1]))
    with torch.no_grad():
        maps = detector.eval()(inputs)
        _, own_score, own_code = detector._second_stage(maps, proposals)
    assert joined.std() > 0.1
    np.testing.assert_allclose(maps[KEYPOINT_LOGIT].flatten(), logit, atol=1e-4)
    np.testing.assert_allclose(maps[KEYPOINT_FEATURE].flatten(0, 1), fused, atol=1e-4)
    np.testing.assert_allclose(own_score, score[:, 0], atol=1e-4)
    np.testing.assert_allclose(own_code, code, atol=1e-4)


def test_the_published_pv_rcnn_has_its_tensors():
    shapes = {name: tuple(tensor.shape) for name, tensor in detector_state(pv_rcnn().state_dict()).items()}
    assert shapes["pfe.vsa_point_feature_fusion.0.weight"] == (128, 640)
    assert shapes["pfe.SA_rawpoints.mlps.0.0.weight"] == (16, 4, 1, 1)
    assert shapes["pfe.SA_layers.3.mlps.1.0.weight"] == (64, 67, 1, 1)
    assert shapes["point_head.cls_layers.6.weight"] == (1, 256)
    assert shapes["roi_head.shared_fc_layer.0.weight"] == (256, 27648, 1)
    assert shapes["roi_head.reg_layers.7.weight"] == (7, 256, 1)


def test_each_part_of_the_loss_moves_the_weights_it_is_about():
    detector = pv_rcnn()
    proposals = [Boxes3d.of(boxes.boxes + 0.05, boxes.class_id) for boxes in TRUTH]
    detector.head.boxes = lambda *_: proposals  # a fresh first stage proposes nothing that is near
    parts = detector.losses(detector(WITH_KEYPOINTS(SCANS)), detector.targets(TRUTH))
    assert set(parts) == {"class", "box", "direction", "keypoint", "confidence", "refinement", "corner"}
    assert all(bool(torch.isfinite(part)) and float(part.detach()) > 0 for part in parts.values())
    sum(parts.values()).backward()
    moved = {
        name: float(weight.grad.abs().sum()) > 0 for name, weight in detector.named_parameters() if weight.ndim > 1
    }
    assert [name for name, is_moved in moved.items() if not is_moved] == []


def test_half_precision_gives_nearly_the_same_losses():
    detector, inputs = pv_rcnn(), WITH_KEYPOINTS(SCANS)
    detector.head.boxes = lambda *_: [Boxes3d.of(boxes.boxes + 0.05, boxes.class_id) for boxes in TRUTH]
    targets = detector.targets(TRUTH)
    parts = []
    for enabled in (False, True):
        torch.manual_seed(3)  # of drawn proposals and dropped values
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            parts.append(detector.losses(detector(inputs), targets))
    for name, part in parts[1].items():
        torch.testing.assert_close(part, parts[0][name], rtol=0.1, atol=0.05)


@pytest.mark.parametrize(("scans", "truth"), [([NOTHING], [NO_BOXES]), ([SCANS[0], NOTHING], [NO_BOXES, TRUTH[1]])])
def test_scans_without_points_or_boxes_have_losses_and_answers(scans, truth):
    detector, inputs = pv_rcnn(), WITH_KEYPOINTS(scans)
    total = sum(detector.losses(detector(inputs), detector.targets(truth)).values())
    total.backward()
    assert bool(torch.isfinite(total))
    assert len(detector.eval().decode(detector(inputs))) == len(scans)


def test_inputs_without_keypoints_are_refused():
    with pytest.raises(TypeError, match="expected PvRcnnInputs, found DetectorInputs"):
        pv_rcnn()(PREPARER(SCANS))


@pytest.mark.slow
def test_the_second_stage_learns_to_move_proposals_onto_the_boxes():
    torch.manual_seed(0)
    detector = pv_rcnn()
    for module in detector.roi_head.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0  # of so few steps its noise would decide
    off = np.array([0.15, -0.1, 0.1, 0.2, -0.1, 0.1, 0.1])
    proposals = [Boxes3d.of(boxes.boxes + off * boxes.boxes[:, 4:5], boxes.class_id) for boxes in TRUTH]
    detector.head.boxes = lambda *_: proposals
    targets = detector.targets(TRUTH)
    optimizer = torch.optim.AdamW(detector.roi_head.parameters(), 2e-3)
    with one_thread():
        with torch.no_grad():
            maps = detector(WITH_KEYPOINTS(SCANS))
        for _ in range(15):
            optimizer.zero_grad()
            parts = detector.losses(maps, targets)
            (parts["confidence"] + parts["refinement"] + parts["corner"]).backward()
            optimizer.step()
        for module in detector.roi_head.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0  # the statistics of the last weights
        with torch.no_grad():
            detector.losses(maps, targets)
        found = detector.eval().decode(maps)
    before, after = [], []
    for boxes, first, truth in zip(found, proposals, TRUTH, strict=True):
        assert sorted(boxes.class_id.tolist()) == sorted(truth.class_id.tolist())
        after += iou_3d(boxes.boxes, truth.boxes).max(axis=0).tolist()
        before += np.diag(iou_3d(first.boxes, truth.boxes)).tolist()
    assert np.mean(after) > np.mean(before)
