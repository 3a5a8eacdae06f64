"""A folder of modules as a list of the things they hold."""

import importlib
import sys

import pytest

from lidar_vl_core.foundation.folder_members import by_name, folder_members


@pytest.fixture
def folder(tmp_path, monkeypatch):
    package = tmp_path / "boxes_of_numbers"
    package.mkdir()
    for name, text in {"__init__": "", "second": "NUMBER = 2", "first": "NUMBER = 1", "none": "OTHER = 3"}.items():
        (package / f"{name}.py").write_text(text + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in [name for name in sys.modules if name.startswith("boxes_of_numbers")]:
        del sys.modules[name]


def test_members_come_in_the_order_of_their_files_and_modules_without_one_are_passed_over(folder):
    assert folder_members(importlib.import_module("boxes_of_numbers"), "NUMBER", int) == (1, 2)


def test_a_member_of_another_type_is_named(folder):
    (folder / "wrong.py").write_text("NUMBER = 'three'\n")
    with pytest.raises(TypeError, match=r"boxes_of_numbers\.wrong\.NUMBER: expected int, found str"):
        folder_members(importlib.import_module("boxes_of_numbers"), "NUMBER", int)


def test_two_members_of_one_name_are_refused_since_one_of_them_would_never_be_used():
    assert by_name((1, 22), lambda number: str(number)) == {"1": 1, "22": 22}
    with pytest.raises(TypeError, match="names of their own, found two of '1'"):
        by_name((1, 22, 1), lambda number: str(number))
