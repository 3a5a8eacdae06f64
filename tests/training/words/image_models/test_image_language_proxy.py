"""ProxyCLIP: what a DINO sees alike shares the values of a CLIP; slow references, other grids, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadModelPackage
from offline_training.words.image_models.base.config import OpenClipConfig
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.image_models.towers.last_block import READINGS
from offline_training.words.image_models.towers.open_clip_vit import OpenClipVit
from offline_training.words.image_models.towers.proxy_affinity import proxy_weights, resized_values
from offline_training.words.image_models.towers.proxy_clip import ProxyClip, load_dino
from tests.training.words.image_models.tiny_clips import CHANNELS, VIT, random_windows, shaken, tiny_clip, tiny_config

_COLORS = ((0.48, 0.46, 0.41), (0.27, 0.26, 0.28))  # CLIP's
_DINO_COLORS = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # as timm states them for test_vit
_SETTINGS = OpenClipConfig(  # patches of 16 pixels
    kind="open_clip", reading="proxyclip", dino="test_vit", allow_random_weights=True
)


def _features(seed, count, size=4):
    return torch.randn((2, count, size), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _slow_weights(features):
    """One picture, (n, D): row by row, as the formula reads; a patch is never unlike itself."""
    unit = [row / row.norm() for row in features]
    similarity = [[float(a @ b) for b in unit] for a in unit]
    mean = sum(map(sum, similarity)) / len(unit) ** 2
    rows = []
    for here, line in enumerate(similarity):
        scores = [(value - 1.2 * mean) * 3.0 for value in line]
        weights = [np.exp(score) if score >= 0 or there == here else 0.0 for there, score in enumerate(scores)]
        rows.append([weight / sum(weights) for weight in weights])
    return torch.tensor(rows, dtype=torch.float64)


@settings(max_examples=30)
@given(st.integers(0, 999), st.integers(2, 12))
def test_weights_equal_their_slow_reference_and_rows_add_up_to_one(seed, count):
    features = _features(seed, count)
    weights = proxy_weights(features)
    for picture in range(2):
        torch.testing.assert_close(weights[picture], _slow_weights(features[picture]))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, count, dtype=torch.float64))


@settings(max_examples=30)
@given(st.integers(0, 99))
def test_a_pictures_weights_do_not_depend_on_its_company(seed):
    features = _features(seed, 6)
    together = proxy_weights(torch.cat([features, 3.0 + _features(seed + 1, 6)]))
    torch.testing.assert_close(together[:2], proxy_weights(features))


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_in_a_picture_all_alike_each_patch_keeps_to_itself(noise):
    weights = proxy_weights(1.0 + noise * _features(0, 5))
    torch.testing.assert_close(weights, torch.eye(5, dtype=torch.float64).expand(2, 5, 5))


def test_two_kinds_of_patches_share_only_with_their_kind():
    features = torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3)[None]
    weights = proxy_weights(features)[0]
    expected = torch.block_diag(torch.full((3, 3), 1 / 3), torch.full((3, 3), 1 / 3))
    torch.testing.assert_close(weights, expected)


def test_values_are_resized_head_by_head_as_a_picture_would_be():
    values = torch.randn((2, 3, 6, 5), generator=torch.Generator().manual_seed(0))
    resized = resized_values(values, (2, 3), (4, 7))
    assert resized.shape == (2, 3, 28, 5)
    picture = values[1, 2].T.reshape(1, 5, 2, 3)
    expected = torch.nn.functional.interpolate(picture, (4, 7), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(resized[1, 2].T.reshape(5, 4, 7), expected)
    assert torch.equal(resized_values(values, (2, 3), (2, 3)), values)


def _dino(seed=4):
    return shaken(load_dino(_SETTINGS)[0], seed)


@torch.no_grad()
def test_cells_are_clips_values_mixed_by_the_dinos_weights_without_residual_and_mlp():
    visual, dino = tiny_clip({"ls_init_value": 0.5}, seed=2).visual, _dino()
    tower = ProxyClip(OpenClipVit(visual, READINGS["maskclip"]), dino, _COLORS)
    windows = random_windows(32, 48)  # 4 x 6 patches of CLIP, 2 x 3 of the DINO
    mean, std, own_mean, own_std = (torch.tensor(each)[:, None, None] for each in (*_COLORS, *_DINO_COLORS))
    tokens = dino.forward_features((windows * std + mean - own_mean) / own_std)
    weights = torch.stack([_slow_weights(each) for each in tokens[:, dino.num_prefix_tokens :].double()]).float()
    block = visual.transformer.resblocks[-1]
    values, grid = OpenClipVit(visual, READINGS["plain"]).values(windows)
    assert grid == (4, 6)
    attended = weights[:, None] @ resized_values(values, grid, (2, 3))
    joined = block.attn.out_proj(attended.transpose(1, 2).flatten(2))
    expected = visual.ln_post(block.ls_1(joined)) @ visual.proj
    cells = tower.cells(windows)
    assert (tower.cell_px, tower.channels) == (16, CHANNELS)
    torch.testing.assert_close(cells.flatten(2).transpose(1, 2), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_values_are_those_of_the_last_block():
    visual = tiny_clip({"layers": 1, "image_size": (16, 24)}).visual
    block, windows = visual.transformer.resblocks[0], random_windows(16, 24)
    expected = block.ln_1(visual._embeds(windows)) @ block.attn.in_proj_weight[128:].T + block.attn.in_proj_bias[128:]
    values, grid = OpenClipVit(visual, READINGS["plain"]).values(windows)
    assert grid == (2, 3)
    torch.testing.assert_close(values.transpose(1, 2).flatten(2), expected[:, 1:], rtol=0.0, atol=1e-5)


@torch.no_grad()
def test_windows_that_are_no_whole_patches_of_clip_are_stretched_for_it():
    tower = ProxyClip(
        OpenClipVit(tiny_clip({"patch_size": 12, "image_size": 24}).visual, READINGS["plain"]), _dino(), _COLORS
    )
    assert tower.cells(random_windows(32, 64)).shape == (2, CHANNELS, 2, 4)


def test_the_model_reads_pictures_on_the_dinos_grid_and_says_what_it_reads_with(tmp_path):
    options = {"reading": "proxyclip", "dino": "test_vit", "short_side_px": 64, "window_px": 48, "stride_px": 16}
    model = open_image_model(tiny_config(tmp_path, **options))
    (features,) = model.image_features([np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)])
    assert features.shape == (CHANNELS, 4, 6)
    assert torch.isfinite(features).all()
    assert model.identity()["reading"] == "proxyclip"
    assert model.identity()["dino_sha256"] == "random"
    with pytest.raises(BadConfig, match="key_smoothing: expected a ViT"):
        open_image_model(tiny_config(tmp_path, **options, key_smoothing=1.0))


@torch.no_grad()
def test_a_copy_for_one_grid_says_the_same():
    tower = ProxyClip(OpenClipVit(tiny_clip(VIT).visual, READINGS["plain"]), _dino(), _COLORS)
    windows = random_windows(32, 64)
    torch.testing.assert_close(tower.of_grid((2, 4))(windows), tower.cells(windows), rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("prefix", ["", "module.backbone."])
def test_weights_of_the_dino_come_from_a_file_whose_hash_is_kept(tmp_path, prefix):
    state = {f"{prefix}{name}": tensor for name, tensor in _dino().state_dict().items()}
    state[f"{prefix}head.last_layer.weight"] = torch.zeros(3)
    save_file(state, tmp_path / "dino.safetensors")
    config = _SETTINGS.model_copy(
        update={"dino_weights": str(tmp_path / "dino.safetensors"), "allow_random_weights": False}
    )
    dino, sha256 = load_dino(config)
    assert all(torch.equal(tensor, state[f"{prefix}{name}"]) for name, tensor in dino.state_dict().items())
    assert len(sha256) == 64


@pytest.mark.parametrize(
    ("change", "error", "found"),
    [
        ({"allow_random_weights": False}, BadModelPackage, "download timm/test_vit"),
        (
            {"dino": "vit_base_patch8_224.dino", "allow_random_weights": False},
            BadModelPackage,
            "--accept-licence apache-2.0",
        ),
        ({"dino": "no_such_vit"}, BadConfig, "found 'no_such_vit'"),
        ({"dino": "test_resnet"}, BadConfig, "expected a ViT, found test_resnet"),
        ({"dino_weights": "no/such.pth"}, BadCheckpoint, "found none"),
    ],
)
def test_a_dino_that_is_none_is_refused(change, error, found):
    with pytest.raises(error, match=found):
        load_dino(_SETTINGS.model_copy(update=change))
