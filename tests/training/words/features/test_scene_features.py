"""The store of scenes' features: what is written comes back, and what is damaged or does not belong together is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import configuration_alias, open_features
from offline_training.words.scenes.scene_features import points_sha256, scene_sha256
from tests.training.words.features.feature_scenes import box_scene
from tests.training.words.features.made_features import (
    cut_short,
    equal_features,
    opened_store,
    random_features,
    words_config,
)


@settings(max_examples=20)
@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 17), st.integers(0, 10**6))
def test_per_point_gives_each_point_its_row_and_zeros_where_nobody_sees_it(points, channels, views, seed):
    features = random_features(points, channels, views, seed)
    assert features.per_point().shape == (points, channels)
    for row, feature in zip(features.row_of_point, features.per_point(), strict=True):
        assert (feature == (features.feature[row] if row >= 0 else 0)).all()
    assert features.seen_by().shape == (len(features.feature), views)


@pytest.mark.parametrize("name", ["scene0000_00", "000/001", "../up", "ä b?*", "x" * 400, "."])
def test_what_is_written_under_any_name_comes_back(tmp_path, name):
    features = random_features()
    size = opened_store(tmp_path).write(name, features)
    again = FeatureStore(tmp_path)
    assert again.has(name)
    assert not again.has(name + "_")
    assert equal_features(again.read(name), features)
    assert again.path(name).parent == again.folder
    assert size == again.path(name).stat().st_size


def test_long_names_that_begin_alike_have_their_own_files(tmp_path):
    opened = opened_store(tmp_path)
    assert opened.path("x" * 400) != opened.path("x" * 401)


def test_another_identity_never_meets_the_files_of_this_one(tmp_path):
    opened_store(tmp_path).write("scene", random_features(seed=1))
    other = opened_store(tmp_path, window=2)
    assert not other.has("scene")
    other.write("scene", random_features(seed=2))
    assert equal_features(FeatureStore(tmp_path).read("scene"), random_features(seed=2))  # the one announced last
    assert equal_features(FeatureStore(tmp_path, {"model": "a"}).read("scene"), random_features(seed=1))
    assert json.loads((other.folder / "identity.json").read_text())["window"] == 2


def test_a_configuration_finds_its_own_features_again_without_its_model(tmp_path):
    one, other = words_config(tmp_path), words_config(tmp_path, extract={"voxel_m": 0.05})
    for k, each in enumerate((one, other)):
        opened = FeatureStore(each.features_folder, {"k": k}, configuration_alias(each))
        opened.announce()
        opened.write("scene", random_features(seed=k))
    assert equal_features(open_features(one).read("scene"), random_features(seed=0))
    assert equal_features(open_features(other).read("scene"), random_features(seed=1))


def test_what_does_not_decide_over_features_leaves_them_where_they_are(tmp_path):
    same = [{"engine": "ray"}, {"ray_workers": 7}, {"batch_size": 1}, {"store": "elsewhere"}]
    other = [{"voxel_m": None}, {"border_px": 5}, {"components": 3}, {"occlusion": "none"}, {"relative_margin": 0.1}]
    aliases = {configuration_alias(words_config(tmp_path, extract=changes)) for changes in [{}, *same]}
    assert len(aliases) == 1
    assert len({configuration_alias(words_config(tmp_path, extract=changes)) for changes in other} | aliases) == 6


def test_absent_features_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(BadDataset, match=r"found none\. Run `lidar-vl-train extract-features`"):
        open_features(words_config(tmp_path))
    opened = opened_store(tmp_path)
    with pytest.raises(BadDataset, match=r"features of scene: .*extract-features"):
        opened.read("scene")
    with pytest.raises(BadDataset, match="lidar-vl-train specialise"):
        FeatureStore(tmp_path / "specialised", command="lidar-vl-train specialise")


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _empty(path):
    path.write_bytes(b"")


def _of_other_arrays(path):
    with path.open("wb") as handle:
        np.savez(handle, a=np.zeros(3))


@pytest.mark.parametrize("damage", [cut_short, _flipped, _empty, _of_other_arrays])
def test_damaged_files_are_found_and_told(tmp_path, damage):
    opened = opened_store(tmp_path)
    opened.write("scene", random_features(500))
    assert opened.about("scene")["points"] == 500
    damage(opened.path("scene"))
    assert opened.about("scene") is None
    with pytest.raises(BadDataset, match="replaces damaged files"):
        opened.read("scene")


@pytest.mark.parametrize("content", ["", "{", '{"folder": "absent"}', "[]", '{"folder": 3}'])
def test_a_damaged_pointer_is_one_clear_line(tmp_path, content):
    (tmp_path / "last.json").write_text(content)
    with pytest.raises(BadDataset, match="extract-features"):
        FeatureStore(tmp_path)


def test_files_hold_no_pickles(tmp_path):
    opened = opened_store(tmp_path)
    with opened.path("scene").open("wb") as handle:
        np.savez(handle, feature=np.array([{}], object), about=np.array("{}"))
    with pytest.raises(BadDataset, match="whole"):
        opened.read("scene")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"feature": np.zeros((3, 6), np.float32)}, "feature: .*float16.*found.*float32"),
        ({"row_of_point": np.zeros(5, np.int64)}, "row_of_point: .*int32"),
        ({"row_of_point": np.array([0, 99], np.int32)}, "expected -1 to 11, found 0 to 99"),
        ({"row_of_point": np.array([0, -2], np.int32)}, "found -2 to 0"),
        ({"view_names": ("only one",)}, "view_bits: expected shape"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(changes, match):
    with pytest.raises(BadDataset, match=match):
        replace(random_features(), **changes)


def test_features_of_another_cloud_are_refused():
    with pytest.raises(BadDataset, match="expected 600 points, as in its cloud, found 50"):
        random_features().require_fits(box_scene())


def test_features_of_as_many_other_points_are_refused_unless_the_file_does_not_know_its_points():
    sample, moved = box_scene(), box_scene()
    moved.cloud.xyz_m[[0, 1]] = moved.cloud.xyz_m[[1, 0]]
    row_of_point, of_sample = np.zeros(len(sample.cloud), np.int32), points_sha256(sample)
    features = replace(random_features(), row_of_point=row_of_point, points_sha256=of_sample)
    features.require_fits(sample)
    with pytest.raises(BadDataset, match=r"found features of as many others.*run all stages again"):
        features.require_fits(moved)
    replace(features, points_sha256="").require_fits(moved)


def test_a_scene_is_another_one_when_a_point_or_a_camera_moves():
    sample = box_scene()
    moved = box_scene()
    moved.cloud.xyz_m[3, 1] += 0.001
    fewer = replace(sample, views=sample.views[:2])
    assert scene_sha256(sample) == scene_sha256(box_scene())
    assert len({scene_sha256(each) for each in (sample, moved, fewer)}) == 3
