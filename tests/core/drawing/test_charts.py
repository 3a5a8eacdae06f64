"""Charts of the report: histogram, line, bar, table of confusions."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lidar_vl_core.drawing.charts import bar, confusion_table, histogram, line_per_frame
from tests.core.commands.report_page.page_check import check_page


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_every_value_stands_in_the_histogram(values) -> None:
    svg = histogram(values, {"p50": float(np.median(values))}, "ms")
    check_page(svg)
    counts = [int(text) for text in re.findall(r"<title>(\d+) from", svg)]
    assert sum(counts) == len(values)


def test_charts_of_nothing_are_nothing() -> None:
    assert histogram([], {}, "ms") == ""
    assert line_per_frame([], "x", 1.0) == ""
    assert line_per_frame([None, 1.0], "x", 1.0) == ""
    assert "width:100.0%" in bar(7.0, "red")


def test_the_confusion_table_leaves_out_classes_that_do_not_occur() -> None:
    counts = np.zeros((3, 4), int)
    counts[0] = (75, 0, 20, 5)
    html = confusion_table(counts.tolist(), ["car", "bus", "truck"], ["car", "bus", "truck", "no_answer"])
    check_page(html)
    assert html.count("<tr>") == 2
    assert "bus" not in html
    assert re.findall(r">(\d+)</td>", html) == ["75", "20", "5"]
