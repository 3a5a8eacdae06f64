"""The pooled confusion matrix against plain counting and the two official evaluators' rules."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadLabels
from tests.recordings import recording

CLASSES = 5


@st.composite
def frames(draw: st.DrawFn) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames of (truth, prediction); often with classes that never occur, ignored points and missing answers."""
    ids = st.sampled_from([*draw(st.sets(st.integers(0, CLASSES - 1), min_size=1)), 255])
    pairs = draw(st.lists(st.lists(st.tuples(ids, ids), max_size=40), min_size=1, max_size=4))
    return [(np.array([t for t, _ in f], np.uint8), np.array([p for _, p in f], np.uint8)) for f in pairs]


def pooled(some_frames: list[tuple[np.ndarray, np.ndarray]]) -> ConfusionMatrix:
    matrix = ConfusionMatrix(CLASSES)
    for truth, prediction in some_frames:
        matrix.add(truth, prediction)
    return matrix


def counted_iou(some_frames: list[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """Point by point, class by class, from the definition."""
    points = [(t, p) for truth, prediction in some_frames for t, p in zip(truth, prediction, strict=True) if t != 255]
    result = []
    for k in range(CLASSES):
        both = sum(t == k and p == k for t, p in points)
        either = sum(t == k or p == k for t, p in points)
        result.append(both / either if either else float("nan"))
    return result


@given(frames())
def test_iou_equals_counting_point_by_point(some_frames):
    np.testing.assert_allclose(pooled(some_frames).iou(), counted_iou(some_frames), rtol=1e-12)


@given(frames())
def test_the_mean_over_true_classes_leaves_out_classes_without_true_points(some_frames):
    present = sorted({int(t) for truth, _ in some_frames for t in truth} - {255})
    expected = np.mean([counted_iou(some_frames)[k] for k in present]) if present else float("nan")
    np.testing.assert_allclose(pooled(some_frames).mean_iou(), expected)


@given(frames())
def test_means_follow_the_official_evaluators(some_frames):
    """nuScenes-lidarseg: ids 1..K, 0 ignored, IoU 0/0 = NaN, nanmean. SemanticKITTI: 0/(0 + 1e-15), mean over all."""
    official = np.zeros((CLASSES + 1, CLASSES + 1))  # [truth, prediction]
    for truth, prediction in some_frames:
        as_train_id = [(ids.astype(int) + 1) % 256 for ids in (truth, prediction)]
        np.add.at(official, tuple(as_train_id), 1)
    official[0] = 0  # ignored truth; a prediction of 0 on labelled points stays a miss, as in SemanticKITTI's evaluator
    intersection = np.diag(official)[1:]
    union = official.sum(axis=1)[1:] + official.sum(axis=0)[1:] - intersection
    with np.errstate(invalid="ignore"):
        per_class_nuscenes = intersection / union
    expected_nuscenes = np.nanmean(per_class_nuscenes) if (union > 0).any() else np.nan
    matrix = pooled(some_frames)
    np.testing.assert_allclose(matrix.mean_iou_nuscenes(), expected_nuscenes, atol=1e-6)
    if matrix.points == 0:  # theirs are 0 and 1 then, which would pass for figures
        assert np.isnan(matrix.mean_iou_all_classes())
        assert np.isnan(matrix.mean_iou_benchmark())
        return
    np.testing.assert_allclose(matrix.mean_iou_all_classes(), (intersection / (union + 1e-15)).mean(), atol=1e-6)
    of_class = np.where(union > 0, intersection / np.maximum(union, 1), 1.0)  # as SLidR's evaluation has it
    np.testing.assert_allclose(matrix.mean_iou_benchmark(), of_class.mean(), atol=1e-6)


def mean_iou_of_openscene(truth: np.ndarray, answer: np.ndarray, classes: int) -> float:
    """As its code: unanswered points get an extra class whose row and column are cut off; classes without truth count 0."""
    total = 0.0
    for k in range(classes):
        hits = misses = alarms = 0
        for true_id, given_id in zip(truth.tolist(), answer.tolist(), strict=True):
            if true_id == 255 or given_id == 255:
                continue
            hits += true_id == given_id == k
            misses += true_id == k != given_id
            alarms += given_id == k != true_id
        total += hits / (hits + misses + alarms) if hits + misses + alarms else 0.0
    return total / classes


def test_the_two_rules_for_unanswered_points_are_told_apart_on_random_input():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, CLASSES, 3000).astype(np.uint8)
    answer = np.where(rng.random(3000) < 0.6, truth, rng.integers(0, CLASSES, 3000)).astype(np.uint8)
    whole = pooled([(truth, answer)])
    answer[rng.random(3000) < 0.2] = 255  # what no camera sees
    truth[::50] = 255
    matrix = pooled([(truth, answer)])
    assert matrix.mean_iou_openscene() == pytest.approx(mean_iou_of_openscene(truth, answer, CLASSES))
    assert matrix.mean_iou() < 0.9 * matrix.mean_iou_openscene()
    assert whole.mean_iou_openscene() == pytest.approx(whole.mean_iou())  # all seen: one rule
    found = [np.mean(answer[truth == k] == k) for k in range(CLASSES)]
    np.testing.assert_allclose(matrix.recall(), found)  # of accuracy they stay a part


@given(frames())
def test_openscenes_mean_iou_equals_its_slow_definition(some_frames):
    matrix = pooled(some_frames)
    if matrix.points == 0:
        assert np.isnan(matrix.mean_iou_openscene())
        return
    truth, answer = (np.concatenate(parts) for parts in zip(*some_frames, strict=True))
    assert matrix.mean_iou_openscene() == pytest.approx(mean_iou_of_openscene(truth, answer, CLASSES))


@given(frames(), st.randoms())
def test_the_order_of_frames_and_how_points_are_split_into_them_do_not_matter(some_frames, random):
    shuffled = list(some_frames)
    random.shuffle(shuffled)
    in_one = [tuple(np.concatenate(parts) for parts in zip(*some_frames, strict=True))]
    assert (pooled(some_frames).counts == pooled(shuffled).counts).all()
    assert (pooled(some_frames).counts == pooled(in_one).counts).all()


@given(frames())
def test_merging_equals_adding_all_frames_to_one(some_frames):
    whole = ConfusionMatrix(CLASSES)
    for frame in some_frames:
        whole.merge(pooled([frame]))
    assert (whole.counts == pooled(some_frames).counts).all()


@given(frames())
def test_without_missing_answers_iou_is_symmetric(some_frames):
    answered = [(t[(t != 255) & (p != 255)], p[(t != 255) & (p != 255)]) for t, p in some_frames]
    exchanged = [(p, t) for t, p in answered]
    np.testing.assert_allclose(pooled(answered).iou(), pooled(exchanged).iou())


def test_a_prediction_equal_to_the_truth_scores_one():
    truth = np.array([0, 1, 1, 3, 255], np.uint8)
    matrix = pooled([(truth, truth)])
    assert (matrix.mean_iou(), matrix.accuracy(), matrix.mean_iou_nuscenes()) == (1.0, 1.0, 1.0)
    assert matrix.mean_iou_all_classes() == 3 / 5
    assert matrix.mean_iou_benchmark() == 1.0
    assert np.isnan(matrix.iou()[[2, 4]]).all()


def test_no_answer_is_a_miss_and_nobodys_false_alarm():
    matrix = pooled([(np.array([0, 0, 1], np.uint8), np.array([0, 255, 1], np.uint8))])
    assert matrix.iou()[:2].tolist() == [0.5, 1.0]
    assert matrix.recall()[0] == 0.5
    assert matrix.precision()[0] == 1.0
    assert matrix.accuracy() == pytest.approx(2 / 3)


def test_pooling_is_not_the_mean_over_frames():
    first = (np.array([0] * 100, np.uint8), np.array([0] * 100, np.uint8))
    second = (np.array([0, 1], np.uint8), np.array([1, 1], np.uint8))
    assert pooled([first, second]).iou()[0] == pytest.approx(100 / 101)


def test_no_points_give_no_number_instead_of_a_wrong_one():
    matrix = pooled([(np.empty(0, np.uint8), np.empty(0, np.uint8))])
    assert np.isnan([matrix.mean_iou(), matrix.mean_iou_nuscenes(), matrix.accuracy()]).all()
    content = matrix.to_dict(["a", "b", "c", "d", "e"])
    assert content["mean_iou"] is None
    assert json.loads(json.dumps(content, allow_nan=False)) == content


@pytest.mark.parametrize(
    ("case", "truth", "prediction", "message"),
    [
        ("lengths", [0, 1], [0], "one prediction per true label"),
        ("truth beyond the table", [5], [0], "truth"),
        ("prediction beyond the table", [0], [7], "prediction"),
        ("negative", [0], [-1], "prediction"),
    ],
)
def test_wrong_labels_are_refused_and_nothing_is_counted(case, truth, prediction, message):
    matrix = ConfusionMatrix(CLASSES)
    with pytest.raises(BadLabels, match=message):
        matrix.add(np.array(truth, np.int64), np.array(prediction, np.int64))
    assert matrix.points == 0


def test_floats_are_no_class_ids_and_names_must_fit():
    with pytest.raises(BadLabels, match="integer"):
        ConfusionMatrix(CLASSES).add(np.zeros(2), np.zeros(2))
    with pytest.raises(BadLabels, match="5 class names"):
        ConfusionMatrix(CLASSES).to_dict(["a"])


def test_scans_judged_against_their_shifted_selves(test_data):
    """Labelled range images one column off: wide roads hardly notice, poles do."""
    paths = sorted(recording(test_data, "rangeimage_labelled/nuscenes_*").glob("*.npz"))
    names = ("road", "sidewalk", "building", "pole", "vegetation", "person", "two-wheeler", "car", "truck", "bus")
    matrix, frame_means = ConfusionMatrix(10), []
    for path in paths:
        label = np.load(path)["label"]
        class_id = np.where(label == 10, 255, label)  # 10: none
        own = ConfusionMatrix(10)
        own.add(class_id, np.roll(class_id, 1, axis=1))
        matrix.merge(own)
        frame_means.append(own.mean_iou())
    iou = matrix.to_dict(names)["per_class_iou"]
    assert iou["road"] > 0.7 > 0.5 > iou["pole"]
    assert matrix.points == sum((np.load(path)["label"] != 10).sum() for path in paths)
    assert matrix.mean_iou() != pytest.approx(np.mean(frame_means), abs=1e-3)  # pooled, as the benchmarks do
