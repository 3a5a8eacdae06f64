"""The front door for Python programs: a model by name, a cloud in, a class for each point or boxes out."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.cloud_files import read_cloud, write_labelled_cloud
from lidar_vl_core.clouds.from_arrays import cloud_from_arrays
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.clouds.sweep_statistics import frame_doubts
from lidar_vl_core.drawing.figures import labelled_png
from lidar_vl_core.foundation.errors import BadModelPackage, BadPointCloud
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.tasks.detector import Detector
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class LabelledCloud:
    """A cloud with a class for each of its points, in their order."""

    cloud: PointCloud
    class_id: np.ndarray  # (N,) uint8 in `classes`; 255 = no answer
    probability: np.ndarray  # (N,) float32, 0..1; 0 where there is no answer
    classes: ClassTable

    def __len__(self) -> int:
        return len(self.class_id)

    @property
    def class_name(self) -> np.ndarray:
        """(N,) names, "" where there is no answer."""
        names = np.full(IGNORE_ID + 1, "", dtype=np.asarray(self.classes.names).dtype)
        names[: len(self.classes)] = self.classes.names
        return names[self.class_id]

    @property
    def rgb(self) -> np.ndarray:
        """(N, 3) uint8 colour of each point's class, black where there is no answer."""
        return self.classes.colorize(self.class_id)

    def points_of(self, class_name: str) -> np.ndarray:
        """(N,) bool, true for the points of a class. Raises BadLabels for a name that the model does not know."""
        return self.class_id == self.classes.id_of(class_name)

    def counts(self) -> dict[str, int]:
        """Points of each class that occurs, most first."""
        found = np.bincount(self.class_id, minlength=IGNORE_ID + 1)[: len(self.classes)]
        return {self.classes.names[k]: int(found[k]) for k in np.argsort(-found, kind="stable") if found[k]}

    def save(self, path: Path | str) -> None:
        """Write points and labels as .npz, .pcd, .ply or .label, or an image from above as .png. Raises BadRequest."""
        if Path(path).suffix.lower() == ".png":
            write_bytes(Path(path), labelled_png(self.cloud.measured_xyz_m(), self.class_id, self.classes))
        else:
            write_labelled_cloud(path, self.cloud, PointLabels(self.class_id, self.probability, {}, self.classes))


class Model:
    """A model package ready to label clouds, or to find boxes in them. Not for several threads at a time."""

    def __init__(self, name_or_path: str | Path, engine: str = "auto", threads: int | None = None) -> None:
        """Open a package by name or folder and compile what it needs. Raises BadModelPackage, EngineUnavailable."""
        package = load_model_package(name_or_path)
        self._path = package.path
        task = Segmenter if package.manifest.detection is None else Detector
        self._task: Segmenter | Detector = task(package, engine, threads)
        self._task.warm_up()
        self._doubted = False

    @property
    def classes(self) -> ClassTable:
        """The classes a point or a box may get."""
        return self._task.classes

    def set_words(self, prompts: Sequence[str]) -> None:
        """Label what comes next with these words, a class each. Raises UnknownPrompt; BadModelPackage where it knows no words."""
        self._segmenter().set_words(prompts)

    def segment(
        self,
        points: np.ndarray | PointCloud | Path | str,
        intensity: np.ndarray | None = None,
        rgb: np.ndarray | None = None,
    ) -> LabelledCloud:
        """Label every point of an array, as cloud_from_arrays() takes it, of a cloud, or of a cloud file.

        Raises BadPointCloud, also where no point lies in the network's range, BadCloudFile, and BadModelPackage for a detector.
        Arrays: (N, 3) or (N, 4) points in metres, (N,) intensity, (N, 3) uint8 colours.
        """
        segmenter = self._segmenter()
        cloud = self._cloud(points, intensity, rgb)
        labels = segmenter.segment(cloud)
        returns = cloud.has_return()
        if returns.any() and (labels.class_id == IGNORE_ID).all():
            nearest_m = float(np.linalg.norm(cloud.xyz_m[returns].astype(np.float64), axis=1).min())
            raise BadPointCloud(
                f"points: expected some within the network's range {self._range()}, found the nearest {nearest_m:.4g} m away "
                "from the origin. Give metres in the sensor's frame, x forward, y left, z up."
            )
        return LabelledCloud(cloud, labels.class_id, labels.probability, self.classes)

    def detect(self, points: np.ndarray | PointCloud | Path | str, intensity: np.ndarray | None = None) -> Boxes3d:
        """Find the boxes in an array, as cloud_from_arrays() takes it, in a cloud, or in a cloud file, best first.

        Raises BadPointCloud, BadCloudFile, and BadModelPackage for a model that labels points.
        Arrays: (N, 3) or (N, 4) points in metres, (N,) intensity.
        """
        if not isinstance(self._task, Detector):
            raise BadModelPackage(
                f"{self._path}: expected a detector, found a model that labels points. Call segment()."
            )
        return self._task.detect(self._cloud(points, intensity, None))

    def _segmenter(self) -> Segmenter:
        if not isinstance(self._task, Segmenter):
            raise BadModelPackage(
                f"{self._path}: expected a model that labels points, found a detector. Call detect()."
            )
        return self._task

    def _cloud(
        self, points: np.ndarray | PointCloud | Path | str, intensity: np.ndarray | None, rgb: np.ndarray | None
    ) -> PointCloud:
        """The cloud; what is odd about the first one's frame becomes a Python warning, as it is about each file."""
        cloud = _cloud(points, intensity, rgb)
        if not self._doubted and not isinstance(points, Path | str) and len(cloud):
            self._doubted = True
            for doubt in frame_doubts(cloud):
                warnings.warn(doubt, stacklevel=3)
        return cloud

    def _range(self) -> str:
        low_high = self._task.package.manifest.grid.point_cloud_range
        return f"{low_high[:3]} to {low_high[3:]}"


def _cloud(
    points: np.ndarray | PointCloud | Path | str, intensity: np.ndarray | None, rgb: np.ndarray | None
) -> PointCloud:
    if not isinstance(points, PointCloud | Path | str):
        return cloud_from_arrays(points, intensity, rgb)
    if intensity is not None or rgb is not None:
        raise BadPointCloud(
            "intensity, rgb: expected only beside an array, found them beside a cloud that has its own."
        )
    return points if isinstance(points, PointCloud) else read_cloud(points)
