"""Ontologies, and how masks become classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadLabels
from offline_training.weak_labels.classes.class_values import class_values
from offline_training.weak_labels.classes.ontology import Ontology, load_ontology
from offline_training.weak_labels.pictures.mask_painting import paint
from tests.training.weak_labels.array_views import RED

ONTOLOGIES = ("grounded_sam_nuscenes", "seem_nuscenes", "nuscenes16", "cityscapes")


@pytest.mark.parametrize("name", ONTOLOGIES)
def test_the_shipped_ontologies_hold_and_map_into_nuscenes(name):
    ontology = load_ontology(name)
    assert ontology.name == name
    to_nuscenes = class_values(ontology, load_ontology("nuscenes16"), ()).class_of_value
    assert set(to_nuscenes[: len(ontology)].tolist()) <= {*range(16), 255}
    assert (to_nuscenes[: len(ontology)] < 16).sum() >= 13
    assert set(to_nuscenes[len(ontology) : 255].tolist()) == {-1}


def test_nuscenes16_is_the_class_table_of_the_core_with_several_prompts_each():
    ontology = load_ontology("nuscenes16")
    assert ontology.class_table == class_table("nuscenes16")
    assert all(len(each.prompts) >= 2 for each in ontology.classes)


def test_olivines_words_and_ids_are_kept():
    grounded = load_ontology("grounded_sam_nuscenes")
    assert ".".join(prompt for _, prompt in grounded.prompts) + "." == (
        "barrier.bicycle.bus.car.motorcycle.pedestrian.traffic cone.truck.road.sidewalk.terrain.vegetation.building."
    )
    assert (grounded.names.index("background"), grounded.names.index("building"), len(grounded)) == (0, 13, 14)
    seem = load_ontology("seem_nuscenes")
    assert (seem.names[0], seem.names[10], seem.names[16], len(seem)) == ("barrier", "road", "background", 17)
    # Section 3.2 of the facts: SEEM id -> lidarseg evaluation id (1-based there).
    expected = [1, 2, 3, 4, 10, 9, 6, 5, 7, 8, 11, 13, 14, 16, 15, 12]
    values = class_values(seem, load_ontology("nuscenes16"), ())
    assert (values.class_of_value[:16] + 1).tolist() == expected
    assert values.class_of_value[16] == 255


CAR = {"name": "car", "color_rgb": RED, "prompts": ["car"]}
BAD_ONTOLOGIES = {
    "unknown key": {"name": "x", "classes": [{**CAR, "synonyms": ["auto"]}]},
    "no classes": {"name": "x", "classes": []},
    "class twice": {"name": "x", "classes": [CAR, {**CAR, "prompts": ["auto"]}]},
    "prompt twice": {"name": "x", "classes": [CAR, {**CAR, "name": "auto", "prompts": ["Car"]}]},
    "empty prompt": {"name": "x", "classes": [{**CAR, "prompts": [""]}]},
    "prompt of blanks": {"name": "x", "classes": [{**CAR, "prompts": ["  "]}]},
    "prompts left out": {"name": "x", "classes": [{"name": "car", "color_rgb": RED}]},
    "colour out of range": {"name": "x", "classes": [{**CAR, "color_rgb": [0, 0, 256]}]},
    "map from no class": {"name": "x", "classes": [CAR], "maps_to": {"nuscenes16": {"truck": "truck"}}},
    "256 classes": {"name": "x", "classes": [{**CAR, "name": f"c{k}", "prompts": []} for k in range(256)]},
}


@pytest.mark.parametrize("case", BAD_ONTOLOGIES)
def test_an_ontology_with_a_fault_is_refused(case):
    with pytest.raises(BadConfig):
        validated(Ontology, BAD_ONTOLOGIES[case], case)


def test_an_unknown_ontology_lists_those_there_are():
    with pytest.raises(BadConfig, match=r"cityscapes.*nuscenes16"):
        load_ontology("coco")


def test_what_decides_over_labels_changes_with_prompts_and_order_but_not_with_colours():
    base = {"name": "x", "classes": [CAR, {"name": "bus", "color_rgb": RED, "prompts": ["bus"]}]}
    other_colour = {"name": "x", "classes": [{**CAR, "color_rgb": [1, 2, 3]}, base["classes"][1]]}
    other_prompt = {"name": "x", "classes": [{**CAR, "prompts": ["automobile"]}, base["classes"][1]]}
    other_order = {"name": "x", "classes": base["classes"][::-1]}
    first, *others = (
        validated(Ontology, each, "x").to_json() for each in (base, other_colour, other_prompt, other_order)
    )
    assert [first == other for other in others] == [True, False, False]


def test_values_without_a_map_or_beyond_the_classes_are_refused():
    with pytest.raises(BadConfig, match="maps_to"):
        class_values(load_ontology("nuscenes16"), load_ontology("cityscapes"), ())
    values = class_values(load_ontology("cityscapes"), load_ontology("nuscenes16"), (19,))
    assert values.class_id(np.array([[0, 19, 255]], np.uint8), "x").tolist() == [[10, 255, 255]]
    with pytest.raises(BadLabels, match=r"\[20\]"):
        values.class_id(np.array([[0, 20]], np.uint8), "x")


@st.composite
def painted_masks(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    count = draw(st.integers(0, 5))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) < rng.random() for _ in range(count)]
    return masks, rng.integers(0, 14, count).tolist(), np.round(rng.random(count), 2).tolist(), shape


def _pixel_by_pixel(masks, class_id, score, shape, rule, uncovered):
    """The rule as one reads it: of the masks over a pixel the smallest, then the surest, or simply the last."""
    result = np.full(shape, uncovered, np.uint8)
    for row, column in np.ndindex(shape):
        over = [k for k in range(len(masks)) if masks[k][row, column]]
        if not over:
            continue
        winner = over[-1]
        if rule == "small_over_large":
            winner = min(over, key=lambda k: (masks[k].sum(), -score[k], class_id[k]))
        result[row, column] = class_id[winner]
    return result


@pytest.mark.parametrize("rule", ["small_over_large", "paint_order"])
@pytest.mark.parametrize("uncovered", [255, 0])
@settings(max_examples=40)
@given(case=painted_masks())
def test_painting_is_the_rule_applied_to_each_pixel(case, rule, uncovered):
    labels = paint(*case, rule, uncovered)
    assert labels.class_id.tolist() == _pixel_by_pixel(*case, rule, uncovered).tolist()
    covered = np.any(case[0], axis=0) if case[0] else np.zeros(case[3], bool)
    assert ((labels.instance_id > 0) == covered).all()
    assert not labels.score[~covered].any()
    for k, mask in enumerate(case[0]):
        own = labels.instance_id == k + 1
        assert (own <= mask).all()
        assert (labels.score[own] == round(255 * case[2][k])).all()


@given(case=painted_masks(), seed=st.integers(0, 100))
def test_small_over_large_does_not_depend_on_the_order_of_the_masks(case, seed):
    masks, class_id, score, shape = case
    order = np.random.default_rng(seed).permutation(len(masks))
    shuffled = paint([masks[k] for k in order], [class_id[k] for k in order], [score[k] for k in order], shape)
    assert (shuffled.class_id == paint(masks, class_id, score, shape).class_id).all()


def test_the_original_behaviour_is_paint_order_over_zeros():
    large, small = np.ones((2, 3), bool), np.zeros((2, 3), bool)
    large[:, 2], small[0, 0] = False, True
    ours = paint([small, large], [4, 9], [0.9, 0.3], (2, 3))
    original = paint([small, large], [4, 9], [0.9, 0.3], (2, 3), "paint_order", 0)
    assert ours.class_id.tolist() == [[4, 9, 255], [9, 9, 255]]
    assert original.class_id.tolist() == [[9, 9, 0], [9, 9, 0]]


def test_masks_that_do_not_fit_are_refused():
    mask = np.ones((2, 2), bool)
    for arguments in (
        ([mask], [1, 2], [0.5], (2, 2)),
        ([mask], [1], [], (2, 2)),
        ([mask], [1], [0.5], (2, 3)),
        ([mask.astype(np.uint8)], [1], [0.5], (2, 2)),
        ([mask], [1], [float("nan")], (2, 2)),
    ):
        with pytest.raises(BadLabels):
            paint(*arguments)
