"""Points named by the 3D network or by the images that see them, whichever is more similar to a prompt (OpenScene's ensemble)."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.pairing import ZBuffer
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import IGNORE_ID
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.image_tower import ImageEncoder
from lidar_vl_core.foundation.errors import BadCalibration, BadImage
from lidar_vl_core.foundation.threads import HelperThreads, available_cores, default_threads
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from lidar_vl_core.tasks.beside.encoder_process import EncoderProcess
from lidar_vl_core.tasks.ensemble.fused_labels import fused_labels
from lidar_vl_core.tasks.ensemble.picture_features import PictureFeatures, PlacedPicture
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.tasks.warm_up_cloud import warm_up_cloud

_OCCLUSION = ZBuffer()  # of the sweep itself

LeftOut = Callable[[CameraView, Exception], None]
Pictures = Callable[[], Sequence[PlacedPicture]]


class CameraFusion:
    """A segmenter that also uses images: those of each cloud, or the last encoded ones."""

    def __init__(self, segmenter: Segmenter, threads: int | None = None, beside: bool = False) -> None:
        """threads: of the image tower. beside: it runs in a low-priority process, until close().

        Raises BadModelPackage for a package without an image encoder.
        """
        self._segmenter = segmenter
        encoder = EncoderProcess if beside else ImageEncoder
        self._encoder = encoder(segmenter.package, threads or available_cores())

    def close(self) -> None:
        """End the process of the image tower, if there is one."""
        if isinstance(self._encoder, EncoderProcess):
            self._encoder.close()

    def warm_up(self) -> None:
        """Label a made-up cloud with grey images, so that nothing is loaded or compiled while the first message waits."""
        height, width = self._encoder.size
        grey = self.encoded(np.full((height, width, 3), 127, np.uint8))
        camera = CameraModel(width, height, np.array([[1.0, 0, width / 2], [0, 1.0, height / 2], [0, 0, 1]]))
        seen_twice = [PlacedPicture(grey, camera, RigidTransform.identity())] * 2
        self.segment_by(warm_up_cloud(self._segmenter.package.grid), lambda: seen_twice)

    def encoded(self, rgb: np.ndarray) -> PictureFeatures:
        """The tower's answer to an image (H, W, 3) uint8, by the words in use, from any thread.

        Raises BadModelPackage for an image tower that does not run.
        """
        return self._ready(self._encoder.features(rgb), rgb.shape[:2])

    def segment(self, cloud: PointCloud, views: Sequence[CameraView], left_out: LeftOut) -> PointLabels:
        """Label every point of a cloud with the segmenter's words and its own images, which are encoded first.

        left_out: told of each image that cannot be used, and why. timing_ms has "image_encoder" (with decoding) besides
        what segment_by() has. Raises what that does, and BadModelPackage for an image tower that does not run.
        """
        started = time.perf_counter()
        pictures = self._encoded(views, left_out)
        if not pictures:
            return self._by_network_alone(cloud)
        encoded_ms = 1e3 * (time.perf_counter() - started)
        labels = self.segment_by(cloud, lambda: pictures)
        labels.timing_ms.update(image_encoder=encoded_ms, total=encoded_ms + labels.timing_ms["total"])
        return labels

    def segment_by(self, cloud: PointCloud, pictures: Pictures) -> PointLabels:
        """Label every point of a cloud with the segmenter's words; points that no image sees get the network's answer.

        pictures: asked once, when the network has answered. timing_ms has "image_encoder" (0: it is not waited for) and
        "fusion" besides. What the images say alone is told, too. Raises what the segmenter does.
        """
        started = time.perf_counter()
        of_network = self._segmenter.prompt_cosines(cloud)
        placed = pictures()
        answered = time.perf_counter()
        fused = fused_labels(of_network, placed, _OCCLUSION, default_threads())
        done = time.perf_counter()
        timing_ms = {
            **of_network.timing_ms,
            "image_encoder": 0.0,
            "fusion": 1e3 * (done - answered),
            "total": 1e3 * (done - started),
        }
        classes = of_network.table.class_table
        return PointLabels(
            fused.class_id,
            fused.probability,
            timing_ms,
            classes,
            fused.picture_class_id,
            fused.picture_share,
            fused.disagreement,
        )

    def _ready(self, features: np.ndarray, size_px: tuple[int, ...]) -> PictureFeatures:
        """(C, h, w) features of an image of height and width, asked for the words in use already."""
        height, width = size_px
        ready = PictureFeatures(features, (height, width))
        table = self._segmenter.table
        if table is not None:
            ready.answers(table)
        return ready

    def _by_network_alone(self, cloud: PointCloud) -> PointLabels:
        labels = self._segmenter.segment(cloud)
        timing_ms = {**labels.timing_ms, "image_encoder": 0.0, "fusion": 0.0}
        return replace(labels, timing_ms=timing_ms, picture_class_id=np.full(len(cloud), IGNORE_ID, np.uint8))

    def _encoded(self, views: Sequence[CameraView], left_out: LeftOut) -> list[PlacedPicture]:
        encoded = []
        for view in views:
            try:
                rgb = view.load_rgb()
                view.require_size(rgb)
            except (BadImage, BadCalibration) as error:
                left_out(view, error)
                continue
            encoded.append((view, self._encoder.features(rgb)))
        placed: dict[int, PlacedPicture] = {}

        def place(number: int, view: CameraView, features: np.ndarray) -> None:
            ready = self._ready(features, (view.camera.height, view.camera.width))
            placed[number] = PlacedPicture(ready, view.camera, view.T_cam_lidar)

        with HelperThreads(default_threads()) as helpers:
            for number, (view, features) in enumerate(encoded):
                helpers.add(partial(place, number, view, features))
        return [placed[number] for number in range(len(encoded))]
