"""import-checkpoint: an SR-UNet of MinkowskiEngine computes the same features of the same voxels as a checkpoint of ours."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.config import load_config, validated
from lidar_vl_core.voxels.grid import voxelise
from offline_training.finetuning.tasks import load_finetune_config
from offline_training.losses.von_mises_fisher import VmfStatistics
from offline_training.networks.image.weight_file import read_weight_file
from offline_training.networks.projection_heads import ProjectionHeads
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.networks.voxelnet.voxelnet import VoxelNet
from offline_training.pretraining.config import load_pretrain_config
from offline_training.runs.backbone_config import BackboneConfig
from offline_training.runs.backbones import build_backbone, preparer_of
from offline_training.runs.checkpoint import load_checkpoint, weights_of
from offline_training.runs.import_checkpoint import HEADS_PREFIX, ImportedCheckpoint, _sr_unet_config, import_checkpoint
from offline_training.runs.start_weights import begin_with
from tests.training.networks.voxelnet.spconv_voxelnet import foreign_state
from tests.training.runs.minkowski_reference import random_state, res16unet

CONFIGS = Path(__file__).resolve().parents[3] / "offline_training" / "configs"
SR_UNET = SHAPES["res16unet_34c"]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def sr_unet_state() -> dict[str, np.ndarray]:
    """The 372 tensors of a Res16UNet34C before its heads."""
    return random_state(np.random.default_rng(3), SR_UNET.stem, SR_UNET.planes, SR_UNET.blocks, 1)


@pytest.fixture(scope="module")
def olivine_file(sr_unet_state: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("olivine") / "model.pt"
    state = {f"model_points.{name}": torch.from_numpy(value) for name, value in sr_unet_state.items()}
    for head in ("final", "final_class_level"):
        state |= {f"model_points.{head}.kernel": torch.randn(96, 64), f"model_points.{head}.bias": torch.randn(1, 64)}
    for head in ("decoder", "decoder_class_level"):
        state |= {f"model_images.{head}.0.weight": torch.randn(64, 2048, 1, 1)}
        state |= {f"model_images.{head}.0.bias": torch.randn(64)}
    state |= {"model_images.encoder.conv1.weight": torch.zeros(64, 3, 7, 7)}
    for number in range(17):
        mean = torch.nn.functional.normalize(torch.randn(64), dim=0) * 0.03 * (number + 1)
        length = mean.norm()
        kappa = length * (64 - length**2) / (1 - length**2)
        of_class = {"mu": mean / length, "z_mean": mean, "kappa": kappa}
        state |= {f"vmf_distributions.{number}.{name}": value for name, value in of_class.items()}
    torch.save({"state_dict": state, "epoch": 50, "config": {"voxel_size": 0.1, "cylindrical_coordinates": True}}, path)
    return path


def small_cloud(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points all around the sensor, several to a voxel, on both sides of the seam at 180 degrees and of the horizon."""
    rng = np.random.default_rng(seed)
    angle = np.concatenate(
        [rng.uniform(-np.pi, np.pi, 8), np.pi - rng.uniform(0, 0.05, 8), rng.uniform(0, 0.05, 8) - np.pi]
    )
    reach = np.concatenate([rng.uniform(2, 60, 8), rng.uniform(4.7, 5.3, 16)])
    z = rng.uniform(-0.3, 0.3, 24)
    xyz_m = np.column_stack([reach * np.cos(angle), reach * np.sin(angle), z]).astype(np.float32)
    xyz_m = np.concatenate([xyz_m, xyz_m[::-1] + np.float32(0.01)])
    return xyz_m, rng.uniform(0, 1, len(xyz_m)).astype(np.float32)


