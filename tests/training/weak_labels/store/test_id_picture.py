"""Ids as pictures: they survive, and any changed byte is seen."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from offline_training.weak_labels.pictures.id_picture import decode_ids, encode_ids, read_head


@settings(max_examples=40)
@given(ids=arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_ids_survive_their_picture_and_its_head_says_what_is_in_it(ids):
    colors = np.arange(768, dtype=np.uint8).reshape(256, 3) if ids.dtype == np.uint8 else None
    content = encode_ids(ids, colors, {"key": "value"})
    back, head = decode_ids(content, "x"), read_head(content)
    assert back.dtype == ids.dtype
    assert (back == ids).all()
    assert (head.shape, head.bits, head.text) == (ids.shape, 8 * ids.itemsize, {"key": "value"})


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255), cut=st.booleans())
def test_any_changed_byte_and_any_cut_is_seen_without_unpacking(place, flip, cut):
    content = bytearray(encode_ids(np.arange(200, dtype=np.uint8).reshape(10, 20)))
    place %= len(content)
    if cut:
        del content[place:]
    else:
        content[place] ^= flip
    assert read_head(bytes(content)) is None
