"""Evaluation by words: what is counted and how, and whose labels are restricted."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import offline_training.words.evaluation.answers as answers
import offline_training.words.evaluation.evaluate_language as evaluation
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadLabels, BadRequest
from lidar_vl_core.words.text_table import label_embeddings
from lidar_vl_core.words.vocabulary import Vocabulary, load_vocabulary
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.words.evaluation.answers import restricted, scene_answers
from offline_training.words.evaluation.evaluate_language import evaluate_language, pseudo_label_quality, quality, table
from offline_training.words.settings.question import Question, class_ids_of_truth, pooled_confusion
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from tests.training.words.evaluation.tiny_rooms import ROOMS, room

_ALL = np.arange(256, dtype=np.uint8)


def vocabulary(*names: str, sinks: tuple[str, ...] = ()) -> Vocabulary:
    classes = [{"name": name} for name in names] + [{"name": name, "sink": True} for name in sinks]
    return validated(Vocabulary, {"name": "test", "classes": classes}, "test")


@pytest.fixture
def scenes(monkeypatch):
    """Two rooms in place of a data set: walls and floors, some points unlabelled."""
    samples = [room(np.array([0, 0, 0, 1, 255])), room(np.array([1, 1, 255, 0]), "second")]
    monkeypatch.setattr(evaluation, "labelled_samples", lambda source, classes: iter(samples))
    return samples


def test_points_without_truth_are_left_out_and_points_without_an_answer_are_wrong():
    given = {"room": np.array([0, 0, 255, 1, 0]), "second": np.array([1, 0, 0, 0])}
    samples = [room(np.array([0, 0, 0, 1, 255])), room(np.array([1, 1, 255, 0]), "second")]
    confusion = pooled_confusion(samples, lambda sample: given[sample.name].astype(np.uint8), _ALL, 14)
    found = quality(confusion, ROOMS.names)
    assert found["points"] == 7
    assert found["no_answer_per_class"]["wall"] == 1
    iou_wall, iou_floor = 3 / (4 + 4 - 3), 2 / (3 + 2 - 2)
    assert found["mean_iou"] == pytest.approx((iou_wall + iou_floor) / 2)  # of the two classes in the truth
    assert found["mean_accuracy"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    answered_wall, answered_floor = 3 / (3 + 4 - 3), 2 / (3 + 2 - 2)
    assert found["mean_iou_openscene"] == pytest.approx((answered_wall + answered_floor) / 14)  # absent classes count 0
    assert found["per_class_iou_openscene"]["wall"] == pytest.approx(answered_wall)
    assert found["per_class_iou_openscene"]["ceiling"] is None


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 1, 2, 3, 4, 255])), min_size=1, max_size=60))
def test_mean_accuracy_is_the_slow_mean_of_what_was_found_of_each_class(pairs):
    truth, answer = (np.array(column, np.uint8) for column in zip(*pairs, strict=True))
    confusion = ConfusionMatrix(5)
    confusion.add(truth, answer)
    expected = [np.mean(answer[truth == k] == k) for k in np.unique(truth)]
    assert quality(confusion, tuple("abcde"))["mean_accuracy"] == pytest.approx(np.mean(expected))


def test_the_order_of_the_scenes_does_not_matter():
    samples = [room(np.array([0, 1, 2])), room(np.array([3, 3, 1]), "second")]
    answer = lambda sample: np.minimum(sample.class_id, 2)  # noqa: E731
    one = pooled_confusion(samples, answer, _ALL, 14)
    other = pooled_confusion(samples[::-1], answer, _ALL, 14)
    np.testing.assert_array_equal(one.counts, other.counts)


def test_classes_of_one_name_are_one_class_and_others_count_as_they_are_told():
    streets, shared = class_table("nuscenes16"), vocabulary("wall", "ground", "person").class_table
    ids = class_ids_of_truth(streets, shared, {"manmade": "wall", "sidewalk": "ground", "driveable_surface": "ground"})
    assert ids[streets.id_of("manmade")] == 0
    assert ids[streets.id_of("sidewalk")] == ids[streets.id_of("driveable_surface")] == 1
    assert ids[streets.id_of("car")] == ids[255] == IGNORE_ID
    assert class_ids_of_truth(ROOMS, shared, {})[ROOMS.id_of("person")] == 2


@pytest.mark.parametrize(
    ("names", "truth_as", "told"),
    [
        (("wall",), {"castle": "wall"}, "castle=wall: expected one of wall, floor"),
        (("wall",), {"floor": "castle"}, "floor=castle"),
        (("castle",), {}, "expected a class of the truth"),
    ],
)
def test_names_that_do_not_meet_are_refused_with_those_there_are(names, truth_as, told):
    with pytest.raises(BadConfig, match=told):
        class_ids_of_truth(ROOMS, vocabulary(*names).class_table, truth_as)


def test_every_mode_is_counted_alike_and_says_what_was_left_out(config, scenes, monkeypatch, tmp_path):
    monkeypatch.setattr(
        answers,
        "scene_answers",
        lambda *_: lambda sample: np.where(sample.class_id == 0, 0, 255).astype(np.uint8),
    )
    question = Question("3d", vocabulary("wall", "person"), oracle_lists=True)
    metrics = evaluate_language(config, tmp_path, question, out=tmp_path / "found.json")
    assert metrics["pooled"]["points"] == 4  # the floors have no class in this vocabulary
    assert metrics["pooled"]["mean_iou"] == 1.0
    assert "floor" in metrics["left_out"]
    assert "wall" not in metrics["left_out"]
    text = table(metrics)
    assert "mean IoU, points without an answer count as misses: 100.0 %" in text
    assert "as in the code of OpenScene and 3DSS-VLG: without these points, 0 for absent classes: 50.0 %" in text
    assert "Points without an answer count as wrong in all other figures." in text
    assert "an oracle, not a fair test" in text
    assert (tmp_path / "found.json").is_file()


def test_the_counts_of_scenes_are_all_of_the_pooled_ones_also_where_two_data_sets_have_scenes_of_one_name(
    config, scenes, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        answers, "scene_answers", lambda *_: lambda sample: np.minimum(sample.class_id, 2).astype(np.uint8)
    )
    metrics = evaluate_language(config, tmp_path, sources=[*config.validation, *config.validation])
    of_scenes = np.array(list(metrics["scenes"].values()))
    assert of_scenes.shape == (4, 3, len(ROOMS.names))
    assert of_scenes[:, 1].sum() == metrics["pooled"]["points"] == 14


def test_data_sets_without_a_truth_are_refused(config, monkeypatch):
    monkeypatch.setattr(evaluation, "labelled_samples", lambda source, classes: iter([]))
    monkeypatch.setattr(answers, "scene_answers", lambda *_: None)
    with pytest.raises(BadLabels, match="expected labelled points to evaluate on, found none"):
        evaluate_language(config, None)


def test_a_mode_with_a_network_asks_for_its_checkpoint(config):
    with pytest.raises(BadRequest, match="mode ensemble: expected the checkpoint"):
        scene_answers(config, None, Question("ensemble"))


def test_pseudo_labels_are_judged_where_there_are_any_and_told_how_many_that_are(config, scenes):
    store = PseudoLabelStore(Path(config.out) / "pseudo_labels")
    store.write("room", PseudoLabels(np.array([0, 1, 255, 1, 0], np.uint8), np.ones(5, np.float16)))
    store.write("second", PseudoLabels(np.array([255, 255, 255, 0], np.uint8), np.ones(4, np.float16)))
    found = pseudo_label_quality(config)
    assert found["coverage"] == pytest.approx(4 / 7)
    assert found["points"] == 4
    assert found["per_class_precision"]["floor"] == 0.5
    assert found["per_class_recall"]["wall"] == pytest.approx(2 / 3)


@given(st.integers(0, 2**32 - 1), st.sets(st.integers(0, 5), min_size=1))
def test_with_true_lists_no_class_that_is_not_in_the_scene_is_answered(seed, present):
    rng = np.random.default_rng(seed)
    words = vocabulary(*"abcdef", sinks=("sky",))
    whole = text_table(words, rng.normal(size=(7, 8)), 10.0, "test")
    fewer, ids = restricted(whole, words, np.array([*present, IGNORE_ID], np.uint8))
    feature = rng.normal(size=(50, 8)).astype(np.float32)
    answer = ids[label_embeddings(feature, fewer)[0]]
    assert set(np.unique(answer)) <= present | {IGNORE_ID}
    free = label_embeddings(feature, whole)[0]
    kept = np.isin(free, list(present))
    np.testing.assert_array_equal(answer[kept], free[kept])  # what was allowed and best stays best


def test_vocabularies_of_rooms_have_the_classes_of_the_rooms():
    for name in ("synthetic_rooms", "synthetic_rooms_names", "synthetic_rooms_synonyms"):
        assert load_vocabulary(name).class_table.names == ROOMS.names
