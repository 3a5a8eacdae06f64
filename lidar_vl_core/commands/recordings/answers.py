"""The answers of a network for the frames of a recording: classes of points, alone or with camera images, or boxes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lidar_vl_core.bags.recording import RecordedFrame, Recording, SkippedCloud
from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.points_in_boxes import box_of_points
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID, ClassTable
from lidar_vl_core.clouds.formats.size_limits import MAX_POINTS
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadPointCloud, BadRequest, BadTransform, ToldTexts, without_numbers
from lidar_vl_core.foundation.processes.compilation import compilation_told
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.sweeps.history import SweepHistory

if TYPE_CHECKING:
    from lidar_vl_core.clouds.ego_region import EgoRegion
    from lidar_vl_core.model_packages.package import ModelPackage
    from lidar_vl_core.tasks.camera_fusion import CameraFusion
    from lidar_vl_core.tasks.detector import Detector
    from lidar_vl_core.tasks.point_labels import PointLabels
    from lidar_vl_core.tasks.segmenter import Segmenter
    from lidar_vl_core.words.vocabulary import Vocabulary


_SWEEPS_MAX_AGE_S = 2.0  # twenty sweeps of a 10 Hz LiDAR; beyond a gap the scene is another one


@dataclass(frozen=True)
class Answering:
    """How a package is to answer."""

    engine: str = "auto"
    words: "Vocabulary | None" = None  # what an embedding package looks for instead of its own classes
    ensemble: bool = False  # name points by the recorded pictures, too, which takes a package with an image encoder
    ego: "EgoRegion | None" = None  # points on the own vehicle get no class
    sweeps: int = 1  # joined for each cloud by a detector, where the recording tells how the sensor moved


BY_ITSELF = Answering()  # nothing was asked


@dataclass(frozen=True)
class Answer:
    """What was said of one cloud."""

    labels: "PointLabels"  # of a detector: the class of the box that a point lies in
    boxes: Boxes3d | None = None  # of a detector


class Answers(Protocol):
    """A network that answers for recorded frames."""

    latency_is: str  # what the latency is measured from and to

    @property
    def classes(self) -> ClassTable:
        """What the answers mean."""
        ...

    @property
    def engine_name(self) -> str:
        """What runs the network."""
        ...

    @property
    def warnings(self) -> list[str]:
        """What could not be used, each once."""
        ...

    def of(self, frame: RecordedFrame) -> Answer:
        """The answer for one frame. Raises BadPointCloud."""
        ...


def answered(
    answers: Answers, recording: Recording, frames: Iterator[RecordedFrame]
) -> Iterator[tuple[RecordedFrame, Answer]]:
    """Every frame with its answer; one with more points than any sensor gives is reported as skipped."""
    for frame in frames:
        try:
            answer = answers.of(frame)
        except BadPointCloud as error:
            recording.skipped.append(SkippedCloud(frame.index, frame.cloud.stamp_ns, str(error)))
            continue
        yield frame, answer


def answers_of(package: "ModelPackage", recording: Recording, answering: Answering, with_true_labels: bool) -> Answers:
    """What a package says of frames. Raises BadRequest for what its task cannot have."""
    words, ensemble, sweeps = answering.words, answering.ensemble, answering.sweeps
    if package.manifest.task == "detection":
        asked = {"words": words is not None, "--ensemble": ensemble, "true labels of points": with_true_labels}
        if refused := [name for name, is_asked in asked.items() if is_asked]:
            raise BadRequest(
                f"{', '.join(refused)}: expected a package that labels points, found {package.manifest.name}, which finds "
                "boxes. Leave these options out."
            )
        from lidar_vl_core.tasks.detector import Detector

        return BoxAnswers(Detector(package, answering.engine, ego=answering.ego), recording, sweeps)
    if sweeps > 1:
        raise BadRequest(
            f"--sweeps {sweeps}: expected a package that finds boxes, found {package.manifest.name}. Leave the option out."
        )
    from lidar_vl_core.tasks.segmenter import Segmenter

    segmenter = Segmenter(package, answering.engine, ego=answering.ego)
    if words is not None:
        segmenter.set_words(words)
    return LabelAnswers(segmenter, recording, ensemble)


class LabelAnswers:
    """The segmenter alone, or with the images of the recording."""

    latency_is = "from a decoded cloud to one label per point, inside the segmenter"

    def __init__(self, segmenter: "Segmenter", recording: Recording, ensemble: bool) -> None:
        self._segmenter = segmenter
        self._has_cameras = bool(recording.cameras)
        self._fusion = _fusion(segmenter, recording) if ensemble else None
        self._said = ToldTexts()
        with compilation_told():
            (self._fusion or segmenter).warm_up()

    @property
    def classes(self) -> ClassTable:
        """The classes of the package, or of the words that it looks for."""
        return self._segmenter.classes

    @property
    def engine_name(self) -> str:
        """What runs the network."""
        return self._segmenter.engine_name

    @property
    def warnings(self) -> list[str]:
        """What image could not be used, each reason once."""
        return [f"{text} ({count} times)" for text, count in self._said.items()]

    def of(self, frame: RecordedFrame) -> Answer:
        """Labels of the points. Raises BadRequest for a model that reads colours where nothing gives any."""
        cloud = self._coloured(frame) if self._segmenter.reads_colours else frame.cloud
        if self._fusion is None:
            return Answer(self._segmenter.segment(cloud))
        if not frame.views:
            self._said.tell(["cloud without images, labelled by the network alone"])
        return Answer(self._fusion.segment(cloud, frame.views, self._leave_out))

    def _coloured(self, frame: RecordedFrame) -> PointCloud:
        """The cloud in its own colours, or in those of its images."""
        from lidar_vl_core.clouds.colours import cloud_rgb
        from lidar_vl_core.tasks.coloured_by_pictures import coloured_by_pictures

        if cloud_rgb(frame.cloud) is not None:
            return frame.cloud
        if not self._has_cameras:
            name = self._segmenter.package.manifest.name
            raise BadRequest(
                f"model {name}, which reads colours: expected coloured clouds, or cameras in the recording that give them "
                "theirs, found neither. Record images, camera_info and tf, or use a model that does not read colours."
            )
        if not frame.views:
            self._said.tell(["cloud without images to colour it, labelled as if it were all grey"])
        return coloured_by_pictures(frame.cloud, frame.views, self._leave_out)

    def _leave_out(self, view: CameraView, error: Exception) -> None:
        self._said.tell([f"image of {view.name} left out: {error}"])


class BoxAnswers:
    """A detector, of each cloud or of the last few joined; the points in its boxes have their classes."""

    latency_is = "from a decoded cloud to its boxes, inside the detector"

    def __init__(self, detector: "Detector", recording: Recording, sweeps: int = 1) -> None:
        """sweeps: joined for each cloud, itself among them, where the recording tells how the sensor moved."""
        self._detector, self._sweeps = detector, sweeps
        self._motion = recording.motion() if sweeps > 1 else None
        self._history = SweepHistory(sweeps, _SWEEPS_MAX_AGE_S, MAX_POINTS)
        self._said = ToldTexts()
        with compilation_told():
            detector.warm_up()

    @property
    def classes(self) -> ClassTable:
        """The classes of the package."""
        return self._detector.classes

    @property
    def engine_name(self) -> str:
        """What runs the network."""
        return self._detector.engine_name

    @property
    def warnings(self) -> list[str]:
        """Why earlier sweeps were left out, each once."""
        return [f"{count} earlier sweeps left out: {text}" for text, count in self._said.items()]

    def of(self, frame: RecordedFrame) -> Answer:
        """Boxes, and labels of the cloud's points in them."""
        joined = self._history.joined(frame.cloud, self._moved)
        self._said.tell(without_numbers(error) for error in joined.left_out)
        boxes, timing_ms = self._detector.detect_timed(joined.cloud)
        return Answer(_labels(frame.cloud, boxes, timing_ms, self.classes), boxes)

    def _moved(self, frame: str, now_ns: int, then_ns: int) -> RigidTransform:
        if self._motion is None:  # asked of earlier sweeps alone, of which there are none without it
            raise BadTransform(f"motion of {frame}: expected to join several sweeps, found {self._sweeps}.")
        return self._motion.T_now_then(frame, now_ns, then_ns)


def _labels(cloud: PointCloud, boxes: Boxes3d, timing_ms: dict[str, float], classes: ClassTable) -> "PointLabels":
    """Class and score of the best box that each point lies in; none for the others."""
    from lidar_vl_core.tasks.point_labels import PointLabels

    from_points = boxes.boxes - np.array([*cloud.origin_m, 0, 0, 0, 0])
    row = box_of_points(cloud.measured_xyz_m(), from_points)
    class_id = np.append(boxes.class_id, np.uint8(IGNORE_ID))[row]
    return PointLabels(class_id, np.append(boxes.score, np.float32(0))[row], timing_ms, classes)


def _fusion(segmenter: "Segmenter", recording: Recording) -> "CameraFusion":
    from lidar_vl_core.tasks.camera_fusion import CameraFusion

    if not recording.cameras:
        raise BadRequest(
            "ensemble: expected cameras in the recording, found no usable ones. Record them, or leave --ensemble out. "
            + " ".join(recording.warnings[:1])
        )
    return CameraFusion(segmenter)
