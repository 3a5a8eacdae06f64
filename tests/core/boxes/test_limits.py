"""Limits of boxes: those of a class stand in place of those for all, and what nobody says is left to the model."""

import pytest

from lidar_vl_core.boxes.limits import BoxLimits, BoxRules
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig

CLASSES = class_table("kitti3")
FIRST, SECOND, THIRD = CLASSES.names


def test_where_nothing_is_said_the_model_decides():
    assert BoxRules().min_scores(CLASSES) == BoxRules().max_ranges_m(CLASSES) == {}


def test_limits_of_a_class_stand_in_place_of_those_for_all():
    rules = BoxRules(BoxLimits(0.4, 60.0), {FIRST: BoxLimits(min_score=0.0), SECOND: BoxLimits(max_range_m=30.0)})
    assert rules.min_scores(CLASSES) == {FIRST: 0.0, SECOND: 0.4, THIRD: 0.4}
    assert rules.max_ranges_m(CLASSES) == {FIRST: 60.0, SECOND: 30.0, THIRD: 60.0}


def test_a_class_may_have_limits_alone_and_a_range_of_0_is_any():
    rules = BoxRules(BoxLimits(max_range_m=60.0), {FIRST: BoxLimits(0.5, 0.0)})
    assert rules.min_scores(CLASSES) == {FIRST: 0.5}
    assert rules.max_ranges_m(CLASSES) == {SECOND: 60.0, THIRD: 60.0}


def test_a_class_that_the_model_lacks_is_refused_with_those_it_has():
    rules = BoxRules(of_class={"lorry": BoxLimits()})
    with pytest.raises(BadConfig, match=f"classes: expected one of {', '.join(CLASSES.names)}, found 'lorry'"):
        rules.min_scores(CLASSES)
    with pytest.raises(BadConfig, match="Did you mean Cyclist"):
        BoxRules(of_class={"cyclist": BoxLimits()}).require_classes(CLASSES)
