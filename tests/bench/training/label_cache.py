"""The label cache: how long a second run over 1,000 pictures takes when nothing is to be made. Run: python -m tests.bench.training.label_cache"""

import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.image import encode_jpeg
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample_files import read_picture_bytes, read_rgb
from offline_training.weak_labels.classes.ontology import Ontology, load_ontology
from offline_training.weak_labels.label_views import LabelReport, label_views
from offline_training.weak_labels.pictures.weak_labeler import WeakLabels
from offline_training.weak_labels.store.label_store import LabelStore

PICTURES = 1000
WIDTH, HEIGHT = 160, 90


class Brightest:
    """A labeler that costs nothing: the class is the brightness in sixteen steps."""

    def __init__(self) -> None:
        self.ontology: Ontology = load_ontology("nuscenes16")
        self.pictures = 0

    def identity(self) -> dict[str, Any]:
        """Nothing decides but the code."""
        return {"model": "brightest"}

    def label(self, images: Sequence[np.ndarray]) -> list[WeakLabels]:
        """See WeakLabeler."""
        self.pictures += len(images)
        return [WeakLabels(image[..., 0] >> 4, image[..., 1], image[..., 2].astype(np.uint16)) for image in images]


def measure() -> list[dict[str, Any]]:
    """Rows of {name, value, unit, target, passed}; wall clock of one run each."""
    with tempfile.TemporaryDirectory() as name:
        views = make_pictures(Path(name) / "pictures", PICTURES)
        first_s, first, _ = run(views, Path(name) / "labels")
        second_s, second, made = run(views, Path(name) / "labels")
    if first.made != PICTURES or second.present != PICTURES:
        raise RuntimeError(f"expected {PICTURES} pictures labelled once, found {first.made}, then {second.present}.")
    about = f"label cache, {PICTURES:,} pictures:"
    return [
        {"name": f"{about} first run", "value": round(first_s, 2), "unit": "s", "target": "", "passed": None},
        {
            "name": f"{about} second run",
            "value": round(second_s, 2),
            "unit": "s",
            "target": "< 2",
            "passed": second_s < 2.0,
        },
        {
            "name": f"{about} made anew in the second run",
            "value": made,
            "unit": "",
            "target": "0",
            "passed": made == 0 and second.made == 0,
        },
    ]


def make_pictures(folder: Path, count: int) -> list[CameraView]:
    """Views of `count` different JPEGs written under a folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    camera = CameraModel(WIDTH, HEIGHT, np.array([[100.0, 0, WIDTH / 2], [0, 100.0, HEIGHT / 2], [0, 0, 1]]))
    still = RigidTransform(np.eye(3), np.zeros(3))
    views = []
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        coarse = rng.integers(0, 256, (HEIGHT // 10, WIDTH // 10, 3), np.uint8)
        path.write_bytes(encode_jpeg(coarse.repeat(10, axis=0).repeat(10, axis=1)))
        load_rgb, read_bytes = partial(read_rgb, path, path.stem, camera), partial(read_picture_bytes, path, path.stem)
        views.append(CameraView("front", camera, still, number, load_rgb, read_bytes, path.name))
    return views


def run(views: Sequence[CameraView], folder: Path) -> tuple[float, LabelReport, int]:
    """Seconds of a run from an opened store on, its report, and how many pictures the labeler was shown."""
    labeler = Brightest()
    started = time.perf_counter()
    report = label_views(views, labeler, LabelStore(folder, labeler.identity(), labeler.ontology))
    return time.perf_counter() - started, report, labeler.pictures


if __name__ == "__main__":
    from tests.bench.report.table import print_table

    print_table(measure())
