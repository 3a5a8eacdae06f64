"""A point cloud in, boxes out: voxels and tables, network, boxes. Measures its own time."""

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.boxes.nms import rotated_nms
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.detection_session import open_detection_session
from lidar_vl_core.foundation.errors import BadModelPackage, BadPointCloud, BadRequest
from lidar_vl_core.model_packages.detection_network import detector_voxels
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.sweeps.joining import TIME_LAG
from lidar_vl_core.tasks.box_decoder import box_decoder
from lidar_vl_core.tasks.warm_up_cloud import warm_up_cloud
from lidar_vl_core.voxels.detector_arrays import DetectorArrays


class Detector:
    """A detection package ready to find boxes in clouds, one at a time."""

    def __init__(
        self,
        package: ModelPackage,
        engine: str = "auto",
        threads: int | None = None,
        max_points: int = 2_000_000,  # ten times the largest sweep of the data sets: a wrong message, not a sensor
        ego: EgoRegion | None = None,
        score_thresholds: Mapping[str, float] | None = None,
        max_range_m: Mapping[str, float] | None = None,
    ) -> None:
        """Load the network; points in `ego` are ignored; the limits as in set_limits().

        Raises EngineUnavailable, BadModelPackage for a package of another task, and what set_limits() does.
        """
        spec = package.manifest.detection
        if spec is None:
            raise BadModelPackage(
                f"{package.path}: expected a package of task detection, found {package.manifest.task}. Use `lidar-vl "
                "segment` with it, or give a detection package."
            )
        self._package = package
        self._classes = package.classes
        self._voxels = detector_voxels(package.manifest)
        self._own_selection = spec.selection.selection
        self._decoder = box_decoder(spec.head, self._voxels)
        self._max_points, self._threads = max_points, threads
        self._ego = EgoRegion() if ego is None else ego
        self.set_limits(score_thresholds, max_range_m)
        self._session = open_detection_session(package, engine, threads)

    @property
    def classes(self) -> ClassTable:
        """The classes a box may have."""
        return self._classes

    @property
    def package(self) -> ModelPackage:
        """What it was loaded from."""
        return self._package

    @property
    def engine_name(self) -> str:
        """The engine that runs the network, e.g. "fused"."""
        return self._session.engine_name

    @property
    def engine_problem(self) -> str:
        """Why a different engine runs it than requested; empty where none does."""
        return self._session.engine_problem

    @property
    def reads_time(self) -> bool:
        """Whether the network requires the age of every point."""
        return "time" in self._package.manifest.features

    def set_limits(
        self,
        score_thresholds: Mapping[str, float] | None = None,
        max_range_m: Mapping[str, float] | None = None,
    ) -> None:
        """Set which boxes are reported from now on, by class name; the package's limits hold for other classes.

        score_thresholds: 0..1, least score, also below the package's own. max_range_m: > 0, from the sensor to the box's
        centre, seen from above. Raises BadLabels for an unknown class, BadConfig or BadRequest for an impossible number; the
        limits are then as before.
        """
        scores = {self._classes.id_of(name): float(score) for name, score in (score_thresholds or {}).items()}
        range_m = np.full(len(self._classes), np.inf)
        for name, farthest_m in (max_range_m or {}).items():
            if not farthest_m > 0:
                raise BadRequest(f"max_range_m: expected metres above 0, found {farthest_m} for {name}.")
            range_m[self._classes.id_of(name)] = farthest_m
        selection = replace(self._own_selection, class_scores=tuple(sorted(scores.items())))
        self._limits = (selection, range_m)  # replaced as a whole: a cloud sees one or the other

    def warm_up(self) -> None:
        """Search a made-up cloud, so that nothing is compiled or loaded while the first message waits."""
        self.detect(warm_up_cloud(self._voxels.grid))
        rotated_nms(np.ones((2, 7)), np.ones(2, np.float32), 0.5, 2, 2)  # a network may see nothing in such a cloud

    def detect(self, cloud: PointCloud) -> Boxes3d:
        """Boxes in the cloud's frame, the best first; none for a cloud without points in the network's range.

        Raises BadPointCloud for more than max_points, and for one without time lags where the network reads it.
        """
        return self.detect_timed(cloud)[0]

    def detect_timed(self, cloud: PointCloud) -> tuple[Boxes3d, dict[str, float]]:
        """As detect(), with milliseconds of "voxels" (with tables), "network", "boxes" and "total"."""
        started = time.perf_counter()
        arrays = self.arrays(cloud)
        voxels_done = network_done = time.perf_counter()
        boxes = _no_boxes(cloud.frame_id)
        if len(arrays.features):
            maps = self._session.run(arrays)
            network_done = time.perf_counter()
            boxes = self.boxes_of_maps(maps, cloud)
        moments = (started, voxels_done, network_done, time.perf_counter())
        return boxes, _timing_ms(moments)

    def head_maps(self, cloud: PointCloud) -> dict[str, np.ndarray]:
        """The network's output before it is decoded to boxes: (C, H, W) float32 by name. Raises as detect()."""
        return self._session.run(self.arrays(cloud))

    def boxes_of_maps(self, maps: Mapping[str, np.ndarray], cloud: PointCloud) -> Boxes3d:
        """Decode head_maps() of a cloud to boxes, as detect() does. maps: (channels, H, W) by name."""
        selection, range_m = self._limits
        return _in_frame(self._decoder.boxes(maps, selection), range_m, cloud)

    def arrays(self, cloud: PointCloud) -> DetectorArrays:
        """The network's inputs for a cloud. Raises as detect()."""
        if len(cloud) > self._max_points:
            raise BadPointCloud(
                f"cloud of {len(cloud)} points: expected at most {self._max_points}. "
                "Split it, or raise max_points if your sensor really gives that many."
            )
        scale = 255.0 if "intensity_255" in self._package.manifest.features else 1.0
        columns = [cloud.intensity * np.float32(scale)]
        if self.reads_time:
            if TIME_LAG not in cloud.extra:
                raise BadPointCloud(
                    f"cloud: expected the field {TIME_LAG}, seconds since each point was measured, as the network reads "
                    f"joined sweeps, found {', '.join(cloud.extra) or 'no fields'}. Join sweeps, or use another package."
                )
            columns.append(cloud.extra[TIME_LAG].astype(np.float32))
        xyz_m = self._ego.cut_out_of(cloud.measured_xyz_m())
        return self._voxels.arrays([(xyz_m, np.column_stack(columns))], self._threads)


def _in_frame(boxes: Boxes3d, range_m: np.ndarray, cloud: PointCloud) -> Boxes3d:
    """The boxes within their class' range, told in the frame of the cloud instead of from its origin."""
    near = np.hypot(boxes.boxes[:, 0], boxes.boxes[:, 1]) <= range_m[boxes.class_id]
    kept = boxes.taken(near)
    moved = kept.boxes + np.array([*cloud.origin_m, 0, 0, 0, 0], np.float64)
    return replace(kept, boxes=moved, frame_id=cloud.frame_id)


def _no_boxes(frame_id: str) -> Boxes3d:
    return Boxes3d.of(np.empty((0, 7)), np.empty(0), frame_id=frame_id)


def _timing_ms(moments: tuple[float, ...]) -> dict[str, float]:
    stages = ("voxels", "network", "boxes")
    timing_ms = {name: 1e3 * (moments[i + 1] - moments[i]) for i, name in enumerate(stages)}
    return {**timing_ms, "total": 1e3 * (moments[-1] - moments[0])}
