"""A network that understands words as a package: it answers as PyTorch does, and learns words its table lacks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lidar_vl_core.clouds.ply import ply_bytes
from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.foundation.errors import BadCheckpoint, BadModelPackage, UnknownPrompt
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.cli.main import main
from offline_training.export import export_embedding as export_module
from offline_training.export.export_embedding import Towers, export_embedding
from offline_training.export.parity import MAX_DIFFERENCE
from offline_training.words.features import run_text
from offline_training.words.image_models.base.dense_model import text_matrix
from offline_training.words.image_models.toy_model import CONTEXT_LENGTH, ToyModel, ToyTowers
from offline_training.words.stages.adapter.specialise import load_adapter, specialise
from offline_training.words.stages.guidance.guide import guide
from offline_training.words.stages.guidance.inference import load_language_network
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from tests.training.export.trial_card import CARD
from tests.training.words.stages.tiny_language import (
    CHANNELS,
    tiny_config,
    tiny_sample,
    use_tiny_world,
    write_tiny_features,
)

NEW_WORDS = ("red", "excavator")


def untrained_toy() -> ToyModel:
    """Towers with random weights that know the words of nuScenes' vocabulary, and a colour."""
    vocabulary = load_vocabulary("nuscenes16")
    words = sorted({*" ".join((*vocabulary.prompts, *vocabulary.templates, *NEW_WORDS)).replace("{}", "").split()})
    torch.manual_seed(0)
    content = json.dumps({"words": words, "context_length": CONTEXT_LENGTH}).encode()
    return ToyModel(ToyTowers(len(words) + 1, CHANNELS), content)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    """A run of three short stages, its clouds, and the image model it had."""
    patch, folder, toy = pytest.MonkeyPatch(), tmp_path_factory.mktemp("words"), untrained_toy()
    use_tiny_world(patch)
    patch.setattr(run_text, "open_image_model", lambda config: toy)
    patch.setattr(export_module, "open_image_model", lambda config: toy)
    config = tiny_config(folder / "run")
    write_tiny_features(config, model=toy)
    for stage in (pseudo_label, specialise, guide):
        stage(config)
    for number in (7, 8):
        cloud = tiny_sample(number).cloud
        columns = dict(zip("xyz", cloud.xyz_m.T, strict=True))
        columns |= dict(zip(("red", "green", "blue"), cloud.extra["rgb"].T, strict=True))
        (folder / f"{number}.ply").write_bytes(ply_bytes(columns))
    yield folder / "run" / "guide" / "checkpoints", [folder / "7.ply", folder / "8.ply"], toy
    patch.undo()


@pytest.mark.slow
def test_the_package_embeds_and_labels_as_pytorch_does(world, tmp_path):
    checkpoint, clouds, _ = world
    package, parity = export_embedding(checkpoint, tmp_path / "package", clouds, CARD)
    assert [one.engine for one in parity] == ["fused", "onnxruntime"]
    assert all(one.max_difference < MAX_DIFFERENCE and one.same_class >= 0.999 for one in parity)
    assert package.manifest.task == "embedding"
    assert package.language.channels == CHANNELS
    assert package.classes.names == load_vocabulary("nuscenes16").class_table.names


@pytest.mark.slow
def test_it_may_begin_with_other_words_than_it_was_trained_with(world, tmp_path):
    checkpoint, clouds, _ = world
    words = tmp_path / "diggers.yaml"
    words.write_text("name: diggers\nclasses:\n  - {name: digger, prompts: [excavator, bulldozer]}\n  - name: road\n")
    package, _ = export_embedding(checkpoint, tmp_path / "package", clouds, CARD, str(words))
    assert package.classes.names == ("digger", "road")


@pytest.mark.slow
def test_without_the_text_tower_new_words_are_refused_and_with_it_they_are_embedded_as_by_the_model(world, tmp_path):
    checkpoint, clouds, toy = world
    bare, _ = export_embedding(checkpoint, tmp_path / "bare", clouds, CARD)
    with pytest.raises(UnknownPrompt, match="red car"):
        Segmenter(bare).set_words(["red car", "road"])
    full, _ = export_embedding(checkpoint, tmp_path / "full", clouds, CARD, towers=Towers(text=True))
    encoder = TextEncoder(full.text_encoder_bytes(), full.tokenizer_bytes(), full.language, 1)
    vocabulary = load_vocabulary("nuscenes16")
    np.testing.assert_allclose(encoder.embed(list(vocabulary.prompts)), text_matrix(toy, vocabulary), atol=1e-5)
    segmenter = Segmenter(full)
    segmenter.set_words(["red car", "road"])
    assert segmenter.classes.names == ("red car", "road")


