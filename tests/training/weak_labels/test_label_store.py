"""Labels on disk: found by content, whole or made anew, safe against kills and other writers."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import stored_bytes
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadImage, BadLabels, BadRequest
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.weak_labels.classes.ontology import Ontology
from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.pictures.id_picture import decode_ids, encode_ids, read_head
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.label_store import NO_SEGMENT, LabelStore
from offline_training.weak_labels.store.store_section import content_sha256
from tests.bench.training.label_cache import make_pictures, run

SIZE = (4, 6)
ONTOLOGY = validated(
    Ontology,
    {
        "name": "two",
        "classes": [{"name": n, "color_rgb": [1, 2, 3], "prompts": [n]} for n in ("dark", "bright")],
    },
    "test",
)
IDENTITY = {"model": "m", "revision": "1", "thresholds": [0.25]}


def _view(content=b"picture", size=SIZE, name="front"):
    camera = CameraModel(size[1], size[0], np.array([[50.0, 0, 3], [0, 50.0, 2], [0, 0, 1]]))
    still = RigidTransform(np.eye(3), np.zeros(3))
    return CameraView(name, camera, still, 0, lambda: np.zeros((*size, 3), np.uint8), lambda: content, f"{name}.jpg")


def _labels(value=1, size=SIZE):
    return WeakLabels(np.full(size, value, np.uint8), np.full(size, 200, np.uint8), np.full(size, 300, np.uint16))


def _store(folder, **changes):
    return LabelStore(folder, {**IDENTITY, **changes}, ONTOLOGY)


def _written(folder, view=None):
    view, store = view or _view(), _store(folder)
    with store.writing():
        store.write(content_sha256(view), _labels())
    return store


class Dark:
    """A labeler that counts what it was shown."""

    ontology = ONTOLOGY

    def __init__(self):
        self.pictures = 0

    def identity(self):
        return IDENTITY

    def label(self, images):
        self.pictures += len(images)
        return [_labels(0, image.shape[:2]) for image in images]


# --- what is written comes back


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


def test_labels_come_back_by_the_picture_alone(tmp_path):
    _written(tmp_path, _view(name="front"))
    same_picture = _view(name="somewhere else")
    store = LabelStore(tmp_path)
    labels = store.read(same_picture)
    assert (labels.class_id == 1).all()
    assert (labels.score == 200).all()
    assert (labels.instance_id == 300).all()
    assert store.class_names == ("dark", "bright")
    assert store.identity["revision"] == "1"


def test_label_pictures_show_the_classes_in_their_colours(tmp_path):
    _written(tmp_path)
    (path,) = tmp_path.glob("labels-*/class_id/*/*.png")
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert picture.convert("RGB").getpixel((0, 0)) == (1, 2, 3)


def test_superpixels_live_beside_labels_and_either_can_be_alone(tmp_path):
    view, segments = _view(), np.arange(24, dtype=np.uint16).reshape(SIZE)
    segments[0, 0] = NO_SEGMENT
    store = LabelStore(tmp_path, superpixel_identity={"model": "slic"})
    with store.writing():
        store.write_superpixels(content_sha256(view), segments)
    assert (LabelStore(tmp_path).read_superpixels(view) == segments).all()
    with pytest.raises(BadRequest, match="expected labels"):
        LabelStore(tmp_path).read_class_id(view)
    _written(tmp_path)
    assert (LabelStore(tmp_path).read_superpixels(view) == segments).all()
    assert (LabelStore(tmp_path).read_class_id(view) == 1).all()


def test_a_picture_without_labels_is_told_with_the_command_that_makes_them(tmp_path):
    with pytest.raises(BadRequest, match="lidar-vl-train weak-label"):
        LabelStore(tmp_path).read_class_id(_view())
    _written(tmp_path)
    with pytest.raises(BadLabels, match=r"camera left \(left.jpg\).*lidar-vl-train weak-label"):
        LabelStore(tmp_path).read_class_id(_view(b"another", name="left"))
    with pytest.raises(BadRequest, match="superpixels"):
        LabelStore(tmp_path).read_superpixels(_view())


def test_other_prompts_or_thresholds_leave_the_first_labels_untouched(tmp_path):
    view = _view()
    _written(tmp_path)
    other = _store(tmp_path, thresholds=[0.3])
    assert not other.has(content_sha256(view), SIZE)
    with other.writing():
        pass
    with pytest.raises(BadLabels):
        LabelStore(tmp_path).read_class_id(view)  # what was asked for last has no such label yet
    back = _store(tmp_path)
    assert back.has(content_sha256(view), SIZE)
    with back.writing():
        pass
    assert (LabelStore(tmp_path).read_class_id(view) == 1).all()


def test_ids_of_no_class_are_refused_when_written_and_when_read(tmp_path):
    store = _written(tmp_path)
    with pytest.raises(BadLabels, match=r"0\.\.1"):
        store.write("ab" * 32, _labels(2))
    (path,) = tmp_path.glob("labels-*/class_id/*/*.png")
    path.write_bytes(encode_ids(np.full(SIZE, 7, np.uint8)))
    with pytest.raises(BadLabels, match="found 7"):
        store.read_class_id(_view())


# --- whose content it is


def test_pictures_are_known_by_their_bytes_else_by_their_pixels():
    assert content_sha256(_view(b"a")) == content_sha256(_view(b"a", name="b")) != content_sha256(_view(b"c"))
    pixels = [
        CameraView("x", _view().camera, _view().T_cam_lidar, 0, lambda k=k: np.full((4, 6, 3), k, np.uint8))
        for k in (1, 1, 2)
    ]
    first, same, other = map(content_sha256, pixels)
    assert first == same != other


def test_a_message_is_known_by_its_picture_whenever_it_was_sent():
    def image(**changes):
        layout = {
            "encoding": "rgb8",
            "width": 2,
            "height": 1,
            "step": 6,
            "is_bigendian": 0,
            "data": np.arange(6, dtype=np.uint8),
        }
        return SimpleNamespace(**{**layout, **changes})

    first = stored_bytes(image(header="stamp 1"))
    assert stored_bytes(image(header="stamp 2")) == first
    for other in (image(encoding="bgr8"), image(width=1, height=2, step=3), image(data=np.zeros(6, np.uint8))):
        assert stored_bytes(other) != first
    jpeg = SimpleNamespace(format="jpeg", data=b"\xff\xd8\xff rest")
    assert stored_bytes(jpeg) == b"\xff\xd8\xff rest"
    with pytest.raises(BadImage):
        stored_bytes(SimpleNamespace(format="jpeg", data=None))


# --- damage


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
    view, labeler = _view(), Dark()
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
    store = _written(tmp_path)
    (path,) = tmp_path.glob("labels-*/class_id/*/*.png")
    DAMAGE[case][1](path)
    with pytest.raises(BadLabels, match="weak-label"):
        store.read_class_id(_view())


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"folder": 3}', b"\xff\xfe"])
def test_a_store_that_does_not_say_what_it_holds_is_told_as_such(content, tmp_path):
    _written(tmp_path)
    (tmp_path / "labels.json").write_bytes(content)
    with pytest.raises(BadRequest, match="weak-label"):
        LabelStore(tmp_path).read_class_id(_view())


# --- again and again, at once, and killed


def test_a_second_run_makes_nothing_and_is_quick(tmp_path):
    views = make_pictures(tmp_path / "pictures", 100)
    _, first, shown = run(views, tmp_path / "labels")
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("labels/labels-*/*/*/*.png")}
    seconds, second, shown_again = run(views, tmp_path / "labels")
    assert (first.made, shown, second.made, second.present, shown_again) == (100, 100, 0, 100, 0)
    assert len(stamps) == 300
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert seconds < 5.0  # tests.bench.training.label_cache holds 1,000 pictures to 2 s on a quiet machine


def test_the_same_picture_twice_is_labelled_once(tmp_path):
    labeler = Dark()
    views = [_view(b"one"), _view(b"two"), _view(b"one", name="other"), _view(b"two"), _view(b"one")]
    report = label_views(views, labeler, LabelStore(tmp_path, labeler.identity(), ONTOLOGY), batch_size=3)
    assert (labeler.pictures, report.made, report.repeated) == (2, 2, 3)
    assert report.class_pixels.sum() == 2 * 24


def test_strays_of_a_killed_writer_go_but_those_of_a_living_one_stay(tmp_path):
    first = _written(tmp_path)
    folder = next(tmp_path.glob("labels-*/class_id/*"))
    stray = folder / ".abc.png.x1.tmp"
    stray.write_bytes(b"half")
    with first.writing():
        assert not stray.exists()
        stray.write_bytes(b"being written")
        with _store(tmp_path).writing():
            assert stray.exists()
    with first.writing():
        assert not stray.exists()


_RUN = """
    import sys, time
    from pathlib import Path
    from tests.bench.training import label_cache as bench

    class Slow(bench.Brightest):
        def label(self, images):
            time.sleep(0.02)
            return super().label(images)

    def work(folder, count):
        views = bench.make_pictures(Path(folder) / f"pictures{sys.argv[3]}", count)
        labeler = Slow()
        store = bench.LabelStore(Path(folder) / "labels", labeler.identity(), labeler.ontology)
        print("ready", flush=True)
        report = bench.label_views(views, labeler, store, batch_size=1)
        print(report.made, report.present, report.failed, flush=True)

    work(sys.argv[1], int(sys.argv[2]))
