"""Stage 1 a second time: labels that are there stay, those of other settings, lists or features are refused."""

import json

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadLabels, BadTextTable
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import configuration_alias
from offline_training.words.features.run_text import read_run_text
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from tests.training.words.stages.tiny_labels import labels_of, listed
from tests.training.words.stages.tiny_language import ROAD, tiny_config, tiny_features, tiny_sample, write_tiny_features

pytestmark = pytest.mark.usefixtures("tiny_world")


def test_what_is_there_is_not_made_anew_and_other_settings_are_refused(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    store = PseudoLabelStore(pseudo_label(config))
    mine = PseudoLabels(np.full(600, ROAD, np.uint8), np.ones(600, np.float16))
    store.write("scene/0000", mine)
    pseudo_label(config)
    assert (store.read("scene/0000").class_id == ROAD).all()
    with pytest.raises(BadLabels, match=r"some with another pseudo\.keep_fraction\. "):
        pseudo_label(tiny_config(tmp_path, pseudo={"keep_fraction": 0.3}))


def test_labels_of_a_version_that_did_not_have_some_keys_yet_are_gone_on_with(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    path = pseudo_label(config) / "settings.json"
    stored = json.loads(path.read_text())
    later = ("labels", "class_quantile", "segment_purity", "segment_fill")
    stored["pseudo"] = {key: value for key, value in stored["pseudo"].items() if key not in later}
    path.write_text(json.dumps(stored, indent=1, sort_keys=True))
    before = path.read_bytes()
    pseudo_label(config)
    assert path.read_bytes() == before  # by whose hash stage 2 knows the labels
    with pytest.raises(BadLabels, match=r"some with another pseudo\.class_quantile\. "):
        pseudo_label(tiny_config(tmp_path, pseudo={"class_quantile": 0.5}))


@pytest.mark.parametrize(("section", "later"), [("pseudo", "segment_fill"), ("self_training", "update")])
def test_labels_of_a_round_go_on_from_a_version_without_a_key(tmp_path, section, later):
    config, store = tiny_config("unused"), PseudoLabelStore(tmp_path)
    settings = {
        "self_training": config.self_training.model_dump(exclude={"rounds"}),
        "pseudo": config.pseudo.model_dump(),
    }
    before = {**settings, section: {key: value for key, value in settings[section].items() if key != later}}
    store.begin(before)
    store.write("scene", PseudoLabels(np.full(3, ROAD, np.uint8), np.ones(3, np.float16)))
    store.begin(settings)
    assert store.settings() == before
    with pytest.raises(BadLabels, match=rf"some with another {section}\.{later}\. "):
        store.begin({**settings, section: {**settings[section], later: "other"}})


def test_a_class_list_that_was_edited_is_noticed(tmp_path):
    lists = {tiny_sample(index).name: ["car"] for index in range(3)}
    config = tiny_config(tmp_path, pseudo=listed(tmp_path, lists))
    write_tiny_features(config)
    pseudo_label(config)
    listed(tmp_path, {**lists, "scene/0000": ["truck"]})
    with pytest.raises(BadLabels, match="some with another lists_sha256"):
        pseudo_label(config)


def test_a_wrong_class_in_any_list_is_named_before_a_label_is_made_and_hinders_no_second_start(tmp_path):
    lists = {tiny_sample(index).name: ["car"] for index in range(3)}
    wrong = tiny_config(tmp_path, pseudo=listed(tmp_path, {**lists, "scene/0002": ["car", "unicorn"]}))
    write_tiny_features(wrong)
    with pytest.raises(BadLabels, match=r"class list of scene/0002: .* found unicorn"):
        pseudo_label(wrong)
    assert not (tmp_path / "pseudo_labels").exists()


def test_settings_of_a_start_that_made_no_label_are_forgotten(tmp_path):
    lists = {tiny_sample(index).name: ["car"] for index in range(3)}
    config = tiny_config(tmp_path, pseudo=listed(tmp_path, {"another": ["car"]}))
    write_tiny_features(config)
    with pytest.raises(BadLabels, match="scene/0000: expected a list of its classes"):
        pseudo_label(config)
    assert len(labels_of(pseudo_label(tiny_config(tmp_path, pseudo=listed(tmp_path, lists))))) == 3


def test_features_of_an_image_model_that_was_changed_since_are_refused(tmp_path):
    config = tiny_config(tmp_path)
    store = FeatureStore(config.features_folder, {"model": {"kind": "older"}}, alias=configuration_alias(config))
    store.write("scene/0000", tiny_features(tiny_sample(0)))
    store.announce()
    with pytest.raises(BadTextTable, match="extract-features"):
        pseudo_label(config)


def test_a_folder_that_is_refused_keeps_its_words(tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("name: other\nclasses: [{name: truck}, {name: car}]\n")
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    pseudo_label(config)
    before = read_run_text(config)
    with pytest.raises(BadLabels, match="words"):
        pseudo_label(tiny_config(tmp_path, vocabulary=str(words), pseudo={"lists": "none"}))
    assert read_run_text(config).prompts == before.prompts
