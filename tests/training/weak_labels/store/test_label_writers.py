"""Labels written again and again, by several writers at once, and by writers that are killed."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.store.label_store import LabelStore
from offline_training.weak_labels.store.store_section import content_sha256
from tests.bench.training.label_cache import make_pictures, run
from tests.training.weak_labels.store.stored_labels import ONTOLOGY, Dark, opened_store, picture_view, written_store


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
    views = [
        picture_view(b"one"),
        picture_view(b"two"),
        picture_view(b"one", name="other"),
        picture_view(b"two"),
        picture_view(b"one"),
    ]
    report = label_views(views, labeler, LabelStore(tmp_path, labeler.identity(), ONTOLOGY), batch_size=3)
    assert (labeler.pictures, report.made, report.repeated) == (2, 2, 3)
    assert report.class_pixels.sum() == 2 * 24


def test_strays_of_a_killed_writer_go_but_those_of_a_living_one_stay(tmp_path):
    first = written_store(tmp_path)
    folder = next(tmp_path.glob("labels-*/class_id/*"))
    stray = folder / ".abc.png.x1.tmp"
    stray.write_bytes(b"half")
    with first.writing():
        assert not stray.exists()
        stray.write_bytes(b"being written")
        with opened_store(tmp_path).writing():
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
    repository = Path(__file__).resolve().parents[4]
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
