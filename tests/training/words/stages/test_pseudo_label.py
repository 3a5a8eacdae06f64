"""Stage 1: pseudo labels keep to the class lists, and to what the pictures saw."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadLabels, BadTextTable
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import Sample
from offline_training.words.features.feature_store import FeatureStore
from offline_training.words.features.run_features import configuration_alias
from offline_training.words.features.run_text import read_run_text
from offline_training.words.stages.pseudo_labels.class_choice import choose_classes, keep_surest, scale_of_logits
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabels, PseudoLabelStore
from offline_training.words.stages.pseudo_labels.scene_lists import allowed_classes, read_class_lists
from offline_training.words.stages.pseudo_labels.segment_majority import segment_majority
from offline_training.words.stages.pseudo_labels.superpoints import superpoints
from tests.training.words.stages.tiny_language import (
    CAR,
    ROAD,
    TRUCK,
    VIEWS,
    TinyScenes,
    tiny_config,
    tiny_features,
    tiny_sample,
    use_tiny_world,
    write_tiny_features,
)

NUSCENES_16 = class_table("nuscenes16")

NAMES = NUSCENES_16.names


@pytest.fixture(autouse=True)
def _tiny_world(monkeypatch):
    use_tiny_world(monkeypatch)


def labels_of(folder):
    return [PseudoLabelStore(folder).read(tiny_sample(index).name) for index in range(3)]


def listed(tmp_path, lists):
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(lists))
    return {"lists_file": str(path)}


def test_no_label_is_outside_the_scenes_list_and_points_without_a_feature_have_none(tmp_path):
    names = [tiny_sample(index).name for index in range(3)]
    lists = {names[0]: ["car", "bus"], names[1]: ["truck"], names[2]: []}
    config = tiny_config(tmp_path, pseudo=listed(tmp_path, lists))
    write_tiny_features(config, noise=2.0)
    for index, labels in enumerate(labels_of(pseudo_label(config))):
        answered = labels.class_id[labels.class_id != IGNORE_ID]
        assert {NAMES[k] for k in np.unique(answered)} <= set(lists[names[index]])
        visible = tiny_features(tiny_sample(index)).visible
        assert (labels.class_id[~visible] == IGNORE_ID).all()
        assert (len(answered) > 0) == (index < 2)
        assert ((labels.probability > 0) == (labels.class_id != IGNORE_ID)).all()
        assert labels.probability.dtype == np.float16


def test_lists_derived_from_truth_are_written_with_a_word_on_where_they_are_from(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    folder = pseudo_label(config)
    written = json.loads((folder / "scene_lists.json").read_text())
    assert "simulation" in written["derived_from"]
    assert written["scenes"]["scene/0001"] == ["car", "truck", "driveable_surface"]
    again = tiny_config(tmp_path / "again", pseudo={"lists_file": str(folder / "scene_lists.json")})
    write_tiny_features(again)
    for one, other in zip(labels_of(folder), labels_of(pseudo_label(again)), strict=True):
        assert (one.class_id == other.class_id).all()


def test_quality_is_told_against_truth(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config, noise=0.3)
    folder = pseudo_label(config)
    told = json.loads((folder / "statistics.json").read_text())
    class_id = np.concatenate([labels.class_id for labels in labels_of(folder)])
    truth = np.concatenate([tiny_sample(index).class_id for index in range(3)])
    assert told["labelled_share"] == pytest.approx(np.mean(class_id != IGNORE_ID))
    against = told["against_truth"]
    assert against["per_class_precision"]["car"] == pytest.approx(np.mean(truth[class_id == CAR] == CAR))
    assert against["per_class_coverage"]["truck"] == pytest.approx(np.mean(class_id[truth == TRUCK] != IGNORE_ID))
    assert against["accuracy_of_labelled"] > 0.9
    assert "no decision" in against["note"]


def test_a_class_of_a_frame_list_reaches_only_points_that_its_views_see(tmp_path):
    lists = {tiny_sample(index).name: {"front": ["car"], "back": ["truck"], "left": []} for index in range(3)}
    config = tiny_config(tmp_path, pseudo={"lists": "frame", **listed(tmp_path, lists)})
    write_tiny_features(config)
    labels = labels_of(pseudo_label(config))[0]
    features = tiny_features(tiny_sample(0))
    seen_by = features.seen_by()[features.row_of_point]
    for class_id, view in ((CAR, 0), (TRUCK, 1)):
        assert (seen_by[:, view] | (labels.class_id != class_id)).all()
    only_left = features.visible & ~seen_by[:, 0] & ~seen_by[:, 1]
    assert only_left.any()
    assert (labels.class_id[only_left] == IGNORE_ID).all()


def test_frame_lists_derived_from_truth_name_what_each_view_sees(tmp_path):
    config = tiny_config(tmp_path, pseudo={"lists": "frame"})
    write_tiny_features(config)
    written = json.loads((pseudo_label(config) / "scene_lists.json").read_text())["scenes"]["scene/0002"]
    assert set(written) == set(VIEWS)
    assert set(written["front"]) == {"car", "truck", "driveable_surface"}


def slow_choice(scores, is_sink, allowed, scale):
    share = np.exp(scale * scores - np.max(scale * scores))
    share /= share.sum()
    possible = [k for k in range(len(scores)) if is_sink[k] or allowed[k]]
    best = max(possible, key=lambda k: (scores[k], -k), default=None)
    if best is None or is_sink[best]:
        return IGNORE_ID, 0.0
    return best, share[best]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1.0, 30.0]))
def test_the_choice_of_a_class_is_the_slow_rule(seed, per_row, scale):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(20, 6)).astype(np.float32)
    is_sink = np.array([False] * 4 + [True] * 2)
    allowed = rng.random((20 if per_row else 1, 4)) < 0.4
    class_id, probability = choose_classes(scores, is_sink, allowed, scale)
    for row in range(20):
        expected, share = slow_choice(scores[row], is_sink, allowed[row if per_row else 0], scale)
        assert class_id[row] == expected
        assert float(probability[row]) == pytest.approx(share, abs=2e-3)


def test_rows_that_say_nothing_get_no_class():
    scores = np.array([[0, 0, 0], [np.nan, 1, 1], [np.inf, 0, 0], [0, 1, 0]], np.float32)
    class_id, probability = choose_classes(scores, np.zeros(3, bool), np.ones((1, 3), bool), 1.0)
    assert class_id.tolist() == [IGNORE_ID, IGNORE_ID, IGNORE_ID, 1]
    assert (probability[:3] == 0).all()


def test_the_surest_share_of_each_class_stays():
    class_id = np.array([0] * 10 + [1] * 4 + [IGNORE_ID, 2], np.uint8)
    probability = np.array([*np.linspace(0.1, 1.0, 10), 0.5, 0.5, 0.9, 0.5, 0.0, 0.1], np.float16)
    kept = keep_surest(class_id, probability, 0.3)
    assert np.flatnonzero(kept == 0).tolist() == [7, 8, 9]
    assert np.flatnonzero(kept == 1).tolist() == [12]
    assert np.flatnonzero(kept == 2).tolist() == [15]  # of a single point it stays
    assert (keep_surest(class_id, probability, 1.0) == class_id).all()


@pytest.mark.parametrize(("length", "given", "expected"), [(0.8, None, 20.0), (7.0, None, 1.0), (7.0, 40.0, 40.0)])
def test_the_scale_of_logits_is_1_only_for_features_longer_than_unit_rows(length, given, expected):
    feature = np.zeros((10, 4), np.float16)
    feature[:, 0] = length
    assert scale_of_logits(given, feature, 20.0) == expected


def test_superpoints_part_floor_from_wall_and_red_from_blue():
    grid = np.stack(np.meshgrid(np.arange(0, 2, 0.04), np.arange(0, 2, 0.04)), axis=-1).reshape(-1, 2)
    floor = np.concatenate([grid, np.zeros((len(grid), 1))], axis=1)
    wall = np.stack([grid[:, 0], np.full(len(grid), 2.0), 0.3 + grid[:, 1]], axis=1)
    xyz_m = np.concatenate([floor, wall, [[np.nan, 0, 0]]]).astype(np.float32)
    segment = superpoints(xyz_m, None, 0.05, 15.0, 0.1)
    assert segment[-1] == -1
    for part in (slice(0, len(grid)), slice(len(grid), -1)):
        assert np.bincount(segment[part]).max() > 0.9 * len(grid)
    assert segment[len(grid) // 2] != segment[len(grid) + len(grid) // 2]
    rgb = np.where(xyz_m[:, :1] < 1.0, [200, 0, 0], [0, 0, 200]).astype(np.uint8)
    coloured = superpoints(xyz_m[: len(grid)], rgb[: len(grid)], 0.05, 15.0, 0.1)
    is_red = rgb[: len(grid), 0] > 0
    assert not set(coloured[is_red]) & set(coloured[~is_red])
    assert len(superpoints(xyz_m[-1:], None, 0.05, 15.0, 0.1)) == 1


def test_a_superpoint_has_one_class_and_what_no_view_sees_stays_without(tmp_path):
    config = tiny_config(
        tmp_path,
        pseudo={"spread": "superpoint", "keep_fraction": 0.3, "superpoint_cell_m": 0.4, "superpoint_colour": 0.25},
    )
    write_tiny_features(config)
    labels, sample = labels_of(pseudo_label(config))[0], tiny_sample(0)
    segment = superpoints(sample.cloud.xyz_m, sample.cloud.extra["rgb"], 0.4, 15.0, 0.25)
    for one in np.unique(segment):
        assert len(set(labels.class_id[segment == one]) - {IGNORE_ID}) <= 1
    visible = tiny_features(sample).visible
    assert (labels.class_id[~visible] == IGNORE_ID).all()
    assert np.mean(labels.class_id[visible] != IGNORE_ID) > 0.3  # spread beyond the kept share


def test_labels_of_the_truth_are_the_true_classes_of_the_points_that_views_see(tmp_path):
    config = tiny_config(tmp_path, pseudo={"labels": "truth"})
    write_tiny_features(config)
    for number, labels in enumerate(labels_of(pseudo_label(config))):
        sample = tiny_sample(number)
        visible = tiny_features(sample).visible
        assert labels.class_id.tolist() == np.where(visible, sample.class_id, IGNORE_ID).tolist()
        assert labels.probability.tolist() == visible.tolist()


def test_what_is_there_is_not_made_anew_and_other_settings_are_refused(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    store = PseudoLabelStore(pseudo_label(config))
    mine = PseudoLabels(np.full(600, ROAD, np.uint8), np.ones(600, np.float16))
    store.write("scene/0000", mine)
    pseudo_label(config)
    assert (store.read("scene/0000").class_id == ROAD).all()
    with pytest.raises(BadLabels, match=r"some with another pseudo\.keep_fraction\. "):
        pseudo_label(tiny_config(tmp_path, pseudo={"keep_fraction": 0.3}))


def test_labels_of_a_version_that_did_not_have_some_keys_yet_are_gone_on_with(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    path = pseudo_label(config) / "settings.json"
    stored = json.loads(path.read_text())
    later = ("labels", "class_quantile", "segment_purity", "segment_fill")
    stored["pseudo"] = {key: value for key, value in stored["pseudo"].items() if key not in later}
    path.write_text(json.dumps(stored, indent=1, sort_keys=True))
    before = path.read_bytes()
    pseudo_label(config)
    assert path.read_bytes() == before  # by whose hash stage 2 knows the labels
    with pytest.raises(BadLabels, match=r"some with another pseudo\.class_quantile\. "):
        pseudo_label(tiny_config(tmp_path, pseudo={"class_quantile": 0.5}))


@pytest.mark.parametrize(("section", "later"), [("pseudo", "segment_fill"), ("self_training", "update")])
def test_labels_of_a_round_go_on_from_a_version_without_a_key(tmp_path, section, later):
    config, store = tiny_config("unused"), PseudoLabelStore(tmp_path)
    settings = {
        "self_training": config.self_training.model_dump(exclude={"rounds"}),
        "pseudo": config.pseudo.model_dump(),
    }
    before = {**settings, section: {key: value for key, value in settings[section].items() if key != later}}
    store.begin(before)
    store.write("scene", PseudoLabels(np.full(3, ROAD, np.uint8), np.ones(3, np.float16)))
    store.begin(settings)
    assert store.settings() == before
    with pytest.raises(BadLabels, match=rf"some with another {section}\.{later}\. "):
        store.begin({**settings, section: {**settings[section], later: "other"}})


def test_a_class_list_that_was_edited_is_noticed(tmp_path):
    lists = {tiny_sample(index).name: ["car"] for index in range(3)}
    config = tiny_config(tmp_path, pseudo=listed(tmp_path, lists))
    write_tiny_features(config)
    pseudo_label(config)
    listed(tmp_path, {**lists, "scene/0000": ["truck"]})
    with pytest.raises(BadLabels, match="some with another lists_sha256"):
        pseudo_label(config)


def test_a_wrong_class_in_any_list_is_named_before_a_label_is_made_and_hinders_no_second_start(tmp_path):
    lists = {tiny_sample(index).name: ["car"] for index in range(3)}
    wrong = tiny_config(tmp_path, pseudo=listed(tmp_path, {**lists, "scene/0002": ["car", "unicorn"]}))
    write_tiny_features(wrong)
    with pytest.raises(BadLabels, match=r"class list of scene/0002: .* found unicorn"):
        pseudo_label(wrong)
    assert not (tmp_path / "pseudo_labels").exists()


def test_settings_of_a_start_that_made_no_label_are_forgotten(tmp_path):
    lists = {tiny_sample(index).name: ["car"] for index in range(3)}
    config = tiny_config(tmp_path, pseudo=listed(tmp_path, {"another": ["car"]}))
    write_tiny_features(config)
    with pytest.raises(BadLabels, match="scene/0000: expected a list of its classes"):
        pseudo_label(config)
    assert len(labels_of(pseudo_label(tiny_config(tmp_path, pseudo=listed(tmp_path, lists))))) == 3


def test_features_of_an_image_model_that_was_changed_since_are_refused(tmp_path):
    config = tiny_config(tmp_path)
    store = FeatureStore(config.features_folder, {"model": {"kind": "older"}}, alias=configuration_alias(config))
    store.write("scene/0000", tiny_features(tiny_sample(0)))
    store.announce()
    with pytest.raises(BadTextTable, match="extract-features"):
        pseudo_label(config)


def test_a_folder_that_is_refused_keeps_its_words(tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("name: other\nclasses: [{name: truck}, {name: car}]\n")
    config = tiny_config(tmp_path)
    write_tiny_features(config)
    pseudo_label(config)
    before = read_run_text(config)
    with pytest.raises(BadLabels, match="words"):
        pseudo_label(tiny_config(tmp_path, vocabulary=str(words), pseudo={"lists": "none"}))
    assert read_run_text(config).prompts == before.prompts


def test_what_is_missing_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(BadDataset, match="extract-features"):
        pseudo_label(tiny_config(tmp_path))
    with pytest.raises(BadLabels, match="lidar-vl-train pseudo-label"):
        PseudoLabelStore(tmp_path / "nothing").scenes()


def test_lists_from_truth_need_the_classes_of_the_truth(tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("name: other\nclasses: [{name: car}, {name: sky, sink: true}]\n")
    config = tiny_config(tmp_path, vocabulary=str(words))
    write_tiny_features(config)
    with pytest.raises(BadConfig, match=r"pseudo\.lists_file"):
        pseudo_label(config)
    without = tiny_config(tmp_path, vocabulary=str(words), pseudo={"lists": "none"})
    for labels in labels_of(pseudo_label(without)):
        assert set(np.unique(labels.class_id)) <= {0, IGNORE_ID}  # what resembles the sky more is no car


def test_two_scenes_of_one_name_are_refused(tmp_path, monkeypatch):
    from offline_training.words.settings import training_samples

    config = tiny_config(tmp_path, train=[{"kind": "synthetic", "folder": "a"}, {"kind": "synthetic", "folder": "b"}])
    write_tiny_features(config)
    monkeypatch.setattr(training_samples, "open_source", lambda *_: TinyScenes(2))
    with pytest.raises(BadDataset, match="found this one twice"):
        pseudo_label(config)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "expected JSON"),
        ("[]", "expected"),
        ('{"scene/0000": "car"}', "expected"),
        ('{"scene/0000": {"front": "car"}}', "expected"),
        ('{"scene/0000": {"front": {"x": ["car"]}}}', "expected"),
        ('{"derived_from": "truth"}', "expected"),
    ],
)
def test_a_list_file_that_is_none_is_refused(tmp_path, content, told):
    path = tmp_path / "lists.json"
    path.write_text(content)
    with pytest.raises(BadLabels, match=told):
        read_class_lists(path)


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (None, "expected a list of its classes"),
        (["car", "unicorn"], "found unicorn"),
        ({"front": ["car"]}, "found none for back, left"),
        ({"front": ["car"], "back": [], "left": ["unicorn"]}, "view left"),
    ],
)
def test_lists_that_do_not_fit_a_scene_are_refused(listed, told):
    with pytest.raises(BadLabels, match=told):
        allowed_classes("scene/0000", listed, NAMES, tiny_features(tiny_sample(0)))


def test_points_of_one_superpixel_get_the_class_that_most_of_them_have(tmp_path):
    half_red = np.zeros((40, 60, 3), np.uint8)
    half_red[:, :30, 0], half_red[:, 30:, 2] = 220, 220
    camera = CameraModel(60, 40, np.array([[40.0, 0, 29.5], [0, 40.0, 19.5], [0, 0, 1]]))
    view = CameraView("front", camera, RigidTransform.identity(), 0, lambda: half_red)
    rng = np.random.default_rng(0)
    xyz_m = np.append(rng.uniform([-1.4, -0.9, 2.0], [1.4, 0.9, 2.01], (600, 3)), [[0, 0, -5]], axis=0).astype(
        np.float32
    )
    is_red = xyz_m[:, 0] < 0
    class_id = np.where(is_red, CAR, TRUCK).astype(np.uint8)
    class_id[rng.random(601) < 0.2] = ROAD
    class_id[-1] = ROAD  # behind the camera: it keeps its own
    sample = Sample("one", PointCloud(xyz_m, np.zeros(601, np.float32), 0, "room"), None, NUSCENES_16, (view,))
    config = tiny_config(
        tmp_path, pseudo={"spread": "superpixel", "superpixels": 2}, extract={"occlusion": "none", "border_px": 0}
    )
    found = segment_majority(sample, class_id, config, len(NAMES))
    clear = np.abs(xyz_m[:-1, 0]) > 0.2  # SLIC's edge lies within some pixels of the colours'
    assert (found[:-1] == np.where(is_red, CAR, TRUCK)[:-1])[clear].all()
    assert found[-1] == ROAD
