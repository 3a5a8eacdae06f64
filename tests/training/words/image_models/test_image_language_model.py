"""A CLIP of open_clip as a dense model: its weights, its identity, its features of pictures and words."""

import io
import json
import pickle
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig, BadModelPackage, MissingExtra
from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from offline_training.words.image_models.base.config import OpenClipConfig
from offline_training.words.image_models.base.dense_model import text_matrix
from offline_training.words.image_models.base.templates import template_sentences
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.image_models.towers.open_clip_weights import architecture, load_clip, weights_file
from tests.training.words.image_models.tiny_clips import CHANNELS, CONVNEXT, VIT, shaken, tiny_config


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of the tiny ViT as a training of open_clip leaves them, in three forms."""
    folder = tmp_path_factory.mktemp("weights")
    config = tiny_config(folder)
    state = shaken(architecture(config.name).build(), seed=8).state_dict()
    save_file(state, folder / "open_clip_model.safetensors")
    torch.save(state, folder / "plain.pt")
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, folder / "run.pt"
    )
    return folder


def _picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_random_weights_are_refused_unless_allowed(tmp_path):
    with pytest.raises(BadModelPackage, match="--allow-random-weights"):
        open_image_model(OpenClipConfig(kind="open_clip"))
    one, two = (open_image_model(tiny_config(tmp_path)).identity() for _ in range(2))
    assert one == two
    assert one["random_weights"]


def test_without_open_clip_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    for ask in (lambda: open_image_model(OpenClipConfig(kind="open_clip")), lambda: template_sentences(("imagenet",))):
        with pytest.raises(MissingExtra, match=r"needs the extra `language`.*pip install 'lidar-vl\[language\]'"):
            ask()
    assert template_sentences(("{}", "a {}")) == ("{}", "a {}")


@pytest.mark.parametrize("form", ["open_clip_model.safetensors", "plain.pt", "run.pt", ""], ids=str)
def test_weights_come_from_a_file_or_a_folder(weights, tmp_path, form):
    model = open_image_model(tiny_config(tmp_path, pretrained=str(weights / form)))
    expected = torch.load(weights / "plain.pt", weights_only=True)
    loaded = load_clip(tiny_config(tmp_path, pretrained=str(weights / form))).clip.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())
    assert model.logit_scale == pytest.approx(float(expected["logit_scale"].exp()))
    assert not model.identity()["random_weights"]


class _Code:
    def __reduce__(self):
        return print, ("code was run",)


def test_weights_that_do_not_fit_or_hold_code_are_refused(weights, tmp_path, capsys):
    with pytest.raises(BadCheckpoint, match="of another shape"):
        load_clip(tiny_config(tmp_path, {**VIT, "width": 32}, pretrained=str(weights / "plain.pt")))
    (tmp_path / "code.pt").write_bytes(_pickled(_Code()))
    with pytest.raises(BadCheckpoint, match="never run"):
        load_clip(tiny_config(tmp_path, pretrained=str(tmp_path / "code.pt")))
    assert capsys.readouterr().out == ""


def _pickled(content):
    stream = io.BytesIO()
    torch.save(content, stream, pickle_module=pickle)
    return stream.getvalue()


def test_a_tag_that_is_not_on_this_machine_is_refused_with_the_command_that_fetches_it(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        BadModelPackage,
        match=r"lidar-vl-train download timm/vit_base_patch16_clip_224\.openai --accept-licence apache-2\.0 ",
    ):
        open_image_model(OpenClipConfig(kind="open_clip", name="ViT-B-16-quickgelu", pretrained="openai"))
    with pytest.raises(BadModelPackage, match="neither a file, a folder nor a tag"):
        weights_file("ViT-B-16", "no/such/file.safetensors")


def test_a_tag_that_lies_in_the_hubs_cache_is_found_there(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--timm--vit_base_patch16_clip_224.openai"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    (snapshot / "open_clip_model.safetensors").touch()
    assert weights_file("ViT-B-16-quickgelu", "openai") == snapshot / "open_clip_model.safetensors"


def test_a_folder_with_several_files_and_none_of_open_clips_name_is_refused(tmp_path):
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(BadModelPackage, match=r"found 2 of them\. Name the file itself"):
        weights_file("ViT-B-16", str(tmp_path))


def test_a_tag_trained_with_quick_gelu_wants_an_architecture_that_has_it():
    with pytest.raises(BadConfig, match="Names that end in -quickgelu"):
        open_image_model(OpenClipConfig(kind="open_clip", name="ViT-B-16", pretrained="openai"))


def test_settings_beside_the_weights_say_how_pictures_are_normed(weights, tmp_path):
    (tmp_path / "model.safetensors").write_bytes((weights / "open_clip_model.safetensors").read_bytes())
    settings = {"model_cfg": {"quick_gelu": False}, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(settings))
    loaded = load_clip(tiny_config(tmp_path, pretrained=str(tmp_path)))
    assert (loaded.mean, loaded.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert load_clip(tiny_config(tmp_path)).mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)  # OpenAI's


def test_identity_tells_whatever_changes_features_and_nothing_else(weights, tmp_path):
    def identity(**options):
        return open_image_model(tiny_config(tmp_path, **options)).identity()

    base = identity(pretrained=str(weights / "plain.pt"))
    json.dumps(base)
    assert base == identity(pretrained=str(weights / "plain.pt"), prompt_denoising=0.5, key_smoothing=1.0)
    for options in ({"reading": "sclip"}, {"window_px": 16}, {"stride_px": 8}, {"short_side_px": 56}):
        assert identity(pretrained=str(weights / "plain.pt"), **options) != base
    assert identity() != base
    assert str(tmp_path) not in json.dumps(base)
    spaces = {identity(pretrained=str(weights / "plain.pt"), reading=name)["text_space"] for name in ("plain", "sclip")}
    assert len(spaces) == 1, "words are the same, however pictures are read"


@pytest.mark.parametrize("vision", [VIT, CONVNEXT], ids=["vit", "convnext"])
def test_cells_lie_evenly_over_pictures_of_any_size(tmp_path, vision):
    model = open_image_model(tiny_config(tmp_path, vision, short_side_px=64, window_px=64, stride_px=32))
    images = [_picture(70, 131), _picture(96, 64), _picture(8, 8)]
    features = model.image_features(images)
    cell = 8 if vision is VIT else 32
    rows_columns = [(64, 120 if cell == 8 else 128), (96, 64), (64, 64)]
    assert [each.shape for each in features] == [
        (CHANNELS, row // cell, column // cell) for row, column in rows_columns
    ]
    for feature, image in zip(features, images, strict=True):
        assert feature.dtype == torch.float32
        assert torch.isfinite(feature).all()
        assert (feature.norm(dim=0) <= 1.0 + 1e-5).all()  # a mean of unit vectors
        image.flags.writeable = False  # as decoders give them
        assert torch.equal(feature, model.image_features([image])[0])  # company does not matter


def test_one_window_over_all_gives_the_towers_own_cells_at_unit_length(weights, tmp_path):
    config = tiny_config(tmp_path, pretrained=str(weights / "plain.pt"), short_side_px=32, reading="plain")
    picture = _picture(32, 32)
    clip = load_clip(config)
    clip.clip.visual.output_tokens = True
    mean, std = (np.array(values, np.float32) for values in (clip.mean, clip.std))
    normed = torch.from_numpy((picture.astype(np.float32) / 255 - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        _, patches = clip.clip.eval().visual(normed)
        expected = torch.nn.functional.normalize(patches[0] @ clip.clip.visual.proj, dim=1)
    (cells,) = open_image_model(config).image_features([picture])
    torch.testing.assert_close(cells.flatten(1).T, expected, rtol=0.0, atol=1e-5)


def test_text_rows_are_open_clips_own_and_many_sentences_go_through_in_parts(tmp_path, monkeypatch):
    import open_clip

    model = open_image_model(tiny_config(tmp_path))
    sentences = [f"a thing number {number}" for number in range(5)]
    with torch.no_grad():
        clip = load_clip(tiny_config(tmp_path)).clip.eval()
        expected = clip.encode_text(open_clip.get_tokenizer("ViT-B-16")(sentences), normalize=True)
    torch.testing.assert_close(model.text_features(sentences), expected)
    monkeypatch.setattr("offline_training.words.image_models.towers.open_clip_model._SENTENCES_AT_ONCE", 2)
    torch.testing.assert_close(model.text_features(sentences), expected)
    assert model.text_features([]).shape == (0, CHANNELS)


def test_imagenet_stands_for_the_80_templates_of_clip(tmp_path):
    templates = template_sentences(("imagenet",))
    assert len(set(templates)) == 80
    assert all(template.count("{}") == 1 for template in templates)
    model = open_image_model(tiny_config(tmp_path))
    vocabulary = vocabulary_of_prompts(["car"]).model_copy(update={"templates": ("imagenet",)})
    expected = model.text_features([template.replace("{}", "car") for template in templates]).mean(dim=0)
    np.testing.assert_allclose(text_matrix(model, vocabulary)[0], expected / expected.norm(), atol=1e-6)


def test_keys_for_smoothing_lie_on_the_features_grid_and_a_convnext_has_none(tmp_path):
    model = open_image_model(tiny_config(tmp_path, key_smoothing=1.0))
    assert model.image_keys(_picture(60, 90)).shape == (
        VIT["width"],
        *model.image_features([_picture(60, 90)])[0].shape[1:],
    )
    with pytest.raises(BadConfig, match="key_smoothing: expected a ViT"):
        open_image_model(tiny_config(tmp_path, CONVNEXT, short_side_px=64, window_px=64, key_smoothing=1.0))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "expected JSON"),
        ("[]", "expected an object"),
        ("{}", "expected embed_dim, vision_cfg, text_cfg"),
        ('{"embed_dim": 8, "vision_cfg": {"depth": 3}, "text_cfg": {}}', "unexpected keyword argument 'depth'"),
    ],
)
def test_a_damaged_architecture_file_is_refused(tmp_path, content, found):
    (tmp_path / "clip.json").write_text(content)
    with pytest.raises(BadConfig, match=found):
        architecture(str(tmp_path / "clip.json")).build()
