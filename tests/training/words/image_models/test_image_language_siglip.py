"""SigLIP 2: with its attention put back, the reading patch by patch equals open_clip's own output; its tokenizer is local."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage, BadRequest
from offline_training.words.image_models.base.config import Siglip2Config
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.image_models.towers.siglip2_model import siglip_architecture
from offline_training.words.image_models.towers.siglip2_tower import Siglip2Tower
from tests.training.torchvision_on_cpu import ensure_torchvision
from tests.training.words.image_models.tiny_clips import CONVNEXT, shaken, tiny_clip

_CHANNELS = 64  # width of the ViT: the pooled vector is the embedding
_VISION = {"timm_model_name": "tiny_siglip", "timm_pool": "map", "timm_proj": "none", "image_size": 64}
_TEXT = {
    **{"context_length": 8, "vocab_size": 20, "width": 16, "heads": 2, "layers": 1, "hf_tokenizer_name": "some/where"},
    **{"tokenizer_kwargs": {"clean": "canonicalize"}, "no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
}
_WORDS = ["<pad>", "<unk>", "a", "car", "tree", "red", "person", "wheelchair", "in"]


def tiny_siglip(pretrained=False, pretrained_cfg=None, pretrained_cfg_overlay=None, cache_dir=None, **options):
    """A ViT as those of SigLIP in timm are, whose own tiny ones all have a class token."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(64, 16, embed_dim=_CHANNELS, depth=2, num_heads=4, class_token=False, **options)


@pytest.fixture(scope="module", autouse=True)
def _known_to_timm():
    ensure_torchvision()
    from timm.models import register_model

    register_model(tiny_siglip)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Architecture, tokenizer and weights as a user would have fetched them."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("siglip")
    content = {
        "embed_dim": _CHANNELS,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": _VISION,
        "text_cfg": _TEXT,
    }
    (folder / "tiny.json").write_text(json.dumps(content))
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(_WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(folder / "words")
    state = shaken(siglip_architecture(str(folder / "tiny.json")).build(), seed=6).state_dict()
    save_file(state, folder / "weights.safetensors")
    return folder


def _config(folder, **options):
    chosen = {
        "name": str(folder / "tiny.json"),
        "pretrained": str(folder / "weights.safetensors"),
        "tokenizer": str(folder / "words"),
        "short_side_px": 64,
        "window_px": 64,
        "stride_px": 32,
        "device": "cpu",
    }
    return Siglip2Config(kind="siglip2", **{**chosen, **options})


@pytest.fixture(scope="module")
def visual(folder):
    return shaken(siglip_architecture(str(folder / "tiny.json")).build().eval(), seed=3).visual


def _windows(height, width):
    return torch.randn((2, 3, height, width), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_pools_attention_put_back_gives_open_clips_own_output(visual):
    tower, windows, pool = Siglip2Tower(visual), _windows(64, 64), visual.trunk.attn_pool
    tokens, _ = tower.tokens(windows)
    heads = [
        each.unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
        for each in (pool.q(pool.latent.expand(2, -1, -1)), *pool.kv(tokens).chunk(2, dim=-1))
    ]
    q, k, v = heads
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(dim=-1)
    pooled = tower.behind_attention((weights @ v).transpose(1, 2).flatten(2))[:, 0]
    assert pooled.abs().max() > 0.1
    assert (pooled - visual(windows)).abs().max() <= 1e-5


@torch.no_grad()
def test_in_a_picture_of_one_patch_a_cell_is_open_clips_own_output(visual):
    from copy import deepcopy

    tower, windows = Siglip2Tower(visual), _windows(16, 16)
    own = deepcopy(visual)
    own.trunk.set_input_size((16, 16))
    assert (tower.cells(windows)[:, :, 0, 0] - own(windows)).abs().max() <= 1e-5


@torch.no_grad()
def test_other_grids_and_a_copy_for_one_grid_agree(visual):
    tower, windows = Siglip2Tower(visual), _windows(48, 80)
    cells = tower.cells(windows)
    assert cells.shape == (2, _CHANNELS, 3, 5)
    torch.testing.assert_close(tower.of_grid((3, 5))(windows), cells, rtol=0.0, atol=1e-5)


def test_pictures_and_words_lie_in_one_space_and_identity_tells_the_tokenizer(folder):
    model = open_image_model(_config(folder))
    (features,) = model.image_features([np.random.default_rng(0).integers(0, 256, (60, 95, 3), np.uint8)])
    assert features.shape == (_CHANNELS, 4, 6)
    rows = model.text_features(["a red car", "a person in a wheelchair", "A RED, CAR!"])
    assert rows.shape == (3, _CHANNELS)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(rows[0], rows[2])  # lower case, no punctuation
    assert (rows[0] - rows[1]).abs().max() > 1e-3
    identity = model.identity()
    assert identity["mean"] == [0.5] * 3
    assert identity["tokenizer_sha256"]
    assert str(folder) not in json.dumps(identity)


@torch.no_grad()
def test_text_rows_are_open_clips_own(folder):
    model = open_image_model(_config(folder))
    tokens = torch.zeros((1, 8), dtype=torch.int64)
    tokens[0, :3] = torch.tensor([2, 5, 3])  # a red car
    torch.testing.assert_close(model.text_features(["a red car"]), model._clip.encode_text(tokens, normalize=True))


def test_its_text_tower_is_not_given_to_robots(folder):
    with pytest.raises(BadRequest, match="Export without the text encoder"):
        open_image_model(_config(folder)).text_encoder_onnx()


@pytest.mark.parametrize(
    ("options", "error", "found"),
    [
        ({"pretrained": None}, BadModelPackage, "--allow-random-weights"),
        ({"tokenizer": None}, BadModelPackage, "download some/where --accept-licence LICENCE"),
        ({"tokenizer": "no/such/folder"}, BadModelPackage, "expected a folder with tokenizer.json"),
        ({"name": "ViT-B-16"}, BadConfig, "the kind open_clip for a plain CLIP"),
        ({"name": "no-such-model"}, BadConfig, "expected a model of open_clip"),
    ],
)
def test_what_is_missing_is_named(folder, options, error, found):
    with pytest.raises(error, match=found):
        open_image_model(_config(folder, **options))


def test_a_damaged_tokenizer_is_refused(folder, tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BadModelPackage, match="expected a tokenizer that transformers can load"):
        open_image_model(_config(folder, tokenizer=str(tmp_path)))


def test_a_tower_without_attention_pooling_is_refused():
    with pytest.raises(BadConfig, match=r"expected a SigLIP .*found ConvNeXt"):
        Siglip2Tower(tiny_clip(CONVNEXT).visual)
