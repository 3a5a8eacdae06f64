"""Damaged labels on disk are made anew, and told to who reads them."""

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadLabels, BadRequest
from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.pictures.id_picture import encode_ids
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.store.store_section import content_sha256
from tests.training.weak_labels.store.stored_labels import ONTOLOGY, SIZE, Dark, picture_view, written_store


def _replace(path, ids):
    path.write_bytes(encode_ids(ids))


DAMAGE = {
    "cut": ("class_id", lambda path: path.write_bytes(path.read_bytes()[:-9])),
    "empty": ("class_id", lambda path: path.write_bytes(b"")),
    "a text": ("class_id", lambda path: path.write_text("hello")),
    "a byte changed": ("class_id", lambda path: path.write_bytes(path.read_bytes()[:50] + b"\0" + path.read_bytes()[51:])),
    "another size": ("class_id", lambda path: _replace(path, np.zeros((6, 4), np.uint8))),
    "16 bits": ("class_id", lambda path: _replace(path, np.zeros(SIZE, np.uint16))),
    "written by another": ("class_id", lambda path: _replace(path, np.zeros(SIZE, np.uint8))),
    "score missing": ("score", lambda path: path.unlink()),
    "score cut": ("score", lambda path: path.write_bytes(path.read_bytes()[:-1])),
    "instances of 8 bits": ("instance_id", lambda path: _replace(path, np.zeros(SIZE, np.uint8))),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_entry_is_made_anew(case, tmp_path):
    layer, harm = DAMAGE[case]
    view, labeler = picture_view(), Dark()
    store = LabelStore(tmp_path, labeler.identity(), ONTOLOGY)
    label_views([view], labeler, store)
    (path,) = tmp_path.glob(f"labels-*/{layer}/*/*.png")
    whole = path.read_bytes()
    harm(path)
    assert not store.has(content_sha256(view), SIZE)
    assert label_views([view], labeler, store).made == 1
    assert path.read_bytes() == whole
    assert label_views([view], labeler, store).present == 1
    assert labeler.pictures == 2


@pytest.mark.parametrize("case", ["cut", "empty", "a text", "another size"])
def test_a_damaged_entry_is_told_to_who_reads_it(case, tmp_path):
    store = written_store(tmp_path)
    (path,) = tmp_path.glob("labels-*/class_id/*/*.png")
    DAMAGE[case][1](path)
    with pytest.raises(BadLabels, match="weak-label"):
        store.read_class_id(picture_view())


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"folder": 3}', b"\xff\xfe"])
def test_a_store_that_does_not_say_what_it_holds_is_told_as_such(content, tmp_path):
    written_store(tmp_path)
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(BadRequest, match="weak-label"):
        LabelStore(tmp_path).read_class_id(picture_view())
