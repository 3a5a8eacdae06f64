"""The list of faults and the page of their figures: every row has tests that exist, and nobody writes figures by hand."""

import ast
import json
import shutil
from pathlib import Path

from tests.faults.harness.amount import SHARE, amount
from tests.faults.harness.figures import Figures, gathered
from tests.faults.harness.page import FIGURES, PAGE, is_page_as_written, summary, table, write_page
from tests.faults.harness.rows import ROWS

_REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_rows_are_the_38_and_each_names_tests_that_there_are():
    assert [row.number for row in ROWS] == list(range(1, 39))
    for row in ROWS:
        for test in row.tests:
            path, _, name = test.partition("::")
            names = {
                node.name
                for node in ast.parse((_REPOSITORY / path).read_text()).body
                if isinstance(node, ast.FunctionDef)
            }
            assert not name or name in names, test


def test_the_page_has_the_figures_that_were_saved_and_no_others():
    assert is_page_as_written(_REPOSITORY / "docs")


def test_rows_that_were_not_run_again_keep_their_figures_on_the_page(tmp_path: Path):
    for name in (PAGE, FIGURES):
        shutil.copy(_REPOSITORY / "docs" / name, tmp_path)
    before = json.loads((tmp_path / FIGURES).read_text())
    again = before[1] | {"seconds": 98765}
    write_page([again], tmp_path)
    assert json.loads((tmp_path / FIGURES).read_text()) == [before[0], again, *before[2:]]
    assert "98765 s" in (tmp_path / PAGE).read_text()
    assert is_page_as_written(tmp_path)


def test_counts_are_added_up_and_of_measures_the_worst_is_told():
    told = []
    figures = Figures(lambda _, figure: told.append(figure))
    for value in (1, 2):
        figures.count("kills", 10 * value)
        figures.most("ms", value)
        figures.least("%", value)
    assert gathered(told) == {"kills": 30, "ms": 2, "%": 1}


def test_the_share_says_how_much_of_the_long_form_is_made_and_never_less_than_the_quick_one(monkeypatch):
    monkeypatch.delenv(SHARE, raising=False)
    assert amount(quick=5, long=1000) == 5
    for share, expected in (("1", 1000), ("0.1", 100), ("0.001", 5)):
        monkeypatch.setenv(SHARE, share)
        assert amount(quick=5, long=1000) == expected


def test_a_row_that_failed_is_told_as_such_and_the_line_says_no_zero():
    outcome = {"row": 31, "figures": {"cut bags": 1200}, "passed": 5, "failed": [], "seconds": 3}
    assert summary([outcome]) == "1,200 cut bags: 0 crashes, 0 wrong outputs accepted."
    failed = outcome | {"failed": ["tests/a.py::test_b"]}
    assert summary([failed]) == "1,200 cut bags: failed: rows 31."
    assert "| 5 passed, 1 FAILED |" in table([failed])