"""


def _start(folder, count, number):
    repository = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", textwrap.dedent(_RUN), str(folder), str(count), str(number)]
    return subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)


def _entries(folder):
    return {path.name: path.read_bytes() for path in folder.glob("labels/labels-*/class_id/*/*.png")}


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    process = _start(tmp_path, 60, 0)
    assert process.stdout.readline() == "ready\n"
    while len(_entries(tmp_path)) < 5:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = len(_entries(tmp_path))
    assert 5 <= done < 60
    views = make_pictures(tmp_path / "again", 60)
    _, report, shown = run(views, tmp_path / "labels")
    assert report.made == shown <= 60 - done + 1  # + 1: class_id is whole, but was it seen so before the kill
    assert report.present >= done - 1
    assert len(_entries(tmp_path)) == 60
    assert not list((tmp_path / "labels").rglob("*.tmp"))


def test_two_processes_at_once_make_the_same_labels_as_one(tmp_path):
    both = [_start(tmp_path / "both", 40, number) for number in (1, 2)]
    answers = [process.communicate()[0].splitlines()[-1].split(" ", 2) for process in both]
    assert all(process.returncode == 0 for process in both)
    assert all(int(made) + int(present) == 40 and failed == "[]" for made, present, failed in answers)
    run(make_pictures(tmp_path / "pictures", 40), tmp_path / "alone" / "labels")
    assert _entries(tmp_path / "both") == _entries(tmp_path / "alone")
    assert len(_entries(tmp_path / "both")) == 40
    assert json.loads((tmp_path / "both/labels/labels.json").read_text())["folder"].startswith("labels-")


def test_views_of_files_can_go_to_other_processes(tmp_path):
    views = make_pictures(tmp_path / "pictures", 2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(content_sha256, views) == [content_sha256(view) for view in views]
