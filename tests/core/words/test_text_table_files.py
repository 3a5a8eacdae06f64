"""A text table is read back as it was written, and refused where its parts do not fit."""

import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.words.text_table import TextTable, label_embeddings
from lidar_vl_core.words.text_table_file import read_text_table, text_table_bytes, text_table_of_bytes, write_text_table
from lidar_vl_core.words.vocabulary_table import text_table
from tests.core.words.text_tables import tables, vocabulary_of

TABLE = text_table(vocabulary_of([2, 1, 1], sinks=1), np.eye(4), 10.0, "made up")


@pytest.mark.parametrize(
    "change",
    [
        {"names": ()},
        {"names": ("a", "a", "b")},
        {"prompts": ()},
        {"prompts": ("car", "Car", "tree", "sky")},
        {"prompts": ("car", " ", "tree", "sky")},
        {"class_of_prompt": np.array([0, 0, 1, 3])},
        {"class_of_prompt": np.array([0, 1, 0, 2])},
        {"class_of_prompt": np.array([0, 0, 1, 2], np.int32)},
        {"embeddings": np.eye(4)},
        {"embeddings": 2 * np.eye(4, dtype=np.float32)},
        {"embeddings": np.full((4, 4), np.nan, np.float32)},
        {"embeddings": np.zeros((4, 0), np.float32)},
        {"is_sink": np.array([True, False, False])},
        {"is_sink": np.array([True, True, True])},
        {"is_sink": np.array([0, 0, 1])},
        {"logit_scale": 0.0},
        {"logit_scale": np.nan},
        {"unknown_threshold": 1.5},
        {"unknown_threshold": np.nan},
        {"colors_rgb": np.zeros((2, 3), np.uint8)},
    ],
    ids=str,
)
def test_a_table_whose_parts_do_not_fit_is_refused(change):
    with pytest.raises(BadTextTable, match=r"expected .* found"):
        dataclasses.replace(TABLE, **change)


@pytest.mark.parametrize("shape", [(5, 3), (5, 5), (5,), (5, 4, 1)])
def test_embeddings_of_another_space_are_refused(shape):
    with pytest.raises(BadTextTable, match="Use the table of the network's own text space"):
        label_embeddings(np.ones(shape, np.float32), TABLE)
    with pytest.raises(BadTextTable, match="floats"):
        label_embeddings(np.ones((5, 4), np.int32), TABLE)


@given(tables())
def test_a_table_is_read_back_as_it_was_written(table):
    again = text_table_of_bytes(text_table_bytes(table), "memory")
    for field in dataclasses.fields(TextTable):
        assert np.array_equal(getattr(again, field.name), getattr(table, field.name)), field.name
    assert text_table_bytes(again) == text_table_bytes(table)


def test_a_table_file_that_is_none_is_refused(tmp_path):
    write_text_table(tmp_path / "text_table.npz", TABLE)
    assert read_text_table(tmp_path / "text_table.npz").prompts == TABLE.prompts
    whole = (tmp_path / "text_table.npz").read_bytes()
    pickled = io.BytesIO()
    np.savez(pickled, names=np.array(["a", None], object))
    for content in (b"", b"text", whole[:200], whole[:-5], pickled.getvalue()):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(BadTextTable, match=r"broken\.npz: expected"):
            read_text_table(tmp_path / "broken.npz")
    with pytest.raises(BadTextTable, match="No such file"):
        read_text_table(tmp_path / "absent.npz")