@pytest.mark.slow
def test_the_text_tower_fills_the_sentences_that_the_packages_own_words_were_filled_into(world, tmp_path):
    checkpoint, clouds, _ = world
    words = tmp_path / "bare.yaml"
    words.write_text("name: bare\ntemplates: ['{}']\nclasses: [{name: car}, {name: road}]\n")
    package, _ = export_embedding(checkpoint, tmp_path / "package", clouds, CARD, str(words), Towers(text=True))
    encoder = TextEncoder(package.text_encoder_bytes(), package.tokenizer_bytes(), package.language, 1)
    np.testing.assert_allclose(encoder.embed(["car", "road"]), package.text_table().embeddings, atol=1e-5)


def test_words_and_towers_of_another_image_model_than_it_was_trained_with_are_refused(world, tmp_path, monkeypatch):
    checkpoint, clouds, _ = world
    torch.manual_seed(1)
    words = sorted({*" ".join(load_vocabulary("nuscenes16").prompts).split(), "a", "in", "scene"})
    content = json.dumps({"words": words, "context_length": CONTEXT_LENGTH}).encode()
    other = ToyModel(ToyTowers(len(words) + 1, CHANNELS), content)
    monkeypatch.setattr(run_text, "open_image_model", lambda config: other)
    monkeypatch.setattr(export_module, "open_image_model", lambda config: other)
    with pytest.raises(BadCheckpoint, match="image model that the network was trained with"):
        export_embedding(checkpoint, tmp_path / "package", clouds, CARD, towers=Towers(text=True))
    with pytest.raises(BadCheckpoint, match="image model that the network was trained with"):
        export_embedding(checkpoint, tmp_path / "package", clouds, CARD, "nuscenes16")


@pytest.mark.slow
def test_the_image_tower_goes_along_where_asked(world, tmp_path):
    checkpoint, clouds, _ = world
    package, _ = export_embedding(checkpoint, tmp_path / "package", clouds, CARD, towers=Towers(image_size=(32, 48)))
    assert package.language.image_size == (32, 48)
    assert package.image_encoder_bytes()
    assert load_model_package(package.path).manifest == package.manifest


@pytest.mark.slow
def test_the_image_tower_gives_specialised_features_where_the_adapter_goes_along(world, tmp_path):
    checkpoint, clouds, _ = world
    package, _ = export_embedding(
        checkpoint, tmp_path / "package", clouds, CARD, towers=Towers(image_size=(32, 48), adapter=True)
    )
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    found = ImageEncoder(package, 1).features(picture)
    bare, _ = export_embedding(checkpoint, tmp_path / "bare", clouds, CARD, towers=Towers(image_size=(32, 48)))
    raw = ImageEncoder(bare, 1).features(picture)
    adapter = load_adapter(load_language_network(checkpoint)[1])
    with torch.no_grad():
        expected = adapter(torch.from_numpy(raw).permute(1, 2, 0)).permute(2, 0, 1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - raw).max() > 0.01


def test_an_adapter_without_an_image_tower_is_one_line(world, tmp_path, capsys):
    checkpoint, clouds, _ = world
    arguments = ["export", str(checkpoint), "--out", str(tmp_path / "p"), "--clouds", str(clouds[0]), "--adapter"]
    assert main(arguments) == 2
    assert "--adapter: expected --image-encoder" in capsys.readouterr().err


def test_a_package_that_answers_otherwise_is_not_written(world, tmp_path, monkeypatch):
    checkpoint, clouds, _ = world
    turned = export_module.unit_rows
    rng = np.random.default_rng(0)
    monkeypatch.setattr(export_module, "unit_rows", lambda rows: turned(rows) + rng.normal())
    with pytest.raises(BadModelPackage, match="Nothing was written"):
        export_embedding(checkpoint, tmp_path / "package", clouds, CARD)
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize("given", [["--image-encoder", "640"], ["--image-encoder", "0x20"]])
def test_a_size_that_is_none_is_one_line(world, tmp_path, given, capsys):
    checkpoint, clouds, _ = world
    card = Path(__file__).parents[3] / "offline_training" / "configs" / "export/demo_card.yaml"
    arguments = [
        "export",
        str(checkpoint),
        "--out",
        str(tmp_path / "p"),
        "--clouds",
        str(clouds[0]),
        "--card",
        str(card),
    ]
    assert main([*arguments, *given]) == 2
    assert "expected WIDTHxHEIGHT" in capsys.readouterr().err
