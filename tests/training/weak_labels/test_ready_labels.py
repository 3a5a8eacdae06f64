"""Weak labels that lie ready as PNGs."""

import numpy as np
import pytest
from PIL import Image

from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadConfig, BadDataset
from offline_training.weak_labels.classes.class_values import class_values
from offline_training.weak_labels.classes.ontology import load_ontology
from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.labelers.precomputed import PrecomputedLabels
from offline_training.weak_labels.pictures.picture_path import PicturePath
from offline_training.weak_labels.store.label_store import LabelStore
from tests.training.weak_labels.array_views import array_view, grey_picture

NUSCENES_16 = class_table("nuscenes16")


def test_a_template_is_filled_from_the_view(tmp_path):
    view = array_view(
        np.zeros((2, 2, 3), np.uint8), "CAM_FRONT", 1_532_402_927_612_460_000, "samples/CAM_FRONT/n015__x.1.jpg"
    )
    for template, expected in {
        "{file}.png": "samples/CAM_FRONT/n015__x.1.png",
        "{stem}.png": "n015__x.1.png",
        "{folder}/masks/{stem}": "samples/CAM_FRONT/masks/n015__x.1",
        "{camera}/{stamp_us}.png": "CAM_FRONT/1532402927612460.png",
        "{stamp_ns}.png": "1532402927612460000.png",
    }.items():
        assert PicturePath(tmp_path, template).of(view) == tmp_path / expected


def test_templates_that_cannot_be_filled_are_refused(tmp_path):
    for template in ("labels.png", "{frame}.png", "{file", "{0}.png"):
        with pytest.raises(BadConfig, match="template"):
            PicturePath(tmp_path, template)
    with pytest.raises(BadDataset, match="expected a folder"):
        PicturePath(tmp_path / "absent", "{file}.png")
    with pytest.raises(BadDataset, match="recording"):
        PicturePath(tmp_path, "{file}.png").of(array_view(np.zeros((2, 2, 3), np.uint8)))


def _ready(folder, ignored=()):
    values = class_values(load_ontology("cityscapes"), load_ontology("nuscenes16"), ignored)
    return PrecomputedLabels(PicturePath(folder, "{camera}.png"), values, load_ontology("nuscenes16"))


READY_FAULTS = {
    "missing": (None, "template"),
    "a text": (b"hello", "intact PNG"),
    "another size": (np.zeros((5, 4), np.uint8), "4x5"),
    "a value of no class": (np.full((4, 6), 77, np.uint8), "77"),
    "colours": (np.zeros((4, 6, 3), np.uint8), "mode RGB"),
    "16 bits": (np.zeros((4, 6), np.uint16), "8-bit"),
}


@pytest.mark.parametrize("case", READY_FAULTS)
def test_a_ready_label_with_a_fault_is_one_failure_and_the_others_go_on(case, tmp_path):
    content, told = READY_FAULTS[case]
    rgb = np.zeros((4, 6, 3), np.uint8)
    Image.fromarray(np.full((4, 6), 13, np.uint8)).save(tmp_path / "good.png")
    if isinstance(content, bytes):
        (tmp_path / "bad.png").write_bytes(content)
    elif content is not None:
        Image.fromarray(content).save(tmp_path / "bad.png")
    reader = _ready(tmp_path)
    store = LabelStore(tmp_path / "store", reader.identity(), reader.ontology)
    report = label_views([array_view(rgb + 1, "bad"), array_view(rgb, "good")], reader, store)
    assert (report.made, len(report.failed)) == (1, 1)
    assert told in report.failed[0]
    assert "camera bad" in report.failed[0]
    assert set(store.read_class_id(array_view(rgb, "good")).ravel().tolist()) == {NUSCENES_16.id_of("car")}


def test_a_ready_label_that_changed_is_taken_over_anew(tmp_path):
    view, reader = array_view(np.zeros((4, 6, 3), np.uint8), "front"), _ready(tmp_path)
    store = LabelStore(tmp_path / "store", reader.identity(), reader.ontology)
    for value, made in ((13, 1), (13, 0), (0, 1)):
        Image.fromarray(np.full((4, 6), value, np.uint8)).save(tmp_path / "front.png")
        assert label_views([view], reader, store).made == made
    assert store.read_class_id(view)[0, 0] == NUSCENES_16.id_of("driveable_surface")


def test_uncovered_pixels_become_class_0_when_asked_as_in_the_original(tmp_path):
    view, reader = array_view(grey_picture(7), "front"), _ready(tmp_path)
    Image.fromarray(np.array([[10] * 6, [13] * 6] * 2, np.uint8)).save(tmp_path / "front.png")
    for uncovered in (255, 0):
        store = LabelStore(tmp_path / "store", reader.identity(), reader.ontology, uncovered=uncovered)
        assert label_views([view], reader, store).class_pixels[[uncovered, 3]].tolist() == [12, 12]
        assert LabelStore(tmp_path / "store").read_class_id(view)[:2, 0].tolist() == [uncovered, 3]
