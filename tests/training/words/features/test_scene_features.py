"""The store of scenes' features: what is written comes back, damage is found, components restore what they can."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.words.features.feature_basis import feature_basis
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import configuration_alias, open_features
from offline_training.words.scenes.scene_features import SceneFeatures, scene_sha256
from offline_training.words.settings.vlg_config import VlgConfig
from tests.training.words.features.feature_scenes import box_scene


def made(points=50, channels=6, views=9, seed=0):
    """Features of random points, of which every third is seen by no view."""
    rng = np.random.default_rng(seed)
    rows = max(points // 4, 1)
    row_of_point = np.where(np.arange(points) % 3 == 0, -1, rng.integers(0, rows, points)).astype(np.int32)
    return SceneFeatures(
        feature=rng.normal(0, 1, (rows, channels)).astype(np.float16),
        row_of_point=row_of_point,
        view_bits=np.packbits(rng.random((rows, views)) < 0.5, axis=1),
        view_names=tuple(f"view{k}" for k in range(views)),
        left_out=("view3",),
        scene_sha256="ab" * 32,
    )


def equal(one, other):
    same = all((getattr(one, name) == getattr(other, name)).all() for name in ("feature", "row_of_point", "view_bits"))
    return same and (one.view_names, one.left_out, one.scene_sha256) == (
        other.view_names,
        other.left_out,
        other.scene_sha256,
    )


def config(out, **changes):
    model = {"kind": "toy", "folder": "toy"}
    values = {"out": str(out), "train": [{"kind": "pandaset", "folder": "unused"}], "model": model, **changes}
    return validated(VlgConfig, values, "test")


def store(folder, **identity):
    opened = FeatureStore(folder, {"model": "a", **identity})
    opened.announce()
    return opened


@settings(max_examples=20)
@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 17), st.integers(0, 10**6))
def test_per_point_gives_each_point_its_row_and_zeros_where_nobody_sees_it(points, channels, views, seed):
    features = made(points, channels, views, seed)
    assert features.per_point().shape == (points, channels)
    for row, feature in zip(features.row_of_point, features.per_point(), strict=True):
        assert (feature == (features.feature[row] if row >= 0 else 0)).all()
    assert features.seen_by().shape == (len(features.feature), views)


@pytest.mark.parametrize("name", ["scene0000_00", "000/001", "../up", "ä b?*", "x" * 400, "."])
def test_what_is_written_under_any_name_comes_back(tmp_path, name):
    features = made()
    size = store(tmp_path).write(name, features)
    again = FeatureStore(tmp_path)
    assert again.has(name)
    assert not again.has(name + "_")
    assert equal(again.read(name), features)
    assert again.path(name).parent == again.folder
    assert size == again.path(name).stat().st_size


def test_long_names_that_begin_alike_have_their_own_files(tmp_path):
    opened = store(tmp_path)
    assert opened.path("x" * 400) != opened.path("x" * 401)


def test_another_identity_never_meets_the_files_of_this_one(tmp_path):
    store(tmp_path).write("scene", made(seed=1))
    other = store(tmp_path, window=2)
    assert not other.has("scene")
    other.write("scene", made(seed=2))
    assert equal(FeatureStore(tmp_path).read("scene"), made(seed=2))  # the one announced last
    assert equal(FeatureStore(tmp_path, {"model": "a"}).read("scene"), made(seed=1))
    assert json.loads((other.folder / "identity.json").read_text())["window"] == 2


def test_a_configuration_finds_its_own_features_again_without_its_model(tmp_path):
    one, other = config(tmp_path), config(tmp_path, extract={"voxel_m": 0.05})
    for k, each in enumerate((one, other)):
        opened = FeatureStore(each.features_folder, {"k": k}, configuration_alias(each))
        opened.announce()
        opened.write("scene", made(seed=k))
    assert equal(open_features(one).read("scene"), made(seed=0))
    assert equal(open_features(other).read("scene"), made(seed=1))


def test_what_does_not_decide_over_features_leaves_them_where_they_are(tmp_path):
    same = [{"engine": "ray"}, {"ray_workers": 7}, {"batch_size": 1}, {"store": "elsewhere"}]
    other = [{"voxel_m": None}, {"border_px": 5}, {"components": 3}, {"occlusion": "none"}, {"relative_margin": 0.1}]
    aliases = {configuration_alias(config(tmp_path, extract=changes)) for changes in [{}, *same]}
    assert len(aliases) == 1
    assert len({configuration_alias(config(tmp_path, extract=changes)) for changes in other} | aliases) == 6


def test_absent_features_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(BadDataset, match=r"found none\. Run `lidar-vl-train extract-features`"):
        open_features(config(tmp_path))
    opened = store(tmp_path)
    with pytest.raises(BadDataset, match=r"features of scene: .*extract-features"):
        opened.read("scene")
    with pytest.raises(BadDataset, match="lidar-vl-train specialise"):
        FeatureStore(tmp_path / "specialised", command="lidar-vl-train specialise")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _empty(path):
    path.write_bytes(b"")


def _of_other_arrays(path):
    with path.open("wb") as handle:
        np.savez(handle, a=np.zeros(3))


@pytest.mark.parametrize("damage", [_cut, _flipped, _empty, _of_other_arrays])
def test_damaged_files_are_found_and_told(tmp_path, damage):
    opened = store(tmp_path)
    opened.write("scene", made(500))
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
    opened = store(tmp_path)
    with opened.path("scene").open("wb") as handle:
        np.savez(handle, feature=np.array([{}], object), about=np.array("{}"))
    with pytest.raises(BadDataset, match="whole"):
        opened.read("scene")


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_features_of_few_directions_come_back_from_as_many_components(seed, rank):
    rng = np.random.default_rng(seed)
    feature = (rng.normal(0, 1, (80, rank)) @ rng.normal(0, 1, (rank, 12)) + 3.0).astype(np.float16)
    basis = feature_basis([feature[:30], feature[30:]], rank)
    assert basis.explained > 0.999
    np.testing.assert_allclose(basis.directions @ basis.directions.T, np.eye(rank), atol=1e-5)
    np.testing.assert_allclose(basis.restored(basis.coefficients(feature)), feature, atol=0.03)


def test_components_are_those_of_the_singular_value_decomposition():
    feature = np.random.default_rng(0).normal(0, [5, 3, 2, 1, 0.5], (400, 5)).astype(np.float16)
    basis = feature_basis([feature], 2)
    centred = feature.astype(np.float64) - feature.astype(np.float64).mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs((basis.directions @ directions[:2].T).diagonal()), 1.0, atol=1e-4)
    assert basis.explained == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum(), abs=1e-6)


def scene_bytes(opened, names):
    return sum(opened.path(name).stat().st_size for name in names)


def test_a_store_with_a_basis_keeps_few_numbers_and_gives_all_channels(tmp_path):
    opened = store(tmp_path)
    rng = np.random.default_rng(0)
    directions = rng.normal(0, 1, (2, 64))
    scenes = {}
    for name in ("a", "b", "c"):
        feature = (rng.normal(0, 1, (12, 2)) @ directions).astype(np.float16)
        scenes[name] = replace(made(), feature=feature)
        opened.write(name, scenes[name])
    whole = scene_bytes(opened, scenes)
    opened.fit_basis(["a", "b"], 2)
    opened.compress(["a", "b"])
    again = FeatureStore(tmp_path)
    again.write("c", scenes["c"])
    assert scene_bytes(again, scenes) < whole - 3 * 12 * 60 * 2
    for name, features in scenes.items():
        read = FeatureStore(tmp_path).read(name)
        np.testing.assert_allclose(read.feature, features.feature, atol=0.03)
        assert equal(replace(read, feature=features.feature), features)
    compressed = [opened.path(name).read_bytes() for name in scenes]
    opened.compress(list(scenes))  # nothing is left to do
    assert [opened.path(name).read_bytes() for name in scenes] == compressed


def test_more_components_than_channels_are_refused(tmp_path):
    opened = store(tmp_path)
    opened.write("scene", made(channels=6))
    with pytest.raises(BadConfig, match="6 channels of the features, found 7"):
        opened.fit_basis(["scene"], 7)


def test_a_damaged_basis_is_told(tmp_path):
    opened = store(tmp_path)
    opened.write("scene", made())
    opened.fit_basis(["scene"], 2)
    _cut(opened.folder / "basis.npz")
    with pytest.raises(BadDataset, match=r"basis\.npz"):
        FeatureStore(tmp_path).read("scene")


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
        replace(made(), **changes)


def test_features_of_another_cloud_are_refused():
    with pytest.raises(BadDataset, match="expected 600 points, as in its cloud, found 50"):
        made().require_fits(box_scene())


def test_a_scene_is_another_one_when_a_point_or_a_camera_moves():
    sample = box_scene()
    moved = box_scene()
    moved.cloud.xyz_m[3, 1] += 0.001
    fewer = replace(sample, views=sample.views[:2])
    assert scene_sha256(sample) == scene_sha256(box_scene())
    assert len({scene_sha256(each) for each in (sample, moved, fewer)}) == 3
