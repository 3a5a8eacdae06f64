"""The toy vision-language model: losses against a slow reference, towers, and training."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lidar_vl_core.foundation.errors import BadConfig, BadImage
from offline_training.cli.main import main
from offline_training.losses.region_caption import cell_caption_contrast, region_caption_contrast
from offline_training.networks.image.toy_language import ToyImageEncoder
from offline_training.toys.toy_language import train_toy_language
from offline_training.words.image_models.toy_model import open_toy_model


def _unit(rng, rows):
    return F.normalize(torch.from_numpy(rng.normal(size=(rows, 5))), dim=1)


@given(seed=st.integers(0, 2**32 - 1), regions=st.integers(1, 6), more=st.integers(0, 3))
def test_the_contrast_equals_its_definition_in_loops(seed, regions, more):
    rng = np.random.default_rng(seed)
    region, caption = _unit(rng, regions), _unit(rng, regions + more)
    also_fits = torch.from_numpy(rng.random((regions, regions + more)) < 0.3)
    scale = torch.tensor(7.0)

    def negative_log(feature, others, own):
        exp = [float(torch.exp(scale * feature @ other)) for other in others]
        return -np.log(float(torch.exp(scale * feature @ own)) / (sum(exp) + float(torch.exp(scale * feature @ own))))

    of_regions = [
        negative_log(region[i], [caption[j] for j in range(len(caption)) if j != i and not also_fits[i, j]], caption[i])
        for i in range(regions)
    ]
    of_captions = [
        negative_log(caption[j], [region[i] for i in range(regions) if i != j and not also_fits[i, j]], region[j])
        for j in range(regions)
    ]
    found = region_caption_contrast(region, caption, also_fits, scale)
    assert float(found) == pytest.approx((np.mean(of_regions) + np.mean(of_captions)) / 2)
    weight = torch.from_numpy(rng.uniform(0.1, 2, regions))
    of_cells = cell_caption_contrast(region, torch.arange(regions), weight, caption, also_fits, scale)
    assert float(of_cells) == pytest.approx(np.average(of_regions, weights=weight))


def test_a_caption_that_fits_another_region_too_does_not_pull_on_it():
    rng = np.random.default_rng(0)
    region = _unit(rng, 2).requires_grad_()
    caption = _unit(rng, 2)
    region_caption_contrast(region, caption, torch.ones(2, 2, dtype=torch.bool), torch.tensor(5.0)).backward()
    assert region.grad.abs().max() < 1e-12


def test_no_regions_give_a_loss_of_zero_with_a_gradient_path():
    nothing = torch.zeros(0, 4, requires_grad=True)
    fits, scale = torch.zeros(0, 0, dtype=torch.bool), torch.tensor(5.0)
    for loss in (
        region_caption_contrast(nothing, nothing, fits, scale),
        cell_caption_contrast(nothing, torch.zeros(0, dtype=torch.long), torch.zeros(0), nothing, fits, scale),
    ):
        assert loss.item() == 0
        loss.backward()


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 13), (30, 50), (48, 64), (61, 47)])
def test_cells_of_about_four_pixels_cover_pictures_of_any_size(height, width):
    encoder = ToyImageEncoder(16).eval()
    with torch.no_grad():
        cells = encoder(torch.rand(1, 3, height, width))
    assert cells.shape == (1, 16, round(height / 4), round(width / 4))
    torch.testing.assert_close(cells.norm(dim=1), torch.ones(cells.shape[0], *cells.shape[2:]))


def test_features_of_a_picture_do_not_depend_on_the_rest_of_its_batch():
    encoder = ToyImageEncoder(16).eval()
    images = torch.rand(3, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images)[1:2], encoder(images[1:2]), atol=1e-5, rtol=1e-4)


def test_a_picture_of_less_than_two_cells_is_refused():
    with pytest.raises(BadImage, match="7 x 20"):
        ToyImageEncoder(16)(torch.rand(1, 3, 20, 7))


def test_a_second_training_with_the_seed_gives_the_same_bytes_and_another_seed_others(toy, recipe, tmp_path):
    again = train_toy_language(recipe(tmp_path / "again"))
    assert (again / "weights.safetensors").read_bytes() == (toy / "weights.safetensors").read_bytes()
    other = train_toy_language(recipe(tmp_path / "other", seed=1))
    assert open_toy_model(other).identity() != open_toy_model(toy).identity()


def test_what_was_trained_is_not_trained_again_unless_its_recipe_changed(recipe, tmp_path):
    weights = train_toy_language(recipe(tmp_path, steps=1)) / "weights.safetensors"
    first = weights.stat().st_mtime_ns
    train_toy_language(recipe(tmp_path, steps=1))
    assert weights.stat().st_mtime_ns == first
    train_toy_language(recipe(tmp_path, steps=2))
    assert weights.stat().st_mtime_ns != first


def test_the_report_says_how_good_it_is_and_that_it_is_a_toy(toy):
    report = json.loads((toy / "quality.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert "toy" in report["what"]
    assert {"pictures", "mean_iou", "iou", "agreement_under_synonyms", "colours"} <= report["room"].keys()
    assert report["config"]["train"][0]["kind"] == "synthetic_rooms"  # what it was made from is told whole


def test_training_brings_regions_to_their_words(recipe, tmp_path):
    folder = train_toy_language(
        recipe(tmp_path, steps=40, learning_rate=0.01, test=[recipe(tmp_path).train[0].model_dump()])
    )
    assert (
        json.loads((folder / "quality.json").read_text())["room"]["pixel_accuracy"] > 0.5
    )  # seen pictures; chance: 0.07


@pytest.mark.parametrize(
    "source", [{"kind": "pandaset", "folder": "."}, {"kind": "synthetic", "folder": "."}], ids=["real", "no pictures"]
)
def test_a_source_without_pictures_of_true_classes_is_refused(source, recipe, tmp_path):
    with pytest.raises(BadConfig, match="true classes"):
        train_toy_language(recipe(tmp_path, train=[source]))
    with pytest.raises(BadConfig, match="true classes"):
        train_toy_language(recipe(tmp_path, test=[source]))


def test_the_command_trains_and_says_where(recipe, tmp_path, capsys):
    file = tmp_path / "toy.yaml"
    file.write_text(json.dumps(recipe(tmp_path, steps=1).model_dump(mode="json")))
    assert main(["toy-language", "--config", str(file)]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    assert main(["toy-language", "--config", str(file), "steps=0"]) == 2
