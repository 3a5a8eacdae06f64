"""The engine that labels views on this machine."""

import numpy as np
import pytest

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadDataset, BadLabels, BadRequest
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.weak_labels.label_views import label_views
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.label_store import LabelStore
from tests.training.weak_labels.array_views import array_view, grey_picture, small_ontology


class Brightness:
    """A labeler that remembers what it was asked for: class 0 for dark pixels, 1 for bright ones."""

    ontology = small_ontology("dark", "bright")

    def __init__(self):
        self.batches = []

    def identity(self):
        return {"model": "brightness", "revision": 1}

    def label(self, images):
        self.batches.append(len(images))
        return [
            WeakLabels((image[..., 0] > 127).astype(np.uint8), image[..., 1], np.zeros(image.shape[:2], np.uint16))
            for image in images
        ]


def test_views_are_labelled_in_batches_and_counted(tmp_path):
    labeler, told = Brightness(), []
    store = LabelStore(tmp_path, labeler.identity(), labeler.ontology)
    views = [array_view(grey_picture(20 * k), f"camera{k}") for k in range(10)]
    report = label_views([*views, views[3]], labeler, store, batch_size=4, on_progress=lambda: told.append(1))
    assert (report.made, report.present, report.repeated, report.failed) == (10, 0, 1, [])
    assert labeler.batches == [4, 4, 2]
    assert report.class_pixels[:3].tolist() == [24 * 7, 24 * 3, 0]
    assert len(told) == 11
    again = label_views(views, labeler, store, batch_size=4)
    assert (again.made, again.present, len(labeler.batches)) == (0, 10, 3)
    assert (again.class_pixels == report.class_pixels).all()


def test_a_picture_that_cannot_be_read_is_told_and_the_others_are_labelled(tmp_path):
    def broken():
        raise BadDataset("00/07: expected a readable image, found none. Unpack the data set again.")

    camera = array_view(grey_picture(1)).camera
    still = RigidTransform(np.eye(3), np.zeros(3))
    views = [
        CameraView("left", camera, still, 5, broken, broken, "left/07.jpg"),
        CameraView("bytes only", camera, still, 5, broken, lambda: b"not decodable"),
        array_view(grey_picture(200), "other size", size=(9, 9)),
        array_view(grey_picture(10), "good"),
    ]
    labeler = Brightness()
    report = label_views(views, labeler, LabelStore(tmp_path, labeler.identity(), labeler.ontology))
    assert (report.made, len(report.failed)) == (1, 3)
    assert "camera left, left/07.jpg" in report.failed[0]
    assert "9x9" in report.failed[2]


def test_labels_of_another_size_and_ids_of_no_class_stop_the_run(tmp_path):
    class Wrong(Brightness):
        def __init__(self, class_id):
            super().__init__()
            self.class_id = class_id

        def label(self, images):
            shape = self.class_id.shape
            return [WeakLabels(self.class_id, np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)) for _ in images]

    for class_id, told in ((np.zeros((3, 3), np.uint8), "image's size"), (np.full((4, 6), 2, np.uint8), r"0\.\.1")):
        labeler = Wrong(class_id)
        with pytest.raises(BadLabels, match=told):
            label_views(
                [array_view(grey_picture(1))], labeler, LabelStore(tmp_path, labeler.identity(), labeler.ontology)
            )


def test_a_place_that_cannot_be_written_stops_the_run_at_once(tmp_path):
    (tmp_path / "taken").write_text("a file")
    labeler = Brightness()
    store = LabelStore(tmp_path / "taken" / "store", labeler.identity(), labeler.ontology)
    with pytest.raises(BadRequest, match="writable folder"):
        label_views([array_view(grey_picture(1))], labeler, store)
    assert labeler.batches == []
