"""Which recipe a guided run takes, what it puts into it, and what it refuses before any work."""

import pytest
import yaml

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig
from offline_training.from_bags.asked import Asked
from offline_training.from_bags.check import split_of
from offline_training.from_bags.recipes import stage_configs, told_choice

LABELER = {"kind": "espnet", "weights": "espnet.safetensors"}


def asked(**changes):
    return validated(Asked, {"bags": ["a.mcap", "b.mcap"], "out": "run", **changes}, "here")


def recipe(tmp_path, name, **content):
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"out": "elsewhere", **content}))
    return str(path)


def test_without_a_teacher_geometry_is_learned_from_and_nothing_is_labelled():
    labels, config = stage_configs(asked())
    assert (labels, config.method, config.out) == (None, "pointcontrast", "run/pretrain")
    assert [source.folder for source in config.train] == ["a.mcap", "b.mcap"]
    assert "--teacher-weights" in told_choice(asked(), config)


def test_a_teacher_alone_means_superpixels_and_slidr():
    labels, config = stage_configs(asked(teacher_weights="moco.pth"))
    assert (config.method, config.teacher_weights, config.weak_labels) == ("slidr", "moco.pth", "run/weak_labels")
    assert (labels.out, labels.superpixels, labels.labeler) == ("run/weak_labels", "slic", None)


def test_a_teacher_and_a_labeler_mean_olivine_with_all_folders_below_out(tmp_path):
    given = recipe(tmp_path, "labels", source=[], labeler=LABELER)
    labels, config = stage_configs(asked(teacher_weights="moco.pth", weak_labels=given))
    assert (config.method, config.weak_labels, config.pair_cache) == ("olivine", "run/weak_labels", "run/cache/pairs")
    assert (labels.out, [source.folder for source in labels.source]) == ("run/weak_labels", ["a.mcap", "b.mcap"])


def test_a_labeler_without_a_teacher_labels_for_the_probe(tmp_path):
    labels, config = stage_configs(asked(weak_labels=recipe(tmp_path, "labels", source=[], labeler=LABELER)))
    assert (labels.labeler.kind, config.method) == ("espnet", "pointcontrast")


def test_superpixels_that_a_given_recipe_does_not_read_are_not_cut(tmp_path):
    given = recipe(tmp_path, "ppkt", train=[], method="ppkt", max_steps=5, teacher_weights="moco.pth")
    assert stage_configs(asked(pretrain=given))[0] is None


def test_length_and_places_take_the_place_of_the_recipes():
    _, config = stage_configs(asked(steps=7), {"a.mcap": [0, 2], "b.mcap": [1]})
    assert (config.max_steps, config.epochs) == (7, None)
    assert [source.frames for source in config.train] == [("0", "2"), ("1",)]


def test_olivine_without_weak_classes_is_refused_with_what_to_give(tmp_path):
    given = recipe(tmp_path, "olivine", train=[], method="olivine", max_steps=5, weak_labels="x")
    with pytest.raises(BadConfig, match=r"expected weak classes.*--weak-labels"):
        stage_configs(asked(pretrain=given))


def test_superpixel_methods_without_superpixels_are_refused(tmp_path):
    labels = recipe(tmp_path, "labels", source=[], labeler=LABELER)
    given = recipe(tmp_path, "seal", train=[], method="seal", max_steps=5, weak_labels="x")
    with pytest.raises(BadConfig, match=r"expected superpixels, which seal learns from.*superpixels: slic"):
        stage_configs(asked(pretrain=given, weak_labels=labels))


@pytest.mark.parametrize("changes", [{"label_field": "label"}, {"bags": ["a.mcap", "./a.mcap"]}, {"bags": []}])
def test_half_told_labels_and_a_bag_named_twice_are_refused(changes):
    with pytest.raises(BadConfig):
        asked(**changes)


def test_the_end_of_a_bag_is_held_out_and_its_neighbours_belong_to_neither_part():
    split = split_of(1000, 2000)
    assert (split.train[0], split.train[-1]) == (0, 779)
    assert (split.held_out[0], split.held_out[-1]) == (800, 999)


def test_of_a_long_bag_clouds_are_chosen_evenly():
    split = split_of(10_000, 500)
    assert len(split.train) + len(split.held_out) <= 500
    assert {later - one for one, later in zip(split.train, split.train[1:], strict=False)} <= {20, 21}


def test_two_clouds_are_one_to_train_on_and_one_to_hold_out():
    split = split_of(2, 2)
    assert (split.train, split.held_out) == ((0,), (1,))
