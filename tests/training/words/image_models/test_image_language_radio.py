"""C-RADIO by RADSeg's recipe: its own answer with the attention put back, slow references, the adaptor's files."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadModelPackage, UnknownPrompt
from offline_training.words.image_models.base.config import RadioConfig
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.image_models.towers.radio_adaptor import SummaryHead, read_summary_head
from offline_training.words.image_models.towers.radio_model import RadioTower
from offline_training.words.image_models.towers.radseg import globally_aggregated, plain, self_correlated
from tests.training.torchvision_on_cpu import ensure_torchvision
from tests.training.words.image_models.tiny_clips import shaken

_WIDTH, _CHANNELS = 32, 12


def _rows(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _slow_weights(rows, subtract=0.0):
    """Softmax over 10 (cosine - subtract) of those not below 0, one row at a time; none is unlike itself."""
    unit = [row / row.norm() for row in rows]
    lines = []
    for here, a in enumerate(unit):
        cosines = [float(a @ b) - subtract for b in unit]
        weights = [np.exp(10 * each) if each >= 0 or there == here else 0.0 for there, each in enumerate(cosines)]
        lines.append([weight / sum(weights) for weight in weights])
    return torch.tensor(lines, dtype=torch.float64)


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_self_correlated_attention_equals_its_slow_reference(seed):
    q, k, v = (_rows(seed + 100 * each, 2, 3, 5, 4) for each in range(3))
    matrix = _rows(seed + 7, 12, 12)

    def project(x):
        return x @ matrix

    answer = self_correlated(q, k, v, project)
    for picture in range(2):
        first = [(q[picture, head] @ k[picture, head].T / 2.0).softmax(dim=-1) @ v[picture, head] for head in range(3)]
        projected = torch.cat(first, dim=1) @ matrix
        heads = [_slow_weights(projected[:, 4 * head : 4 * head + 4]) @ v[picture, head] for head in range(3)]
        torch.testing.assert_close(answer[picture], torch.cat(heads, dim=1) @ matrix)


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(1, 9))
def test_global_aggregation_equals_its_slow_reference(seed, count):
    features = _rows(seed, count, 4)
    unit = torch.nn.functional.normalize(features, dim=1)
    expected = _slow_weights(features, float((unit @ unit.T).mean())) @ features
    torch.testing.assert_close(globally_aggregated(features), expected)


@settings(max_examples=20)
@given(st.integers(0, 99), st.integers(1, 30))
def test_cells_all_alike_stay_as_they_are(seed, count):
    features = _rows(seed, 1, 6).float().expand(count, 6)
    torch.testing.assert_close(globally_aggregated(features), features)


def _radio():
    ensure_torchvision()
    from transformers import RadioConfig as Settings
    from transformers import RadioModel

    plan = Settings(
        hidden_size=_WIDTH, num_hidden_layers=3, num_attention_heads=4, patch_size=8, max_img_size=128, num_registers=2
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return shaken(RadioModel(plan).eval(), 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny C-RADIO as transformers saves it, its adaptor, and text of a file."""
    folder = tmp_path_factory.mktemp("radio")
    _radio().save_pretrained(folder / "radio")
    head = shaken(SummaryHead((_WIDTH, 20, _CHANNELS), 2), 5).state_dict()
    other = shaken(SummaryHead((_WIDTH, 20, 7), 0), 6).state_dict()
    both = {f"adaptors.siglip2-g.head_mlp.{name}": tensor for name, tensor in head.items()}
    both |= {f"adaptors.dino_v3.head_mlp.{name}": tensor for name, tensor in other.items()}
    both |= {f"adaptors.siglip2-g.feat_mlp.{name}": tensor + 1.0 for name, tensor in other.items()}
    save_file(both, folder / "adaptors.safetensors")
    np.save(folder / "text.npy", np.random.default_rng(0).normal(size=(2, _CHANNELS)).astype(np.float32))
    (folder / "names.json").write_text(json.dumps(["car", "tree"]))
    return folder


