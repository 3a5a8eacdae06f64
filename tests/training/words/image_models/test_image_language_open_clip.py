"""With the original attention put back, our reading of a CLIP equals open_clip's own output; towers we cannot read are refused."""

import pytest
import torch

from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.image_models.towers.last_block import READINGS
from offline_training.words.image_models.towers.open_clip_convnext import OpenClipConvNext
from offline_training.words.image_models.towers.open_clip_vit import OpenClipVit
from offline_training.words.image_models.towers.open_clip_weights import architecture
from tests.training.words.image_models.tiny_clips import CHANNELS, CONVNEXT, random_windows, tiny_clip

_ERROR = 1e-5
_VITS = {
    "plain": {},
    "larger patches, wide heads": {"patch_size": 16, "head_width": 32, "image_size": 64},
    "wide grid": {"image_size": (24, 56)},
    "layer scale": {"ls_init_value": 0.3},
    "open_clip's own attention class": {"scale_fc": True},
    "no norm before the blocks": {"no_ln_pre": True},
    "one block": {"layers": 1},
    "sine and cosine places": {"pos_embed_type": "sin_cos_2d"},
}


def _own_tokens(visual, windows):
    """What open_clip says: the class token and the patches, in the text space."""
    visual.output_tokens = True
    pooled, patches = visual(windows)
    return torch.cat([pooled[:, None], patches @ visual.proj], dim=1)


@pytest.mark.parametrize("quick_gelu", [False, True], ids=["gelu", "quickgelu"])
@pytest.mark.parametrize("name", _VITS)
@torch.no_grad()
def test_the_original_attention_put_back_gives_open_clips_own_output(name, quick_gelu):
    for seed in range(2):
        visual = tiny_clip(_VITS[name], seed, quick_gelu).visual
        windows = random_windows(*visual.image_size, seed=seed)
        tokens = OpenClipVit(visual, READINGS["plain"]).tokens(windows)
        assert (tokens - _own_tokens(visual, windows)).abs().max() <= _ERROR


@torch.no_grad()
def test_another_grid_equals_open_clip_with_its_own_image_size_override():
    from open_clip.model import resize_pos_embed

    trained = tiny_clip({"image_size": 32}, seed=3)
    for size in ((32, 64), (48, 40), (24, 16)):
        override = tiny_clip({"image_size": size})
        state = trained.state_dict()
        resize_pos_embed(state, override)
        override.load_state_dict(state)
        windows = random_windows(*size)
        tokens = OpenClipVit(trained.visual, READINGS["plain"]).tokens(windows)
        assert (tokens - _own_tokens(override.visual, windows)).abs().max() <= _ERROR


@pytest.mark.parametrize("name", READINGS)
@torch.no_grad()
def test_the_block_around_a_reading_is_as_the_table_says(name):
    visual = tiny_clip({"ls_init_value": 0.5, "image_size": (16, 24)}, seed=5).visual
    windows = random_windows(16, 24)
    answer = visual.forward_intermediates(windows, indices=[1], output_fmt="NLC", output_extra_tokens=True)
    x = torch.cat([answer["image_intermediates_prefix"][0], answer["image_intermediates"][0]], dim=1)
    block = visual.transformer.resblocks[-1]
    width, heads = 64, 4
    q, k, v = (
        (block.ln_1(x) @ block.attn.in_proj_weight[part].T + block.attn.in_proj_bias[part]).reshape(2, -1, heads, 16)
        for part in (slice(0, width), slice(width, 2 * width), slice(2 * width, 3 * width))
    )
    each_head = [
        READINGS[name].attend(q[:, None, :, head], k[:, None, :, head], v[:, None, :, head], (2, 3))[:, 0]
        for head in range(heads)
    ]
    y = block.ls_1(block.attn.out_proj(torch.cat(each_head, dim=2)))
    if name in ("plain", "maskclip", "sclip"):
        y = x + y
        y = y + block.ls_2(block.mlp(block.ln_2(y)))
    expected = (visual.ln_post(y) @ visual.proj)[:, 1:]
    cells = OpenClipVit(visual, READINGS[name]).cells(windows)
    assert cells.shape == (2, CHANNELS, 2, 3)
    torch.testing.assert_close(cells.flatten(2).transpose(1, 2), expected, rtol=0.0, atol=_ERROR)


