"""Colours for clouds without any, from their own images, if the network reads colours."""

from dataclasses import replace

from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.tasks.coloured_by_pictures import coloured_by_pictures
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.inputs.sensor_frame import SensorFrame
from lidar_vl_ros.parameters.each_node import SegmentationParameters

COLOURS = "colours"  # the stage


class CloudColours:
    """Exists while a node is configured. Does nothing without cameras, or for a network that reads no colours."""

    def __init__(self, reporter: Reporter, settings: SegmentationParameters, segmenter: Segmenter) -> None:
        self._reporter, self._ensemble_tells = reporter, settings.ensemble
        self.is_used = segmenter.reads_colours and bool(settings.cameras)
        self._bring_their_own = False  # as the last cloud did

    @property
    def waits_for_images(self) -> bool:
        """Whether a cloud needs its own images."""
        return self.is_used and not self._bring_their_own

    def given_to(self, frame: SensorFrame) -> SensorFrame:
        """The frame with colours at the points that are processed, grey where no image sees one.

        A cloud without usable images is counted and reported.
        """
        cloud = frame.looked_at.cloud
        self._bring_their_own = cloud_rgb(cloud) is not None
        if not self.waits_for_images:
            return frame
        views, left_out = frame.views(), []
        coloured = coloured_by_pictures(
            cloud, views, lambda view, error: left_out.append(f"camera {view.name} left out: {error}")
        )
        for problem in left_out[:1]:
            self._reporter.lasting_problem("faults", problem)
        if len(left_out) == len(views) and not self._ensemble_tells:  # which counts such clouds itself
            self._reporter.lasting_problem(
                "without_images",
                "cloud without colours, which the model reads, and without usable images to take them from: labelled as if grey",
            )
        return replace(frame, looked_at=replace(frame.looked_at, cloud=coloured))