def as_minkowski(xyz_m: np.ndarray, intensity: np.ndarray, cylindrical: bool) -> tuple[np.ndarray, dict]:
    """(N, 3) absolute voxel of each point, and voxels with the raw intensity of their first point."""
    x, y, z = xyz_m.astype(np.float64).T
    axes = (np.hypot(x, y) / 0.1, np.degrees(np.arctan2(y, x)), z / 0.1) if cylindrical else (x / 0.1, y / 0.1, z / 0.1)
    voxels = np.floor(np.stack(axes, axis=1)).astype(int)
    cells: dict = {}
    for voxel, brightness in zip(map(tuple, voxels.tolist()), intensity, strict=True):
        cells.setdefault(voxel, np.array([255.0 * brightness]))
    return voxels, cells


@pytest.fixture(scope="module")
def imported_olivine(olivine_file: Path, tmp_path_factory: pytest.TempPathFactory) -> ImportedCheckpoint:
    return import_checkpoint(olivine_file, "olivine", tmp_path_factory.mktemp("imported"))


@pytest.mark.slow
def test_a_whole_sr_unet_computes_from_points_what_minkowski_computes(imported_olivine, sr_unet_state):
    path = imported_olivine.path
    config = validated(BackboneConfig, dict(load_checkpoint(path).config), str(path))
    assert config.grid_kind == "cylindrical"
    network = build_backbone(config, None).eval()
    begin_with(network, path, "nuscenes16")
    xyz_m, intensity = small_cloud(4)
    voxels, cells = as_minkowski(xyz_m, intensity, cylindrical=True)
    assert voxels.min() < 0 < len(xyz_m) - len(cells)
    inputs = preparer_of(config)([(xyz_m, intensity)])
    assert (inputs.row_of_point >= 0).all()
    with torch.no_grad():
        found = network.point_features(inputs)[inputs.row_of_point].numpy()
    features = res16unet(cells, sr_unet_state)
    expected = np.array([features[tuple(voxel)] for voxel in voxels.tolist()])
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("cylindrical", [True, False])
def test_voxels_are_those_of_minkowski_on_absolute_coordinates(cylindrical):
    config, _ = _sr_unet_config({"config": {"voxel_size": 0.1, "cylindrical_coordinates": cylindrical}}, {}, Path("x"))
    xyz_m, intensity = (np.concatenate(parts) for parts in zip(*map(small_cloud, range(20)), strict=True))
    voxels, cells = as_minkowski(xyz_m, intensity, cylindrical)
    inputs = preparer_of(config)([(xyz_m, intensity)])
    first = np.round(np.array(config.grid.range_min) / config.grid.voxel_size).astype(int)
    row = inputs.row_of_point.numpy()
    np.testing.assert_array_equal(inputs.maps.coords[0][:, 1:].numpy()[row] + first, voxels)
    expected = [cells[tuple(voxel)] for voxel in voxels.tolist()]
    np.testing.assert_allclose(inputs.features.numpy()[row], expected, rtol=1e-6)
    for level in range(1, 5):  # what the network sees of the lattice
        ours = {tuple(cell) for cell in (inputs.maps.coords[level][:, 1:].numpy() * 2**level + first).tolist()}
        assert ours == {tuple(cell) for cell in (np.floor_divide(voxels, 2**level) * 2**level).tolist()}


def test_the_heads_of_olivine_are_kept_and_the_rest_is_reported(imported_olivine):
    assert imported_olivine.heads == ("class_pixel", "class_point", "pixel", "point")
    assert imported_olivine.left_out == {"model_images": 1}
    assert "50 epochs" in imported_olivine.notes[0]
    assert imported_olivine.parameters + 6208 == 37_849_184
    heads = weights_of(load_checkpoint(imported_olivine.path), HEADS_PREFIX)
    ProjectionHeads(96, 2048, 4).load_state_dict(heads)


def test_the_51_tensors_of_olivines_class_distributions_give_the_same_mean_directions_and_kappas(
    imported_olivine, olivine_file
):
    theirs = read_weight_file(olivine_file)
    statistics = VmfStatistics(17, 64)
    statistics.load_state_dict(weights_of(load_checkpoint(imported_olivine.path), "objective.statistics"))
    assert imported_olivine.statistics == 17
    for number in range(17):
        mu, kappa = (theirs[f"vmf_distributions.{number}.{name}"] for name in ("mu", "kappa"))
        torch.testing.assert_close(statistics.mean_direction()[number], mu)
        torch.testing.assert_close(statistics.kappa()[number], kappa)