@torch.no_grad()
def test_keys_are_those_of_the_last_block_through_its_output_projection():
    visual = tiny_clip({"layers": 1}).visual
    windows = random_windows(32, 32)
    block = visual.transformer.resblocks[0]
    k = block.ln_1(visual._embeds(windows)) @ block.attn.in_proj_weight[64:128].T + block.attn.in_proj_bias[64:128]
    expected = block.attn.out_proj(k)[:, 1:].transpose(1, 2).reshape(2, 64, 4, 4)
    torch.testing.assert_close(OpenClipVit(visual, READINGS["naclip"]).keys(windows), expected, rtol=0.0, atol=_ERROR)


@pytest.mark.parametrize("projection", ["mlp", "linear"])
@pytest.mark.parametrize("trunk", ["test_convnext", "test_convnext2", "test_convnext3"])
@torch.no_grad()
def test_a_convnext_head_on_the_mean_of_the_cells_gives_open_clips_own_output(trunk, projection):
    visual = tiny_clip({**CONVNEXT, "timm_model_name": trunk, "timm_proj": projection}).visual
    tower = OpenClipConvNext(visual)
    windows = random_windows(64, 96)
    pooled = tower.head(tower.trunk_features(windows).mean(dim=(2, 3)))  # the mean before the trunk's norm, put back
    assert (pooled - visual(windows)).abs().max() <= _ERROR


@torch.no_grad()
def test_a_convnext_cell_alone_gives_what_open_clip_says_of_one_cell():
    visual = tiny_clip(CONVNEXT).visual
    tower = OpenClipConvNext(visual)
    assert (tower.cell_px, tower.channels) == (32, CHANNELS)
    windows = random_windows(32, 32)
    torch.testing.assert_close(tower.cells(windows)[:, :, 0, 0], visual(windows), rtol=0.0, atol=_ERROR)
    features, cells = tower.trunk_features(random_windows(64, 96)), tower.cells(random_windows(64, 96))
    assert cells.shape == (2, CHANNELS, 2, 3)
    torch.testing.assert_close(cells[1, :, 1, 2], tower.head(features[1:, :, 1, 2])[0], rtol=0.0, atol=_ERROR)


@pytest.mark.parametrize(
    ("vision", "found"),
    [
        ({"attentional_pool": True, "attn_pooler_heads": 4}, "attentional pooling"),
        ({"pool_type": "avg"}, "pool_type avg"),
        ({"final_ln_after_pool": True}, "final_ln_after_pool True"),
        ({"qk_norm": True}, "ln_q, ln_k"),
        ({"scaled_cosine_attn": True}, "logit_scale"),
        ({"scale_heads": True}, "head_scale"),
        ({"scale_attn_inner": True}, "ln_inner"),
        ({"scale_attn": True}, "ln_attn"),
        ({"layers": (1, 1, 1, 1), "image_size": 64}, "ModifiedResNet"),
    ],
)
def test_a_vit_that_is_no_plain_clip_is_refused_in_words(vision, found):
    with pytest.raises(BadConfig, match=found):
        OpenClipVit(tiny_clip(vision).visual, READINGS["naclip"])


def test_a_timm_trunk_that_is_no_convnext_is_refused_in_words():
    vision = {**CONVNEXT, "timm_model_name": "test_resnet", "timm_proj": "linear"}
    with pytest.raises(BadConfig, match=r"ConvNeXt.*found ResNet"):
        OpenClipConvNext(tiny_clip(vision).visual)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ViT-B-16-SigLIP2", "custom_text"),
        ("coca_ViT-B-32", "multimodal_cfg"),
        ("roberta-ViT-B-32", "hf_model_name"),
        ("ViT-H-14-CLIPA", "hf_tokenizer_name"),
        ("ViT-Z-16", "Known, for example: .*ViT-B-16"),
        ("hf-hub:somebody/clip", "found 'hf-hub:somebody/clip'"),
    ],
)
def test_an_architecture_with_parts_we_cannot_load_is_refused_in_words(name, found):
    with pytest.raises(BadConfig, match=found):
        architecture(name)
