"""Indoor class tables, their label maps and the vocabularies that ask for them."""

import numpy as np
import pytest

from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.words.vocabulary import FOLDER, load_vocabulary
from tests.recordings import recording

NUSCENES_16 = class_table("nuscenes16")
SCANNET_20 = class_table("scannet20")

TABLES = (
    "scannet20", "scannet200", "s3dis13", "matterport21", "matterport40", "matterport80", "matterport160",
    "nuscenes16", "synthetic_rooms",
)  # fmt: skip
# ScanNet's benchmark: these NYU40 ids become 0..19 in this order, all others 255.
_NYU40_OF_SCANNET = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)


def test_twenty_of_the_nyu40_ids_become_scannets_classes_in_their_order_and_the_others_nothing():
    class_id = label_map("scannet", SCANNET_20).apply(np.arange(41))
    assert class_id[list(_NYU40_OF_SCANNET)].tolist() == list(range(20))
    others = np.setdiff1d(np.arange(41), _NYU40_OF_SCANNET)
    assert (class_id[others] == IGNORE_ID).all()


def test_the_label_table_of_scannets_authors_names_the_same_classes(real_data):
    path = recording(real_data, "tiny_fixtures/scannet/meta_data/scannetv2-labels.combined.tsv")
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    nyu40, name = rows[0].index("nyu40id"), rows[0].index("nyu40class")
    theirs = {int(row[nyu40]): row[name] for row in rows[1:] if row[nyu40]}
    spelt = {"refridgerator": "refrigerator"}
    assert [spelt.get(theirs[raw], theirs[raw]) for raw in _NYU40_OF_SCANNET] == list(SCANNET_20.names)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("scannet20", 20, "wall", "otherfurniture"), ("matterport21", 21, "wall", "ceiling"),
        ("s3dis13", 13, "ceiling", "clutter"), ("nyu13", 13, "bed", "window"), ("scannet200", 200, "wall", "mattress"),
        ("matterport40", 40, "wall", "faucet"), ("matterport80", 80, "wall", "bucket"),
        ("matterport160", 160, "wall", "alarm"),
    ],
)  # fmt: skip
def test_tables_have_the_order_of_their_benchmarks_and_a_colour_of_its_own_for_each_class(name, count, first, last):
    table = class_table(name)
    assert (len(table), table.names[0], table.names[-1]) == (count, first, last)
    assert len(np.unique(table.colors_rgb, axis=0)) == count


def test_the_200_ids_of_scannet200_are_each_a_class_of_its_own_in_rising_order():
    table = class_table("scannet200")
    class_of_raw = label_map("scannet200_ids", table).class_of_raw
    ids = np.flatnonzero((class_of_raw >= 0) & (class_of_raw != IGNORE_ID))
    assert len(ids) == 200
    assert class_of_raw[ids].tolist() == list(range(200))
    assert (ids[0], ids[-1], int(ids.sum())) == (1, 1191, 59240)
    known = {5: "door", 13: "pillow", 22: "book", 1163: "object"}
    assert all(table.names[class_of_raw[raw]] == name for raw, name in known.items())


def test_shorter_label_sets_of_matterport_are_the_first_names_of_the_longer_ones():
    names = [class_table(f"matterport{count}").names for count in (40, 80, 160)]
    assert names[1][:40] == names[0]
    assert names[2][:80] == names[1]
    for table in map(class_table, ("matterport40", "matterport80", "matterport160")):
        class_id = label_map(table.name, table).apply(np.array([0, len(table) - 1, IGNORE_ID]))
        assert class_id.tolist() == [0, len(table) - 1, IGNORE_ID]


_CALLED_AFTER = [
    (path.stem, name)
    for path in sorted(FOLDER.glob("*.yaml"))
    for name in TABLES
    if f"{path.stem}_".startswith(f"{name}_")
]


@pytest.mark.parametrize(("vocabulary_name", "table_name"), _CALLED_AFTER)
def test_a_vocabulary_has_the_classes_of_the_table_it_is_called_after(vocabulary_name, table_name):
    vocabulary, table = load_vocabulary(vocabulary_name), class_table(table_name)
    assert vocabulary.class_table.names == table.names
    assert np.array_equal(vocabulary.class_table.colors_rgb, table.colors_rgb)


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("scannet200", 200, "mattress"),
        ("matterport40", 40, "faucet"),
        ("matterport80", 80, "bucket"),
        ("matterport160", 160, "alarm"),
    ],
)
def test_long_vocabularies_are_in_the_order_of_their_benchmarks(name, count, last):
    vocabulary = load_vocabulary(name)
    assert (len(vocabulary.prompts), vocabulary.prompts[0], vocabulary.prompts[-1]) == (count, "wall", last)
    assert vocabulary.templates == ("a {} in a scene",)
    shorter = load_vocabulary("matterport40").prompts
    assert name == "scannet200" or vocabulary.prompts[:40] == shorter


@pytest.mark.parametrize(("name", "place"), [("scannet20", -1), ("matterport21", -2)])
def test_the_rest_is_asked_for_as_a_bare_other_as_openscene_asks(name, place):
    vocabulary = load_vocabulary(name)
    assert (vocabulary.prompts[place], vocabulary.templates_of_prompt[place]) == ("other", ("{}",))
    assert vocabulary.templates_of_prompt[0] == ("a {} in a scene",)


def test_the_43_prompts_of_nuscenes_are_openscenes_and_cover_each_class():
    vocabulary = load_vocabulary("nuscenes16")
    asked = vocabulary.class_of_prompt < len(NUSCENES_16)
    assert asked.sum() == 43
    counts = np.bincount(vocabulary.class_of_prompt[asked])
    assert counts.tolist() == [2, 1, 1, 1, 5, 1, 2, 1, 5, 1, 1, 3, 1, 6, 4, 8]  # fact sheet 5.3


@pytest.mark.parametrize("name", ["nuscenes16", "nuscenes16_driving"])
def test_the_best_prompt_before_the_map_gives_the_class_of_the_best_synonym(name):
    vocabulary = load_vocabulary(name)
    class_of_prompt = vocabulary.class_of_prompt
    score = np.random.default_rng(3).normal(size=(2000, len(class_of_prompt)))
    best_before_map = class_of_prompt[score.argmax(axis=1)]
    of_class = np.stack([score[:, class_of_prompt == k].max(axis=1) for k in range(len(vocabulary.classes))], axis=1)
    assert np.array_equal(best_before_map, of_class.argmax(axis=1))
    assert set(best_before_map) == set(range(len(vocabulary.classes)))


def test_the_drivers_words_hold_sinks_for_sky_own_car_and_what_cannot_be_told():
    vocabulary = load_vocabulary("nuscenes16_driving")
    assert [each.name for each in vocabulary.classes if each.sink] == ["sky", "ego_car", "undistinguishable"]
    asked = {each.name: set(each.words) for each in vocabulary.classes}
    for each in load_vocabulary("nuscenes16").classes[: len(NUSCENES_16)]:
        lost = set(each.words) - asked[each.name]
        assert lost <= {"crane"}, each.name  # mobile crane there: a tower crane is a building