def _config(place, **options):
    files = {
        "folder": "radio",
        "adaptor": "adaptors.safetensors",
        "text_embeddings": "text.npy",
        "text_names": "names.json",
    }
    given = {key: str(place / name) for key, name in files.items()}
    sizes = {"short_side_px": 48, "window_px": 32, "stride_px": 16, "device": "cpu"}
    return RadioConfig(kind="radio", **{**given, **sizes, **options})


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (32, 56)])
def test_the_original_attention_put_back_gives_radios_own_features(size):
    network = _radio()
    windows = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(1))
    cells = RadioTower(network, plain).cells(windows)
    own = network(windows).features
    assert cells.shape == (2, _WIDTH, size[0] // 8, size[1] // 8)
    assert (cells.flatten(2).transpose(1, 2) - own).abs().max() <= 1e-5


@torch.no_grad()
def test_a_picture_goes_through_windows_aggregation_and_the_adaptors_head_in_this_order(folder):
    model = open_image_model(_config(folder, window_px=960, stride_px=960))
    picture = np.random.default_rng(0).integers(0, 256, (48, 72, 3), np.uint8)
    (features,) = model.image_features([picture])
    cells = RadioTower(_radio()).cells(torch.tensor(picture).permute(2, 0, 1)[None] / 255)[0]
    head = read_summary_head(folder / "adaptors.safetensors", "siglip2-g", _WIDTH)
    expected = head(globally_aggregated(cells.flatten(1).T))
    expected = expected / expected.norm(dim=1, keepdim=True)
    assert features.shape == (_CHANNELS, 6, 9)
    torch.testing.assert_close(features.flatten(1).T, expected, rtol=0.0, atol=1e-5)


def test_words_come_from_the_adaptors_teacher_and_identity_tells_all_files(folder):
    model = open_image_model(_config(folder))
    assert model.text_features(["tree"]).shape == (1, _CHANNELS)
    with pytest.raises(UnknownPrompt):
        model.text_features(["excavator"])
    identity = model.identity()
    assert identity["radio"]["type"] == "radio"
    assert str(folder) not in json.dumps(identity)
    assert open_image_model(_config(folder, stride_px=32)).identity() != identity
    (small,) = model.image_features([np.zeros((30, 40, 3), np.uint8)])
    assert torch.isfinite(small).all()


@torch.no_grad()
def test_the_head_is_residual_blocks_between_two_layers():
    head = shaken(SummaryHead((4, 6, 3), 1), 0)
    x = torch.randn((5, 4), generator=torch.Generator().manual_seed(0))

    def step(part, y):
        normed = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        normed = normed * part[0].weight + part[0].bias
        return torch.nn.functional.gelu(normed) @ part[2].weight.T + part[2].bias

    y = x @ head.fc1.weight.T + head.fc1.bias
    torch.testing.assert_close(head(x), step(head.final, y + step(head.blocks[0], y)))


@pytest.mark.parametrize(
    ("options", "error", "found"),
    [
        (
            {"adaptor_name": "clip"},
            BadCheckpoint,
            r"one adaptor named 'clip'.*found adaptors.dino_v3, adaptors.siglip2-g",
        ),
        ({"adaptor_name": "dino_v3"}, BadConfig, "expected text embeddings of 7 channels"),
        ({"text_embeddings": None, "text_names": None}, BadConfig, "found neither"),
        ({"folder": "no/such"}, BadModelPackage, "config.json"),
        ({"window_px": 36}, BadConfig, "window_px"),
    ],
)
def test_what_does_not_fit_is_named(folder, options, error, found):
    with pytest.raises(error, match=found):
        open_image_model(_config(folder, **options))


def test_a_folder_that_needs_its_own_code_is_refused(folder, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "evil.Model"}}))
    (tmp_path / "model.safetensors").write_bytes((folder / "adaptors.safetensors").read_bytes())
    (tmp_path / "evil.py").write_text("raise SystemExit('code was run')")
    with pytest.raises(BadModelPackage, match="never run"):
        open_image_model(_config(folder, folder=str(tmp_path)))


def test_an_adaptor_of_another_width_or_form_is_refused(folder, tmp_path):
    with pytest.raises(BadCheckpoint, match=r"fc1.weight \(hidden, 99\)"):
        read_summary_head(folder / "adaptors.safetensors", "siglip2-g", 99)
    save_file({"head_mlp.fc1.parametrizations.weight.original": torch.zeros(3, _WIDTH)}, tmp_path / "a.safetensors")
    with pytest.raises(BadCheckpoint, match="spectral"):
        read_summary_head(tmp_path / "a.safetensors", "siglip2-g", _WIDTH)
