"""A detector's package finds PyTorch's boxes, whatever its head and encoder, or it is not written."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from lidar_vl_core.box_heads.anchors import AnchorKind
from lidar_vl_core.box_heads.selection import BoxSelection
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadModelPackage, BadRequest
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.detector import Detector as RobotDetector
from offline_training.cli.main import main
from offline_training.export.export_detection import _has_equal, compare_detector, export_detector
from offline_training.export.parity import MAX_DIFFERENCE
from offline_training.finetuning.detection.config import DetectFinetuneConfig
from offline_training.finetuning.detection.detectors import build_detector
from offline_training.networks.centerpoint.centerpoint import CenterPoint, CenterSettings
from offline_training.networks.detection.detector import Detector
from offline_training.networks.detection.inputs import DetectorPreparer
from offline_training.networks.second.second import Second
from offline_training.networks.voxelnet.encoder import VoxelEncoder
from offline_training.runs.checkpoint import Checkpoint, save_checkpoint
from tests.training.export.trial_card import CARD
from tests.training.finetuning.detection.parking import config, settings
from tests.training.networks.detection.made_scans import GRID, PREPARER, SCANS, SMALL_BEV

CLASSES = class_table("kitti3")
SELECTION = BoxSelection(least_score=0.05, most_candidates=300, iou_threshold=0.1, most_boxes=50)
CLOUDS = [PointCloud(xyz_m, intensity, 0, "lidar") for xyz_m, intensity in SCANS]


def trained_a_little(detector: Detector) -> Detector:
    """Norms with statistics and factors that are not 0 and 1, and scores of every size."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in detector.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif name.endswith(("running_mean", "bias")):
            tensor.normal_(0.0, 0.2, generator=generator)
    return detector.eval()


def second(residual: bool = False, in_channels: int = 4) -> Detector:
    torch.manual_seed(0)
    return trained_a_little(Second(VoxelEncoder(in_channels, residual), GRID, bev=SMALL_BEV, selection=SELECTION))


def centerpoint() -> Detector:
    torch.manual_seed(0)
    settings = CenterSettings(groups=((0,), (1, 2)), shared_channels=16, selection=SELECTION)
    return trained_a_little(CenterPoint(VoxelEncoder(4), GRID, settings, SMALL_BEV))


@pytest.mark.parametrize(
    "made", [second, lambda: second(residual=True), centerpoint], ids=["second", "residual", "centerpoint"]
)
def test_every_engine_has_the_maps_and_the_boxes_of_pytorch(made, tmp_path):
    package, parity = export_detector(made(), PREPARER, CLASSES, tmp_path / "package", CLOUDS, CARD)
    assert [one.engine for one in parity] == ["fused", "onnxruntime"]
    for one in parity:
        assert (one.clouds, one.same_boxes) == (2, 1.0)
        assert one.boxes > 10
        assert one.max_difference < MAX_DIFFERENCE / 10
        assert "same boxes 100.000 %" in str(one)
    assert package.classes == CLASSES
    assert "Finds: " in package.card
    assert len(RobotDetector(package).detect(CLOUDS[0]))


def test_what_a_detector_was_trained_with_stands_in_its_manifest(tmp_path):
    preparer = DetectorPreparer(GRID, 3, 900, intensity_scale=255.0, with_time=True)
    clouds = [replace(cloud, extra={"time_lag_s": np.linspace(0, 0.4, len(cloud))}) for cloud in CLOUDS]
    package, _ = export_detector(second(in_channels=5), preparer, CLASSES, tmp_path / "package", clouds[:1], CARD)
    manifest = package.manifest
    assert manifest.features == ("x", "y", "z", "intensity_255", "time")
    assert (manifest.detection.most_points, manifest.detection.most_voxels) == (3, 900)
    assert manifest.detection.selection.selection == SELECTION
    kinds = [AnchorKind(**kind.model_dump()) for kind in manifest.detection.head.kinds]
    assert tuple(kinds) == second().settings.kinds


def test_a_package_that_answers_otherwise_is_not_written(tmp_path):
    package, _ = export_detector(second(), PREPARER, CLASSES, tmp_path / "right", CLOUDS[:1], CARD)
    other = second()
    with torch.no_grad():
        other.head.conv_box.bias += 0.01
    parity = compare_detector(other, PREPARER, package, CLOUDS[:1])
    assert not any(one.is_near for one in parity)
    assert parity[0].max_difference == pytest.approx(0.01, abs=1e-4)
    wrong = second()
    wrong.decode = lambda head_maps: [Boxes3d.of(np.ones((1, 7)), np.zeros(1))]
    with pytest.raises(BadModelPackage, match="Nothing was written; this is a bug in the export"):
        export_detector(wrong, PREPARER, CLASSES, tmp_path / "wrong", CLOUDS[:1], CARD)
    assert not (tmp_path / "wrong").exists()


