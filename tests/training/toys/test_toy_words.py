"""The toy language model's words: captions are true, known prompts are known, regions are cut by class and named by colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.words.vocabulary import load_vocabulary
from offline_training.toys.toy_captions import (
    IS_TRUE,
    KINDS,
    NO_COLOUR,
    PHRASES,
    all_words,
    draw_captions,
    draw_dictionary,
    kinds_of,
    wrongly_coloured,
)
from offline_training.toys.toy_plain_words import PLAIN_WORDS
from offline_training.toys.toy_regions import in_regions
from offline_training.toys.toy_words import COLOURS, ROOM_WORDS, STREET_WORDS, colour_word
from offline_training.weak_labels.classes.ontology import load_ontology

_RED = COLOURS.index("red")
WORLDS = ("street", "room", "plain")


def _kinds(*names):
    return np.array([KINDS.index(name) for name in names])


def test_every_class_of_the_worlds_has_words():
    assert tuple(STREET_WORDS) == class_table("nuscenes16").names
    assert set(ROOM_WORDS) == set(class_table("synthetic_rooms").names)
    assert tuple(PLAIN_WORDS) == class_table("plain_rooms").names


@pytest.mark.parametrize(
    "name", ["nuscenes16", "synthetic_rooms", "synthetic_rooms_names", "synthetic_rooms_synonyms", "plain_rooms"]
)
def test_every_prompt_of_the_worlds_vocabularies_is_known(name):
    vocabulary = load_vocabulary(name)
    sentences = [template.replace("{}", prompt) for template in vocabulary.templates for prompt in vocabulary.prompts]
    assert {word for sentence in sentences for word in sentence.split()} <= set(all_words(WORLDS))


def test_every_prompt_of_the_closed_set_of_street_classes_is_known():
    spoken = load_ontology("cityscapes")
    assert {word for _, prompt in spoken.prompts for word in prompt.split()} <= set(all_words(WORLDS))


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30))
def test_a_caption_is_true_of_its_region_and_one_with_a_wrong_colour_is_not(seed, count):
    rng = np.random.default_rng(seed)
    kind, colour = rng.integers(len(KINDS), size=count), rng.integers(-1, len(COLOURS), size=count)
    captions = draw_captions(kind, colour, rng, hypernym_share=0.5, colour_share=0.5)
    assert IS_TRUE[kind, captions.phrase].all()
    assert np.isin(captions.colour, [NO_COLOUR, *colour]).all()
    assert captions.also_fit(kind, colour).diagonal().all()
    assert {word for sentence in captions.sentences for word in sentence.split()} <= set(all_words(WORLDS))
    said = captions.colour != NO_COLOUR
    assert (captions.colour[said] == colour[said]).all()
    false = wrongly_coloured(captions, rng)
    assert len(false.sentences) == said.sum()
    assert not false.also_fit(kind[said], colour[said]).diagonal().any()


def test_synonyms_hypernyms_and_both_worlds_share_what_is_true_of_them():
    for phrase, fitting, other in (
        ("vehicle", ("street/car", "street/truck"), "street/pedestrian"),
        ("plant", ("street/vegetation", "room/plant"), "room/sofa"),
        ("person", ("street/pedestrian", "room/person"), "street/car"),
        ("furniture", ("room/chair", "room/bed"), "room/wall"),
        ("sky", ("street/",), "room/"),
    ):
        place = PHRASES.index(phrase)
        assert IS_TRUE[_kinds(*fitting), place].all()
        assert not IS_TRUE[_kinds(other), place].any()


def test_captions_of_plain_rooms_never_say_a_name():
    kind = np.repeat(kinds_of({"plain"}), 50)
    captions = draw_captions(kind, np.full(len(kind), _RED), np.random.default_rng(0), 0.3, 0.5)
    said = {word for sentence in captions.sentences for word in sentence.split()}
    assert not said & set(PLAIN_WORDS)
    assert {"seat", "legs", "red"} <= said


def test_the_dictionary_gives_several_things_one_meaning_that_is_true_of_them():
    dictionary = draw_dictionary({"plain"}, np.random.default_rng(0))
    names = tuple(PLAIN_WORDS)
    assert all(name in sentence for name, sentence in zip(names, dictionary.names, strict=True))
    assert dictionary.same[names.index("chair"), names.index("bench")]
    assert not dictionary.same[names.index("chair"), names.index("sofa")]
    for name, described in PLAIN_WORDS.items():
        place = PHRASES.index(described.definition)
        assert IS_TRUE[_kinds(f"plain/{name}"), place].all()
    assert draw_dictionary({"room"}, np.random.default_rng(0)).names == ()


def test_no_two_things_of_plain_rooms_are_described_alike():
    assert len({described.phrases for described in PLAIN_WORDS.values()}) == len(PLAIN_WORDS)


def test_worlds_of_one_language_share_its_words_and_no_others():
    assert all_words({"room"}) == all_words({"street", "room"})
    assert not {"berth", "worktop"} & set(all_words({"room"}))
    assert "lorry" not in all_words({"plain"})


def test_a_region_without_a_clear_colour_may_be_of_any():
    kind = _kinds("street/car", "street/car", "street/truck")
    captions = draw_captions(kind[:1], np.array([_RED]), np.random.default_rng(0), 0.0, 1.0)
    fits = captions.also_fit(kind, np.array([NO_COLOUR, COLOURS.index("blue"), _RED]))
    assert fits.tolist() == [[True], [False], [False]]


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((200, 20, 20), "red"),
        ((30, 60, 200), "blue"),
        ((40, 160, 40), "green"),
        ((230, 210, 30), "yellow"),
        ((240, 130, 20), "orange"),
        ((110, 60, 25), "brown"),
        ((150, 40, 190), "purple"),
        ((10, 12, 9), "black"),
        ((0, 0, 0), "black"),
        ((128, 130, 127), "grey"),
        ((250, 250, 250), "white"),
        ((200, 20, 40), "red"),
        ((120, 130, 140), None),
    ],
)
def test_colours_are_called_what_people_call_them(rgb, word):
    assert colour_word(np.array(rgb)) == word


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_has_one_of_the_names_or_none(rgb):
    assert colour_word(np.array(rgb)) in (*COLOURS, None)


def test_a_region_is_one_connected_part_of_one_class_and_crumbs_are_none():
    table = class_table("nuscenes16")
    class_id = np.full((20, 30), IGNORE_ID, np.uint8)
    class_id[2:8, 2:8] = class_id[2:8, 20:26] = table.id_of("car")
    class_id[15, 15] = table.id_of("pedestrian")
    rgb = np.full((20, 30, 3), 130, np.uint8)
    rgb[2:8, 2:8] = (200, 20, 20)
    cut = in_regions(rgb, class_id, "street", table)
    assert sorted(KINDS[kind] for kind in cut.kind) == ["street/", "street/car", "street/car"]
    cars = [region for region, kind in enumerate(cut.kind) if KINDS[kind] == "street/car"]
    assert {COLOURS[cut.colour[car]] for car in cars} == {"red", "grey"}
    assert cut.region[15, 15] == -1
    assert cut.area_px.tolist() == [int((cut.region == region).sum()) for region in range(3)]
