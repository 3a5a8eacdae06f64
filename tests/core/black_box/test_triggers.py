"""What makes a black box record by itself, and what does not."""

import numpy as np
import pytest

from lidar_vl_core.black_box.flicker import FlickerMeter
from lidar_vl_core.black_box.novelty import Novelty
from lidar_vl_core.black_box.triggers import PointAnswer, TriggerLimits, Triggers
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.clouds.point_cloud import PointCloud

SWEEP_NS = 100_000_000
RNG = np.random.default_rng(0)
POINTS = 500


def cloud(number=0, far_m=20.0):
    xyz_m = (RNG.uniform(-1, 1, (POINTS, 3)) * far_m).astype(np.float32)
    return PointCloud(xyz_m, np.full(POINTS, 0.2, np.float32), (number + 1) * SWEEP_NS, "lidar")


def answer(probability=0.9, disagreement=None, class_id=None):
    class_id = np.arange(POINTS) % 4 if class_id is None else class_id
    return PointAnswer(class_id.astype(np.uint8), np.full(POINTS, probability, np.float32), 4, disagreement)


def cars(*x_m):
    return Boxes3d.of([[x, 0, 0, 4, 2, 1.5, 0] for x in x_m], np.zeros(len(x_m)))


def alarms(limits, answers):
    """Number of the cloud and reason of every alarm."""
    triggers = Triggers(limits)
    found = [(number, triggers.look(cloud(number), each, None)) for number, each in enumerate(answers)]
    return [(number, alarm.reason) for number, alarm in found if alarm is not None]


def test_low_confidence_must_last_and_is_told_once_until_it_was_gone():
    sure, unsure = answer(0.9), answer(0.3)
    limits = TriggerLimits(min_probability=0.5)
    assert alarms(limits, [sure, unsure, unsure, sure, unsure]) == []
    assert alarms(limits, [unsure] * 20) == [(2, "low_confidence")]
    again = [unsure] * 5 + [sure] * 3 + [unsure] * 5
    assert alarms(limits, again) == [(2, "low_confidence"), (10, "low_confidence")]
    assert alarms(limits, [unsure] * 5 + [sure] * 2 + [unsure] * 5) == [(2, "low_confidence")]


def test_a_cloud_without_answers_shows_no_low_confidence():
    nothing = answer(0.0, class_id=np.full(POINTS, 255))
    assert alarms(TriggerLimits(min_probability=0.5, max_novelty=5.0), [nothing] * 10) == []


def test_labels_that_disagree_with_the_pictures_are_told_with_the_share():
    limits = TriggerLimits(max_disagreement=0.5, clouds_in_a_row=1)
    alarm = Triggers(limits).look(cloud(), answer(disagreement=0.7), None)
    assert alarm is not None
    assert (alarm.reason, alarm.text) == (
        "disagreement",
        "share of points that network and images name differently: 0.70, above 0.5",
    )
    assert alarms(limits, [answer(disagreement=0.4), answer(disagreement=None)]) == []


def test_new_statistics_are_those_unlike_the_last_minute():
    limits = TriggerLimits(max_novelty=8.0)
    usual = [answer(class_id=(np.arange(POINTS) + RNG.integers(0, 4, POINTS)) % 4) for _ in range(120)]
    assert alarms(limits, usual) == []
    other = [answer(class_id=np.where(np.arange(POINTS) < 400, 3, 0))] * 4
    assert alarms(limits, usual + other) == [(122, "new_statistics")]


def test_nothing_is_new_before_the_usual_is_known():
    assert alarms(TriggerLimits(max_novelty=1.0), [answer(), answer(class_id=np.zeros(POINTS))] * 40) == []


def test_novelty_begins_anew_where_the_classes_change():
    novelty = Novelty()
    for _ in range(150):
        novelty.deviations(np.full(5, 0.5))
    assert novelty.deviations(np.full(5, 0.5)) == 0.0
    assert novelty.deviations(np.full(6, 0.9)) is None


def test_a_mean_learned_from_many_clouds_has_their_deviation():
    novelty, values = Novelty(), np.random.default_rng(1).normal(0.5, 0.1, (400, 1))
    for value in values:
        novelty.deviations(value)
    assert novelty.deviations(np.array([1.5])) == pytest.approx(10.0, rel=0.15)


def test_boxes_that_vanish_for_one_cloud_or_come_for_one_flicker():
    assert flickered([cars(0, 20, 40, 60)] * 3) == 0.0
    assert flickered([cars(0, 20, 40, 60), cars(20, 40, 60), cars(0, 20, 40, 60)]) == pytest.approx(1 / 4)
    assert flickered([cars(0, 20, 40), cars(0, 20, 40, 60), cars(0, 20, 40)]) == pytest.approx(1 / 4)


def test_boxes_that_move_come_or_go_do_not_flicker():
    assert flickered([cars(0, 20, 40), cars(2, 22, 42), cars(4, 24, 44)]) == 0.0
    assert flickered([cars(0, 20, 40), cars(20, 40), cars(20, 40)]) is None  # too few to tell
    assert flickered([cars(0, 20, 40, 60), cars(20, 40, 60), cars(20, 40, 60)]) == 0.0


def test_clouds_that_lie_apart_are_not_compared():
    meter = FlickerMeter()
    assert [meter.share(cars(0, 20, 40), number * 1_000_000_000) for number in range(5)] == [None] * 5


def test_flicker_leads_to_an_alarm():
    triggers = Triggers(TriggerLimits(max_flicker=0.5, clouds_in_a_row=2))
    told = [triggers.look(cloud(number), None, cars(0, 20, 40) if number % 2 else cars()) for number in range(6)]
    assert [alarm.reason for alarm in told if alarm is not None] == ["flicker"]


def test_limits_of_0_look_at_nothing():
    odd = answer(0.0, disagreement=1.0)
    assert alarms(TriggerLimits(clouds_in_a_row=1), [odd, answer(), odd]) == []


def flickered(clouds):
    meter = FlickerMeter()
    return [meter.share(boxes, number * SWEEP_NS) for number, boxes in enumerate(clouds)][-1]
