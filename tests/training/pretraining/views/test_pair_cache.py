"""Kept paired scans: the same arrays again, made anew when damaged, bounded."""

import pickle
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from offline_training.pretraining.views.pair_cache import PairCache
from offline_training.pretraining.views.paired_scan import PairedScan


def scan(seed: int = 0, sizes=((6, 8), (3, 5))) -> PairedScan:
    rng = np.random.default_rng(seed)
    return PairedScan(
        xyz_m=rng.normal(size=(20, 3)).astype(np.float32),
        intensity=rng.random(20, np.float32),
        images=tuple(rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes),
        superpixels=tuple(rng.integers(-1, 9, size, np.int32) for size in sizes),
        point_index=rng.integers(0, 20, 30),
        image_index=rng.integers(0, 2, 30),
        pixel_uv=rng.integers(0, 3, (30, 2), np.int32),
        weak_class=rng.integers(0, 256, 30, np.uint8),
        class_id=rng.integers(0, 256, 20, np.uint8),
        segment=rng.integers(-1, 5, 20, np.int32),
    )


def never() -> PairedScan:
    raise AssertionError("made again")


def require_equal(one: PairedScan, other: PairedScan) -> None:
    for field in fields(PairedScan):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert (a is None) == (b is None)
        if isinstance(a, tuple):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                assert_array_equal(x, y, strict=True)
        elif a is not None:
            assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize(
    "made",
    [
        scan(),
        replace(scan(), superpixels=None, class_id=None, segment=None),
        replace(scan(sizes=()), superpixels=None),
        replace(scan(sizes=()), superpixels=()),
        scan().take_points(np.zeros(20, bool)),
        scan(sizes=((4, 5),) * 11),
    ],
)
def test_a_kept_scan_comes_back_as_it_was(tmp_path, made):
    cache = PairCache(tmp_path, {"width": 480})
    assert cache.scan("a/00", lambda: made) is made
    require_equal(pickle.loads(pickle.dumps(cache)).scan("a/00", never), made)


def test_other_keys_and_other_identities_are_other_scans(tmp_path):
    first, second = scan(1), scan(2)
    cache = PairCache(tmp_path, {"labels": {"model": "a"}})
    cache.scan("a/00", lambda: first)
    require_equal(cache.scan("a/01", lambda: second), second)
    require_equal(PairCache(tmp_path, {"labels": {"model": "b"}}).scan("a/00", lambda: second), second)
    require_equal(cache.scan("a/00", never), first)


def test_a_damaged_file_is_made_anew(tmp_path):
    cache = PairCache(tmp_path, {})
    cache.scan("a", scan)
    path = next(tmp_path.glob("*/*.npz"))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(scan().intensity.tobytes())] ^= 0xFF
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:-30], bytes(flipped)):
        path.write_bytes(content)
        require_equal(cache.scan("a", lambda: scan(3)), scan(3))
        require_equal(cache.scan("a", never), scan(3))
        path.write_bytes(whole)


def test_a_full_folder_takes_no_more_and_keeps_what_it_has(tmp_path):
    cache = PairCache(tmp_path, {}, max_bytes=6000)
    for key in "abcdefgh":
        cache.scan(key, scan)
    held = list(tmp_path.glob("*/*.npz"))
    assert 1 <= len(held) < 8
    assert sum(path.stat().st_size for path in held) < 6000 + 4000
    cache.scan("a", never)
    with pytest.raises(AssertionError):
        cache.scan("h", never)
