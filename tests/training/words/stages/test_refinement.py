"""Refinement of pseudo labels: thresholds per class, segments that must agree, labels filled between rounds."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.words.evaluation.label_pictures import change_colors, write_label_picture
from offline_training.words.stages.adapter.specialise import specialise
from offline_training.words.stages.guidance.guide import guide
from offline_training.words.stages.pseudo_labels import segment_majority as majority_module
from offline_training.words.stages.pseudo_labels.class_thresholds import above_thresholds, class_thresholds
from offline_training.words.stages.pseudo_labels.labelling import labelling_of
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from offline_training.words.stages.pseudo_labels.refinement import filled
from offline_training.words.stages.pseudo_labels.segment_majority import segment_majority
from tests.training.words.stages.tiny_language import tiny_config, tiny_features, tiny_sample, write_tiny_features

pytestmark = pytest.mark.usefixtures("tiny_world")

CLASSES = 5


def some_labels(rng, points):
    class_id = rng.choice([0, 1, 2, 3, IGNORE_ID], points).astype(np.uint8)
    probability = np.where(class_id == IGNORE_ID, 0, np.round(rng.random(points), 2)).astype(np.float16)
    return PseudoLabels(class_id, probability)


def slow_thresholds(scenes, quantile):
    limits = []
    for k in range(CLASSES):
        values = sorted(
            float(p) for scene in scenes for c, p in zip(scene.class_id, scene.probability, strict=True) if c == k
        )
        limits.append(values[int(np.floor(quantile * len(values)))] if values else 0.0)
    return limits


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.99]))
def test_the_threshold_of_a_class_is_a_quantile_of_its_own_probabilities(seed, quantile):
    rng = np.random.default_rng(seed)
    scenes = [some_labels(rng, points) for points in rng.integers(0, 60, 3)]
    limits = class_thresholds(iter(scenes), CLASSES, quantile)
    assert limits.dtype == np.float16
    assert limits.tolist() == slow_thresholds(scenes, quantile)
    for k in range(CLASSES):
        had = sum(int((scene.class_id == k).sum()) for scene in scenes)
        kept = sum(int((above_thresholds(scene, limits) == k).sum()) for scene in scenes)
        assert kept >= had - int(quantile * had)


def test_only_labels_below_their_own_class_go():
    labels = PseudoLabels(np.array([0, 0, 1, 1, IGNORE_ID], np.uint8), np.array([0.4, 0.6, 0.4, 0.2, 0], np.float16))
    found = above_thresholds(labels, np.array([0.5, 0.25], np.float16))
    assert found.tolist() == [IGNORE_ID, 0, 1, IGNORE_ID, IGNORE_ID]


def slow_majority(segment, class_id, purity, fill):
    found = class_id.copy()
    for one in set(segment.tolist()) - {-1}:
        points = [k for k in range(len(segment)) if segment[k] == one]
        counts = Counter(int(class_id[k]) for k in points if class_id[k] != IGNORE_ID)
        if not counts:
            continue
        best = min(counts, key=lambda k: (-counts[k], k))
        clear = counts[best] / sum(counts.values()) >= purity
        for k in points:
            agrees = class_id[k] == best
            found[k] = best if clear and (fill or agrees) else IGNORE_ID
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 0.55, 0.8, 1.0]), st.booleans())
def test_segments_keep_fill_and_lose_labels_as_the_slow_rule_says(seed, purity, fill):
    rng = np.random.default_rng(seed)
    segment = rng.integers(-1, 12, 150)
    class_id = rng.choice([0, 1, 2, IGNORE_ID], 150, p=[0.5, 0.2, 0.1, 0.2]).astype(np.uint8)
    config = tiny_config("unused", pseudo={"spread": "superpoint", "segment_purity": purity, "segment_fill": fill})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(majority_module, "superpoints", lambda *_: segment)
        found = segment_majority(tiny_sample(0, 150), class_id, config, CLASSES)
    assert found.tolist() == slow_majority(segment, class_id, purity, fill).tolist()


def test_labels_that_are_there_stay_and_free_points_are_filled():
    old = PseudoLabels(np.array([1, IGNORE_ID, IGNORE_ID], np.uint8), np.array([0.5, 0, 0], np.float16))
    new = PseudoLabels(np.array([2, 3, IGNORE_ID], np.uint8), np.array([0.75, 0.25, 0], np.float16))
    both = filled(old, new)
    assert both.class_id.tolist() == [1, 3, IGNORE_ID]
    assert both.probability.tolist() == [0.5, 0.25, 0.0]


def scene_labels(folder):
    return [PseudoLabelStore(folder).read(tiny_sample(index).name).class_id for index in range(3)]


def test_thresholds_are_those_of_all_scenes_also_where_a_run_goes_on(tmp_path):
    config = tiny_config(tmp_path, pseudo={"class_quantile": 0.6})
    write_tiny_features(config, noise=2.0)
    folder = pseudo_label(config)
    labelling = labelling_of(config)
    raw = [labelling.of_scene(tiny_sample(k), tiny_features(tiny_sample(k), 2.0)) for k in range(3)]
    limits = class_thresholds(raw, len(config.words.class_table), 0.6)
    labels = scene_labels(folder)
    for one, found in zip(raw, labels, strict=True):
        assert found.tolist() == above_thresholds(one, limits).tolist()
    assert (
        0.3
        < np.mean(np.concatenate(labels) != IGNORE_ID)
        / np.mean(np.concatenate([one.class_id for one in raw]) != IGNORE_ID)
        < 0.5
    )
    next(folder.glob("*0001.npz")).unlink()
    assert [each.tolist() for each in scene_labels(pseudo_label(config))] == [each.tolist() for each in labels]


def test_statistics_tell_of_every_scene_how_many_labels_are_right(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config, noise=1.5)
    told = json.loads((pseudo_label(config) / "statistics.json").read_text())["against_truth"]
    right = sum(scene["right"] for scene in told["scenes"].values())
    labelled = sum(scene["labelled"] for scene in told["scenes"].values())
    assert right / labelled == pytest.approx(told["accuracy_of_labelled"])
    assert len(told["scenes"]) == 3


def test_a_picture_shows_what_was_removed_filled_and_changed(tmp_path):
    before = np.array([1, 1, 1, IGNORE_ID, IGNORE_ID], np.uint8)
    after = np.array([1, 2, IGNORE_ID, 1, IGNORE_ID], np.uint8)
    colors = change_colors(before, after)
    assert len({tuple(color) for color in colors.tolist()}) == 5
    config = tiny_config(tmp_path, pseudo={"class_quantile": 0.6, "spread": "superpoint", "superpoint_cell_m": 0.4})
    write_tiny_features(config)
    folder = pseudo_label(config)
    from PIL import Image

    path = write_label_picture(config)
    assert path == folder / "preview.png"
    with Image.open(path) as picture:
        shown = {color for _, color in picture.convert("RGB").getcolors(1 << 24)}
    assert tuple(colors[2].tolist()) in shown  # removed
    assert tuple(colors[0].tolist()) in shown  # kept


def test_a_round_that_fills_keeps_what_the_round_before_knew(tmp_path):
    rounds = {"rounds": 1, "update": "fill", "keep_fraction": 1.0, "class_quantile": 0.2}
    config = tiny_config(tmp_path, guide={"max_steps": 1}, pseudo={"class_quantile": 0.7}, self_training=rounds)
    write_tiny_features(config)
    first = scene_labels(pseudo_label(config))
    specialise(config)
    guide(config)
    second = scene_labels(tmp_path / "round_1" / "pseudo_labels")
    for one, other in zip(first, second, strict=True):
        there = one != IGNORE_ID
        assert (other[there] == one[there]).all()
        assert (other[~there] != IGNORE_ID).any()


@pytest.mark.parametrize("key", [{"segment_purity": 0.8}, {"segment_fill": False}])
def test_keys_of_segments_without_segments_are_refused(tmp_path, key):
    with pytest.raises(BadConfig, match="with spread: superpoint or superpixel"):
        tiny_config(tmp_path, pseudo=key)


def test_a_quantile_that_leaves_no_label_is_refused(tmp_path):
    with pytest.raises(BadConfig, match="class_quantile"):
        tiny_config(tmp_path, pseudo={"class_quantile": 1.0})
