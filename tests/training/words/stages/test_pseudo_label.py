"""Stage 1: pseudo labels keep to the class lists, and to what the pictures saw."""

import json

import numpy as np
import pytest

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadLabels
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore
from offline_training.words.stages.pseudo_labels.scene_lists import allowed_classes, read_class_lists
from tests.training.words.stages.tiny_labels import labels_of, listed
from tests.training.words.stages.tiny_language import (
    CAR,
    NUSCENES_16,
    TRUCK,
    VIEWS,
    TinyScenes,
    tiny_config,
    tiny_features,
    tiny_sample,
    write_tiny_features,
)

pytestmark = pytest.mark.usefixtures("tiny_world")


NAMES = NUSCENES_16.names


def test_no_label_is_outside_the_scenes_list_and_points_without_a_feature_have_none(tmp_path):
    names = [tiny_sample(index).name for index in range(3)]
    lists = {names[0]: ["car", "bus"], names[1]: ["truck"], names[2]: []}
    config = tiny_config(tmp_path, pseudo=listed(tmp_path, lists))
    write_tiny_features(config, noise=2.0)
    for index, labels in enumerate(labels_of(pseudo_label(config))):
        answered = labels.class_id[labels.class_id != IGNORE_ID]
        assert {NAMES[k] for k in np.unique(answered)} <= set(lists[names[index]])
        visible = tiny_features(tiny_sample(index)).visible
        assert (labels.class_id[~visible] == IGNORE_ID).all()
        assert (len(answered) > 0) == (index < 2)
        assert ((labels.probability > 0) == (labels.class_id != IGNORE_ID)).all()
        assert labels.probability.dtype == np.float16


def test_lists_derived_from_truth_are_written_with_a_word_on_where_they_are_from(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    folder = pseudo_label(config)
    written = json.loads((folder / "scene_lists.json").read_text())
    assert "simulation" in written["derived_from"]
    assert written["scenes"]["scene/0001"] == ["car", "truck", "driveable_surface"]
    again = tiny_config(tmp_path / "again", pseudo={"lists_file": str(folder / "scene_lists.json")})
    write_tiny_features(again)
    for one, other in zip(labels_of(folder), labels_of(pseudo_label(again)), strict=True):
        assert (one.class_id == other.class_id).all()


def test_quality_is_told_against_truth(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config, noise=0.3)
    folder = pseudo_label(config)
    told = json.loads((folder / "statistics.json").read_text())
    class_id = np.concatenate([labels.class_id for labels in labels_of(folder)])
    truth = np.concatenate([tiny_sample(index).class_id for index in range(3)])
    assert told["labelled_share"] == pytest.approx(np.mean(class_id != IGNORE_ID))
    against = told["against_truth"]
    assert against["per_class_precision"]["car"] == pytest.approx(np.mean(truth[class_id == CAR] == CAR))
    assert against["per_class_coverage"]["truck"] == pytest.approx(np.mean(class_id[truth == TRUCK] != IGNORE_ID))
    assert against["accuracy_of_labelled"] > 0.9
    assert "no decision" in against["note"]


def test_a_class_of_a_frame_list_reaches_only_points_that_its_views_see(tmp_path):
    lists = {tiny_sample(index).name: {"front": ["car"], "back": ["truck"], "left": []} for index in range(3)}
    config = tiny_config(tmp_path, pseudo={"lists": "frame", **listed(tmp_path, lists)})
    write_tiny_features(config)
    labels = labels_of(pseudo_label(config))[0]
    features = tiny_features(tiny_sample(0))
    seen_by = features.seen_by()[features.row_of_point]
    for class_id, view in ((CAR, 0), (TRUCK, 1)):
        assert (seen_by[:, view] | (labels.class_id != class_id)).all()
    only_left = features.visible & ~seen_by[:, 0] & ~seen_by[:, 1]
    assert only_left.any()
    assert (labels.class_id[only_left] == IGNORE_ID).all()


def test_frame_lists_derived_from_truth_name_what_each_view_sees(tmp_path):
    config = tiny_config(tmp_path, pseudo={"lists": "frame"})
    write_tiny_features(config)
    written = json.loads((pseudo_label(config) / "scene_lists.json").read_text())["scenes"]["scene/0002"]
    assert set(written) == set(VIEWS)
    assert set(written["front"]) == {"car", "truck", "driveable_surface"}


def test_labels_of_the_truth_are_the_true_classes_of_the_points_that_views_see(tmp_path):
    config = tiny_config(tmp_path, pseudo={"labels": "truth"})
    write_tiny_features(config)
    for number, labels in enumerate(labels_of(pseudo_label(config))):
        sample = tiny_sample(number)
        visible = tiny_features(sample).visible
        assert labels.class_id.tolist() == np.where(visible, sample.class_id, IGNORE_ID).tolist()
        assert labels.probability.tolist() == visible.tolist()


def test_what_is_missing_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(BadDataset, match="extract-features"):
        pseudo_label(tiny_config(tmp_path))
    with pytest.raises(BadLabels, match="lidar-vl-train pseudo-label"):
        PseudoLabelStore(tmp_path / "nothing").scenes()


def test_lists_from_truth_need_the_classes_of_the_truth(tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("name: other\nclasses: [{name: car}, {name: sky, sink: true}]\n")
    config = tiny_config(tmp_path, vocabulary=str(words))
    write_tiny_features(config)
    with pytest.raises(BadConfig, match=r"pseudo\.lists_file"):
        pseudo_label(config)
    without = tiny_config(tmp_path, vocabulary=str(words), pseudo={"lists": "none"})
    for labels in labels_of(pseudo_label(without)):
        assert set(np.unique(labels.class_id)) <= {0, IGNORE_ID}  # what resembles the sky more is no car


def test_two_scenes_of_one_name_are_refused(tmp_path, monkeypatch):
    from offline_training.words.settings import training_samples

    config = tiny_config(tmp_path, train=[{"kind": "synthetic", "folder": "a"}, {"kind": "synthetic", "folder": "b"}])
    write_tiny_features(config)
    monkeypatch.setattr(training_samples, "open_source", lambda *_: TinyScenes(2))
    with pytest.raises(BadDataset, match="found this one twice"):
        pseudo_label(config)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "expected JSON"),
        ("[]", "expected"),
        ('{"scene/0000": "car"}', "expected"),
        ('{"scene/0000": {"front": "car"}}', "expected"),
        ('{"scene/0000": {"front": {"x": ["car"]}}}', "expected"),
        ('{"derived_from": "truth"}', "expected"),
    ],
)
def test_a_list_file_that_is_none_is_refused(tmp_path, content, told):
    path = tmp_path / "lists.json"
    path.write_text(content)
    with pytest.raises(BadLabels, match=told):
        read_class_lists(path)


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (None, "expected a list of its classes"),
        (["car", "unicorn"], "found unicorn"),
        ({"front": ["car"]}, "found none for back, left"),
        ({"front": ["car"], "back": [], "left": ["unicorn"]}, "view left"),
    ],
)
def test_lists_that_do_not_fit_a_scene_are_refused(listed, told):
    with pytest.raises(BadLabels, match=told):
        allowed_classes("scene/0000", listed, NAMES, tiny_features(tiny_sample(0)))
