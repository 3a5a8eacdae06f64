"""The ensemble of a node: clouds labelled by network and images, each cloud's own images or the newest encoded ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lidar_vl_core.cameras.synchronisation.camera_queue import Paired
from lidar_vl_core.foundation.errors import BadConfig, BadTransform, LidarVlError
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.geometry.transform_tree import TransformToCome
from lidar_vl_core.tasks.camera_fusion import CameraFusion
from lidar_vl_core.tasks.ensemble.picture_features import PlacedPicture
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_ros.health.ensemble_health import EnsembleHealth
from lidar_vl_ros.health.health import Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.patience import Patience
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.parameters.each_node import SegmentationParameters
from lidar_vl_ros.tasks.picture_tower import EncodedPicture, PictureTower

IMAGE_AGE = "image_age"
_STUCK_S = 5.0


class CameraEnsemble:
    """Exists while a node is configured. With image_features_max_age_s = 0 each cloud waits for its own images, else for none."""

    def __init__(self, reporter: Reporter, settings: SegmentationParameters, segmenter: Segmenter) -> None:
        """Raises BadConfig without cameras, BadModelPackage for a model without an image encoder."""
        if not settings.cameras:
            raise BadConfig(
                "ensemble: expected cameras, found none. Set cameras.NAME.topic for each camera, or ensemble to false."
            )
        self._reporter, self._settings = reporter, settings
        threads = settings.threads or available_cores()
        beside = settings.image_features_max_age_s > 0.0
        self._fusion = CameraFusion(segmenter, threads, beside)
        self._tower = PictureTower(self._fusion.encoded, self._tower_failed) if beside else None
        self._health = EnsembleHealth()
        self._patience = Patience()  # with transforms of the cloud's time

    @property
    def waits_for_images(self) -> bool:
        """Whether a cloud needs its own images."""
        return self._tower is None

    def warm_up(self) -> None:
        """Prepare the first answer."""
        self._fusion.warm_up()

    def picture_came(self, name: str, paired: Paired, load_rgb: Callable[[], np.ndarray]) -> None:
        """Take an image that is to be encoded beside the clouds, (H, W, 3) when loaded; from the executor's thread."""
        if self._tower is not None:
            self._tower.put(name, paired, load_rgb)

    def labels(self, frame: SensorFrame) -> PointLabels:
        """Label the points that are processed; a cloud without usable images is counted."""
        return self._by_own_pictures(frame) if self._tower is None else self._by_newest(self._tower, frame)

    def report(self) -> Report:
        """Values for the diagnostics."""
        if self._tower is None:
            return self._health.report({}, None)
        state = self._tower.state()
        figures = {"encoded": state.encoded, "overtaken": state.overtaken, "failed_sets": state.failed}
        told = {name: str(figure) for name, figure in figures.items()}
        if state.picture_ms is not None:
            told["image_ms_p50"] = f"{state.picture_ms:.1f}"
        return self._health.report(told, state.working_s if state.working_s > _STUCK_S else None)

    def close(self) -> None:
        """Stop the tower's thread, or abandon it, and its process."""
        if self._tower is not None and not self._tower.stop():
            self._reporter.warn("tower", "an image is still being encoded; its thread is abandoned")
        self._fusion.close()

    def _by_own_pictures(self, frame: SensorFrame) -> PointLabels:
        views, left_out = frame.views(), []
        labels = self._fusion.segment(frame.looked_at.cloud, views, lambda view, _error: left_out.append(view))
        used = {view.name: self._age_ms(view.name, view.stamp_ns, frame) for view in views if view not in left_out}
        return self._told(labels, used, "none of the cloud's images can be used")

    def _by_newest(self, tower: PictureTower, frame: SensorFrame) -> PointLabels:
        """Label by the images that are encoded already; the next set starts now, beside the network."""
        tower.ask()
        used: dict[str, float] = {}
        problems: list[str] = []

        def pictures() -> list[PlacedPicture]:
            placed = []
            wait_until_s, came_not = self._patience.until_s(self._settings.tf_max_wait_s), False
            for name, picture in tower.finished().items():
                try:
                    placed.append(self._placed(name, picture, frame, wait_until_s))
                    used[name] = self._age_ms(name, picture.paired.stamp_ns, frame)
                except LidarVlError as error:
                    came_not = came_not or isinstance(error, TransformToCome)
                    problems.append(f"camera {name} left out: {error}")
            self._patience.ended(in_vain=came_not)
            return placed

        labels = self._fusion.segment_by(frame.looked_at.cloud, pictures)
        for problem in problems[:1] if used else ():  # for a cloud without any it is reported below
            self._reporter.lasting_problem("faults", problem)
        return self._told(labels, used, problems[0] if problems else "no image is encoded yet")

    def _placed(self, name: str, picture: EncodedPicture, frame: SensorFrame, wait_until_s: float) -> PlacedPicture:
        """Raises BadTransform for an image that is too old or cannot be placed, BadCalibration for one of another size."""
        longest_s = self._settings.image_features_max_age_s
        age_ms = self._age_ms(name, picture.paired.stamp_ns, frame)
        if abs(age_ms) > 1e3 * longest_s:
            raise BadTransform(
                f"expected image features at most {longest_s} s older than the cloud (image_features_max_age_s), found "
                f"{age_ms / 1e3:.3f} s. Is the camera silent, or this computer too slow for the image encoder?"
            )
        camera, T_cam_lidar = frame.views.place_at(name, picture.paired, wait_until_s)
        camera.require_size(np.empty((*picture.features.size_px, 0), np.uint8))
        return PlacedPicture(picture.features, camera, T_cam_lidar)

    def _age_ms(self, name: str, stamp_ns: int, frame: SensorFrame) -> float:
        """How much older an image is than the time that belongs to the cloud."""
        return (frame.cloud.stamp_ns - stamp_ns) / 1e6 + 1e3 * self._settings.cameras[name].offset_s

    def _told(self, labels: PointLabels, ages_ms: dict[str, float], problem: str) -> PointLabels:
        if not ages_ms:
            self._health.alone(problem)
            self._tell_alone(problem)
            return labels
        self._health.named(ages_ms, labels.picture_share)
        oldest_ms = max(ages_ms.values(), key=abs)
        return replace(labels, timing_ms={**labels.timing_ms, IMAGE_AGE: oldest_ms})

    def _tell_alone(self, problem: str) -> None:
        if self._tower is None:  # why each image was left out is reported already
            self._reporter.count("without_images")
        else:
            self._reporter.lasting_problem("without_images", f"cloud labelled by the network alone: {problem}")

    def _tower_failed(self, error: Exception) -> None:
        if not isinstance(error, LidarVlError):
            self._reporter.fault("faults", error)
        else:
            self._reporter.lasting_problem("faults", f"images cannot be encoded: {error}")