def test_the_cylinders_of_recipes_for_nuscenes_lie_as_in_the_original_a_quarter_of_a_turn_further():
    config = load_config(BackboneConfig, CONFIGS / "backbones/sr_unet_cylindrical.yaml")
    shifted = load_pretrain_config(CONFIGS / "pretrain/olivine_code.yaml")
    assert load_finetune_config(CONFIGS / "finetune/olivine_nuscenes.yaml").grid == shifted.grid
    xyz_m, intensity = (np.concatenate(parts) for parts in zip(*map(small_cloud, range(20)), strict=True))
    voxels, _ = as_minkowski(xyz_m, intensity, cylindrical=True)  # of nuScenes' own axes: x right, y forward
    ahead = np.stack([xyz_m[:, 1], -xyz_m[:, 0], xyz_m[:, 2]], axis=1)  # as our reader turns them
    for grid, as_the_original in ((shifted.grid, True), (config.grid, False)):
        first = np.round(np.array(grid.range_min) / grid.voxel_size).astype(int) + np.array([0, 90, 0])
        ours = voxelise(ahead, grid)
        found = ours.coords[ours.point_to_voxel] + first
        whole = (found == voxels).all()
        coarse = ((found - first) // 16 * 16 + first == np.floor_divide(voxels, 16) * 16).all()
        assert (bool(whole), bool(coarse)) == (as_the_original, as_the_original)


@pytest.mark.parametrize(
    ("theirs", "size", "low"),
    [
        ({"voxel_size": 0.05}, 0.05, -51.2),
        ({"voxel_size": 0.2}, 0.2, -51.2),
        ({"voxel_size": 0.07}, 0.07, -51.52),
        ({}, 0.1, -51.2),
    ],
)
def test_coarse_voxels_lie_as_in_minkowski_whatever_the_voxel_size(theirs, size, low):
    config, notes = _sr_unet_config({"config": theirs}, {}, Path("model.pt"))
    grid = config.grid
    assert grid.voxel_size[0] == size
    assert grid.range_min[2] == pytest.approx(low)
    first = np.array(grid.range_min) / grid.voxel_size
    np.testing.assert_allclose(first, np.round(first / 16) * 16, atol=1e-9)
    assert config.point_cloud_range[4] > np.pi
    assert len(notes) == 2 - len(theirs)


def test_a_head_fine_tuned_on_semantic_kitti_reads_intensity_plus_one():
    config, notes = _sr_unet_config({}, {"final.kernel": torch.zeros(96, 20)}, Path("model.pt"))
    assert config.features == ("first_intensity_plus_1",)
    assert "assumed to be fine-tuned on intensity + 1" in notes[-1]


def test_the_shipped_configurations_agree_with_imported_checkpoints(imported_olivine, tmp_path):
    shipped = load_config(BackboneConfig, CONFIGS / "backbones/sr_unet_cylindrical.yaml")
    imported = imported_olivine.config
    assert shipped.features == imported.features
    for name in ("voxel_size", "point_cloud_range"):
        np.testing.assert_allclose(getattr(shipped, name), getattr(imported, name), rtol=1e-12)
    cartesian = load_config(BackboneConfig, CONFIGS / "backbones/sr_unet_cartesian.yaml").grid
    assert all(abs(low / 1.6 - round(low / 1.6)) < 1e-9 for low in cartesian.range_min)
    save_file(foreign_state(VoxelNet(None), 2), tmp_path / "voxelnet.safetensors")
    voxelnet = import_checkpoint(tmp_path / "voxelnet.safetensors", "voxelnet", tmp_path).config
    assert voxelnet == load_config(BackboneConfig, CONFIGS / "backbones/voxelnet.yaml")
