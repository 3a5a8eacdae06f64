"""Overrides by dotted names: into mappings, into lists, and those that lead nowhere."""

from copy import deepcopy
from pathlib import Path

import pytest

from lidar_vl_core.foundation.config import parse_overrides
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.near_names import did_you_mean, near_name
from lidar_vl_core.foundation.overrides import override

CONTENT = {"steps": 3, "augment": {"flip": True}, "train": [{"kind": "a", "folder": "x"}, {"kind": "b", "folder": "y"}]}


@pytest.mark.parametrize(
    ("word", "at", "expected"),
    [
        ("steps=4", ("steps",), 4),
        ("augment.flip=false", ("augment", "flip"), False),
        ("train.1.folder=z", ("train", 1, "folder"), "z"),
        ("train.0={kind: c, folder: w}", ("train", 0), {"kind": "c", "folder": "w"}),
        ("train.2.kind=c", ("train", 2), {"kind": "c"}),  # one more
        ("validation.0.folder=v", ("validation",), [{"folder": "v"}]),
        ("model.sizes.0=7", ("model", "sizes"), [7]),
        ("train.1.frames=[a, b]", ("train", 1, "frames"), ["a", "b"]),
    ],
)
def test_an_override_reaches_its_place_and_leaves_the_rest(word, at, expected):
    content = deepcopy(CONTENT)
    ((name, value),) = parse_overrides([word]).items()
    override(content, name, value, Path("c.yaml"))
    found = content
    for part in at:
        found = found[part]
    assert found == expected
    if at[0] != "train":
        assert content["train"] == CONTENT["train"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("train.5.folder", "expected a number from 0 to 2 for a list of 2, found '5'"),
        ("train.folder", "found 'folder'"),
        ("train.-1.folder", "found '-1'"),
        ("steps.0", "expected steps to be a mapping or a list"),
        ("augment.flip.x", "expected augment.flip to be a mapping or a list"),
        ("augment.flip.x.y", "expected augment.flip to be a mapping or a list"),
    ],
)
def test_an_override_that_leads_nowhere_says_where_it_ends(name, told):
    with pytest.raises(BadConfig, match=told):
        override(deepcopy(CONTENT), name, 1, Path("c.yaml"))


@pytest.mark.parametrize("found", ["semantickitti", "SemanticKITTI", "semantic-kitti", "semantic_kity"])
def test_a_name_is_known_again_however_it_is_spelt(found):
    assert near_name(found, ["nuscenes", "semantic_kitti", "synlidar"]) == "semantic_kitti"
    assert did_you_mean("waymo", ["nuscenes", "semantic_kitti"]) == ""
