"""One picture's matches, against a slow reading of the rules threshold by threshold."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.evaluation.detection.kitti_matching import Picture
from lidar_vl_core.evaluation.detection.kitti_rules import COUNTED, IGNORED, OTHER

MIN_OVERLAP = 0.5
THRESHOLDS = np.array([0.0, 0.25, 0.5, 1.0])


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Overlaps and scores of few values, so that ties come up; roles of all kinds."""
    found, truth = draw(st.integers(0, 6)), draw(st.integers(0, 5))

    def numbers(values: tuple, *shape: int) -> np.ndarray:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))).reshape(shape)

    return Picture.of(
        numbers((0.0, 0.5, 0.6, 0.7, 0.8), found, truth).astype(float),
        numbers((0.0, 0.25, 0.5, 1.0), found).astype(float),
        numbers((COUNTED, COUNTED, IGNORED, OTHER), found).astype(int),
        numbers((COUNTED, COUNTED, IGNORED, OTHER), truth).astype(int),
        numbers((False, False, True), found).astype(bool),
        numbers((0.0, 0.3, 1.0), found, truth).astype(float),
    )


def _slow_counts(picture: Picture, threshold: float) -> list[float]:
    left = [found for found in range(len(picture.score)) if picture.score[found] >= threshold]
    right = missed = 0
    similarity = 0.0
    for truth, role in enumerate(picture.truth_role):
        near = [found for found in left if picture.overlap[found, truth] > MIN_OVERLAP]
        counted = [found for found in near if picture.found_role[found] == COUNTED]
        if counted:
            highest = max(picture.overlap[found, truth] for found in counted)
            chosen = next(found for found in counted if picture.overlap[found, truth] == highest)
        elif near:
            chosen = near[0]
        else:
            missed += role == COUNTED
            continue
        left.remove(chosen)
        if role == COUNTED and counted:
            right += 1
            similarity += picture.similarity[chosen, truth]
    wrong = [found for found in left if picture.found_role[found] == COUNTED and not picture.excused[found]]
    return [right, len(wrong), missed, similarity]


@given(pictures())
def test_all_thresholds_at_once_count_as_one_after_the_other(picture: Picture) -> None:
    slow = [_slow_counts(picture, threshold) for threshold in THRESHOLDS]
    np.testing.assert_allclose(picture.counts(THRESHOLDS, MIN_OVERLAP), slow)


@given(pictures())
def test_at_most_as_many_are_right_as_count(picture: Picture) -> None:
    scores = picture.right_scores(MIN_OVERLAP)
    assert len(scores) <= min((picture.truth_role == COUNTED).sum(), (picture.found_role == COUNTED).sum())


def test_the_surest_prediction_sets_the_threshold_and_the_nearest_one_the_orientation() -> None:
    picture = Picture.of(
        overlap=np.array([[0.9], [0.6]]),
        score=np.array([0.2, 0.8]),
        found_role=np.full(2, COUNTED),
        truth_role=np.full(1, COUNTED),
        excused=np.zeros(2, bool),
        similarity=np.array([[1.0], [0.5]]),
    )
    assert picture.right_scores(MIN_OVERLAP) == [0.8]
    assert picture.counts(np.array([0.8, 0.1]), MIN_OVERLAP).tolist() == [[1, 0, 0, 0.5], [1, 1, 0, 1.0]]
