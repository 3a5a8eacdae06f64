"""OpenScene's fused features: both forms read, other clouds refused, nothing in a file is ever run."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.words.scenes.extract_config import ExtractConfig
from offline_training.words.scenes.openscene_files import FusedFeatures, from_fused, fused_files, read_fused
from tests.training.words.features.feature_scenes import box_scene
from tests.training.words.features.openscene.fused_features import equal_fused, fused, per_visible_point, write_fused

PER_POINT = ExtractConfig(voxel_m=None)


@settings(max_examples=20)
@given(st.integers(0, 60), st.integers(1, 6), st.booleans(), st.integers(0, 10**6))
def test_either_form_is_read_as_what_was_written(tmp_path_factory, points, channels, older_form, seed):
    path = tmp_path_factory.mktemp("fused") / "scene.pt"
    there = fused(points, channels, seed)
    write_fused(path, there, older_form)
    assert equal_fused(read_fused([path], points), there)


VISIBLE = np.array([0, 1, 1, 0, 1, 1], bool)
FEATURE = np.arange(8).reshape(4, 2).astype(np.float16)
SELECTED = FEATURE[[1, 3]], np.array([0, 0, 1, 0, 0, 1], bool)  # rows 1 and 3 of the four: points 2 and 5


@pytest.mark.parametrize(
    ("content", "feature", "visible"),
    [
        ({"feat": torch.tensor(FEATURE), "mask_full": torch.tensor(VISIBLE)}, FEATURE, VISIBLE),
        ({"feat": torch.tensor(FEATURE), "mask_full": VISIBLE}, FEATURE, VISIBLE),
        ({"feat": FEATURE, "mask_full": VISIBLE.astype(np.uint8)}, FEATURE, VISIBLE),
        ({"feat": torch.tensor(FEATURE)[..., None], "mask_full": torch.tensor(VISIBLE)}, FEATURE, VISIBLE),
        ({"feat": FEATURE, "mask": torch.tensor([1, 3]), "mask_full": VISIBLE}, *SELECTED),
        ({"feat": FEATURE, "mask": np.array([3, 1]), "mask_full": torch.tensor(VISIBLE)}, *SELECTED),
        ({"feat": FEATURE, "mask": torch.tensor([False, True, False, True]), "mask_full": VISIBLE}, *SELECTED),
        ({"feat": FEATURE[..., None], "mask": [1, 3], "mask_full": VISIBLE}, *SELECTED),
        (OrderedDict(feat=torch.tensor(FEATURE).float(), mask_full=torch.tensor(VISIBLE)), FEATURE, VISIBLE),
        ({"feat": FEATURE, "mask": [], "mask_full": VISIBLE}, FEATURE[:0], np.zeros(6, bool)),
    ],
)
def test_all_variants_of_released_files_are_read(tmp_path, content, feature, visible):
    torch.save(content, tmp_path / "scene.pt")
    read = read_fused([tmp_path / "scene.pt"], 6)
    assert equal_fused(read, FusedFeatures(feature, visible))
    assert read.feature.dtype == np.float16


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"feat": FEATURE, "mask_full": VISIBLE[:5]}, "mask of 6 points, as in the cloud, found 5"),
        ({"feat": FEATURE[:3], "mask_full": VISIBLE}, "4 rows in feat, one for each True of mask_full, found 3"),
        ({"feat": FEATURE}, "feat and mask_full, found feat"),
        ([FEATURE, VISIBLE], "found list"),
        ({"feat": FEATURE[0], "mask_full": VISIBLE}, r"feat \(n, C\)"),
        ({"feat": FEATURE.astype(int), "mask_full": VISIBLE}, r"feat \(n, C\)"),
        ({"feat": FEATURE * np.nan, "mask_full": VISIBLE}, "finite"),
        ({"feat": FEATURE, "mask_full": VISIBLE.astype(float)}, r"mask_full \(N,\) bool"),
        ({"feat": FEATURE, "mask": [4], "mask_full": VISIBLE}, "indices below 4"),
        ({"feat": FEATURE, "mask": [-1], "mask_full": VISIBLE}, "indices below 4"),
        ({"feat": FEATURE, "mask": np.ones(3, bool), "mask_full": VISIBLE}, r"bool \(4,\)"),
        ({"feat": FEATURE, "mask": [0.5], "mask_full": VISIBLE}, "indices below 4"),
    ],
)
def test_files_of_other_clouds_or_other_kinds_are_refused(tmp_path, content, match):
    torch.save(content, tmp_path / "scene.pt")
    with pytest.raises(BadDataset, match=match):
        read_fused([tmp_path / "scene.pt"], 6)


class _Runs:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "code"])
def test_damaged_files_and_files_with_code_are_one_clear_line(tmp_path, damage, capsys):
    path = tmp_path / "scene.pt"
    write_fused(path, fused())
    content = {"cut": path.read_bytes()[:-100], "empty": b"", "text": b"no features here"}.get(damage)
    if content is None:
        torch.save({"feat": _Runs(), "mask_full": VISIBLE}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(BadDataset, match=r"scene\.pt: expected a dict with feat and mask_full saved by torch"):
        read_fused([path], 40)
    assert "run" not in capsys.readouterr().out


def test_parts_of_a_scene_are_put_together_and_shared_points_counted_once(tmp_path):
    whole = fused(200)
    place = np.cumsum(whole.visible) - 1
    rng = np.random.default_rng(1)
    covered = np.zeros(200, bool)
    for number in range(12):  # 10 comes after 9
        mask = whole.visible & (rng.random(200) < 0.4)
        covered |= mask
        write_fused(tmp_path / f"scene_{number}.pt", FusedFeatures(whole.feature[place[mask]], mask))
    files = fused_files(tmp_path, "scene")
    assert [path.stem for path in files] == [f"scene_{number}" for number in range(12)]
    read = read_fused(files, 200)
    assert equal_fused(read, FusedFeatures(whole.feature[place[covered]], covered))


def test_parts_of_different_width_are_refused(tmp_path):
    write_fused(tmp_path / "s_0.pt", fused(channels=3))
    write_fused(tmp_path / "s_1.pt", fused(channels=4))
    with pytest.raises(BadDataset, match=r"one number of channels, found \[3, 4\]"):
        read_fused(fused_files(tmp_path, "s"), 40)


def test_a_scene_finds_its_own_files_alone(tmp_path):
    for name in ("scene0000_00_0.pt", "scene0000_00_1.pt", "scene0000_0.pt", "scene0000_00_x.pt"):
        (tmp_path / name).touch()
    assert [path.name for path in fused_files(tmp_path, "val/scene0000_00")] == [
        "scene0000_00_0.pt",
        "scene0000_00_1.pt",
    ]
    (tmp_path / "scene0000_00.pt").touch()  # what 3DSS-VLG's loader expects wins
    assert [path.name for path in fused_files(tmp_path, "scene0000_00")] == ["scene0000_00.pt"]
    with pytest.raises(BadDataset, match=r"scene0001_00\.pt or scene0001_00_0\.pt there, found neither"):
        fused_files(tmp_path, "scene0001_00")


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_a_store_and_openscene_say_the_same_of_each_point(seed):
    sample = box_scene(number=seed, points=60)
    there = fused(60, 3, seed)
    features = from_fused(there, sample, PER_POINT)
    assert (features.visible == there.visible).all()
    assert (features.per_point()[there.visible] == there.feature).all()
    assert equal_fused(per_visible_point(features), there)


def test_points_of_one_voxel_share_the_mean_of_those_that_are_seen():
    sample = box_scene(points=60)
    sample.cloud.xyz_m[:4] = 0.301  # one voxel
    visible = np.zeros(60, bool)
    visible[[0, 2, 3, 50]] = True
    feature = np.array([[1.0], [2.0], [6.0], [9.0]], np.float16)
    features = from_fused(FusedFeatures(feature, visible), sample, ExtractConfig(voxel_m=0.02))
    assert features.per_point()[[0, 1, 2, 3, 50], 0].tolist() == [3.0, 0.0, 3.0, 3.0, 9.0]
    assert len(features.feature) == 2
