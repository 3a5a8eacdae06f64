"""Labels of a cloud from all of its points, or from fewer: while clouds take too long, or if the engine's plan is too small."""

from rclpy.lifecycle import LifecycleNode

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.tasks.load_mode import LoadMode
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.tasks.what_fits import segment_what_fits
from lidar_vl_ros.health.health import Health
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.parameters.each_node import SegmentationParameters


class LabelsUnderLoad:
    """Exists while a node is configured. Clouds processed only in part are counted and reported."""

    def __init__(
        self,
        node: LifecycleNode,
        health: Health,
        reporter: Reporter,
        settings: SegmentationParameters,
        segmenter: Segmenter,
    ) -> None:
        """Raises BadConfig for thin_under_load if the network or the ensemble needs whole clouds."""
        self._node, self._health, self._reporter = node, health, reporter
        self._segmenter, self._thin_to_plan = segmenter, settings.thin_to_plan
        self._mode = _load_mode(settings, segmenter) if settings.thin_under_load else None
        self._replaced = health.counts()["replaced"]  # clouds so far

    def labels(self, cloud: PointCloud) -> PointLabels:
        """Labels of every point; those that were not processed get the labels of their neighbours."""
        mode = self._mode
        if mode is None:
            return self._labels_that_fit(cloud, 1.0)
        labels = self._labels_that_fit(cloud, mode.share)
        if mode.share < 1.0:
            self._tell_partial(f"under load {mode.share:.0%} of the points are processed")
        replaced = self._health.counts()["replaced"]
        took_ms = labels.timing_ms["total"]
        if mode.answered(took_ms, others_lost=replaced > self._replaced):
            self._node.get_logger().warning(
                f"load: the cloud with stamp {cloud.stamp_ns} took {took_ms:.0f} ms, {replaced} were replaced so far; "
                f"from the next one on {mode.share:.0%} of the points are processed"
            )
        self._replaced = replaced
        return labels

    def _labels_that_fit(self, cloud: PointCloud, share: float) -> PointLabels:
        if not self._thin_to_plan:
            return self._segmenter.segment(cloud, share)
        labels, looked_at = segment_what_fits(self._segmenter, cloud, share)
        if looked_at < share:
            self._tell_partial(f"the engine's plan is too small: {looked_at:.0%} of the points are processed")
        return labels

    def _tell_partial(self, problem: str) -> None:
        self._reporter.lasting_problem("partial", problem)


def _load_mode(settings: SegmentationParameters, segmenter: Segmenter) -> LoadMode:
    if settings.ensemble or not segmenter.can_look_at_parts:
        found = "ensemble" if settings.ensemble else f"the network {segmenter.package.manifest.network}"
        raise BadConfig(
            f"thin_under_load: expected a voxel network without ensemble, found {found}. Set it to false, or use another model."
        )
    return LoadMode(settings.max_processing_ms)