def test_a_detector_that_finds_nothing_has_nothing_to_compare_and_is_not_written(tmp_path):
    silent = Second(VoxelEncoder(4), GRID, bev=SMALL_BEV, selection=replace(SELECTION, least_score=1.0)).eval()
    with pytest.raises(BadModelPackage, match="expected boxes to compare, the detector found none in 1 clouds"):
        export_detector(silent, PREPARER, CLASSES, tmp_path / "package", CLOUDS[:1], CARD)
    assert not (tmp_path / "package").exists()


def test_clouds_without_a_point_in_the_grid_compare_nothing(tmp_path):
    far = PointCloud(np.full((3, 3), 900, np.float32), np.zeros(3, np.float32), 0, "lidar")
    with pytest.raises(BadRequest, match="expected clouds with points in the grid"):
        export_detector(second(), PREPARER, CLASSES, tmp_path / "package", [far], CARD)


def test_an_intensity_that_no_robot_gives_is_refused(tmp_path):
    with pytest.raises(BadModelPackage, match=r"intensity_scale: expected one of \[1.0, 255.0\]"):
        export_detector(second(), replace(PREPARER, intensity_scale=7.0), CLASSES, tmp_path / "p", CLOUDS, CARD)


def test_boxes_are_the_same_by_all_their_numbers_whatever_turn_the_yaw_is_in():
    box = Boxes3d.of(np.array([[1, 2, 3, 4, 2, 1.5, 3.1415]]), np.array([1]), np.array([0.5]))
    assert _has_equal(box, replace(box, boxes=box.boxes - (0, 0, 0, 0, 0, 0, 2 * np.pi))).all()
    others = [replace(box, boxes=box.boxes + np.eye(7)[column] * 0.02) for column in range(7)]
    others += [replace(box, class_id=np.array([2], np.uint8)), replace(box, score=box.score + np.float32(0.1))]
    others += [replace(box, velocity_mps=np.zeros((1, 2), np.float32)), box.taken(np.zeros(1, bool))]
    assert not any(_has_equal(box, other).any() for other in others)


def test_a_detector_most_of_whose_boxes_hang_on_rounding_cannot_be_judged_and_is_refused(tmp_path):
    flat = centerpoint()  # every cell of a flat heat map is its highest one
    with torch.no_grad():
        for head in flat.head.heads_list:
            head.hm[1].weight *= 1e-6
    with pytest.raises(BadModelPackage, match="train the detector longer"):
        export_detector(flat, PREPARER, CLASSES, tmp_path / "package", CLOUDS[:1], CARD)
    assert not (tmp_path / "package").exists()


def test_a_pv_rcnn_is_refused_with_what_to_export_instead(tmp_path, capsys):
    chosen = settings(tmp_path / "run", network="pv_rcnn")
    del chosen["shared_channels"]
    run = validated(DetectFinetuneConfig, chosen, "test")
    tensors = {f"network.{name}": tensor for name, tensor in build_detector(run).state_dict().items()}
    checkpoint = save_checkpoint(tmp_path / "run", Checkpoint(0, tensors, run.model_dump(mode="json"), {}))
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(CARD.model_dump(mode="json")))
    (tmp_path / "cloud.bin").write_bytes(b"")  # not even looked at
    command = ["export", str(checkpoint), "--card", str(tmp_path / "card.yaml"), "--out", str(tmp_path / "package")]
    assert main([*command, "--clouds", str(tmp_path / "cloud.bin")]) == 2
    told = capsys.readouterr().err
    assert "found a PvRcnn" in told
    assert "Train `network: second` with start_from: this checkpoint" in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize("sweeps", [1, 3])
def test_a_checkpoint_of_a_detector_is_exported_by_the_same_command(sweeps, tmp_path, capsys):
    run = config(tmp_path / "run", sweeps=sweeps)
    detector = trained_a_little(build_detector(run))
    tensors = {f"network.{name}": tensor for name, tensor in detector.state_dict().items()}
    checkpoint = save_checkpoint(tmp_path / "run", Checkpoint(0, tensors, run.model_dump(mode="json"), {}))
    xyz_m, intensity = SCANS[0]
    np.column_stack([xyz_m, intensity]).astype(np.float32).tofile(tmp_path / "cloud.bin")
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(CARD.model_dump(mode="json")))
    command = ["export", str(checkpoint), "--card", str(tmp_path / "card.yaml"), "--out", str(tmp_path / "package")]
    command += ["--clouds", str(tmp_path / "cloud.bin")]
    assert main(command) == 0
    told = capsys.readouterr().out
    assert "fused: 1 clouds" in told
    assert "note: the training data is not available" not in told
    manifest = load_model_package(tmp_path / "package").manifest
    assert manifest.features == ("x", "y", "z", "intensity", *(("time",) if sweeps > 1 else ()))
    assert manifest.detection.most_voxels == run.most_voxels_judged
    assert main([*command, "--overwrite", "--text-encoder"]) == 2
    assert "--text-encoder: expected a checkpoint of `lidar-vl-train guide`" in capsys.readouterr().err
