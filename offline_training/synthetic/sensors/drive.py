"""A synthetic drive: frames of LiDAR and cameras, and the command that records them as a bag.

`python -m offline_training.synthetic.sensors.drive --out drive.mcap --seed 7 --frames 50`. Touches the disk.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from time import monotonic

import numpy as np

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.program.command_line import CommandLine, run_tool
from lidar_vl_core.commands.program.program_options import add_overwrite
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.result_folder import require_no_results
from lidar_vl_core.foundation.stamps import nanoseconds
from lidar_vl_core.foundation.threads import available_cores
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.synthetic.sensors.bag import CameraShot, DriveBag, FrameRecord
from offline_training.synthetic.sensors.camera import take_ring
from offline_training.synthetic.sensors.lidar import sweep
from offline_training.synthetic.sensors.lidar_spec import LIDARS, LidarSpec
from offline_training.synthetic.sensors.scene import Scene
from offline_training.synthetic.sensors.shading import Weather, weather
from offline_training.synthetic.sensors.shot import Shot
from offline_training.synthetic.sensors.thing_boxes import LEAST_POINTS, boxes_of_things, points_of_things
from offline_training.synthetic.streets.layout import build_world

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
_JPEG_QUALITY = 90


@dataclass(frozen=True, eq=False)
class SyntheticView:
    """One camera's image of a frame, taken while the LiDAR's beam passed the middle of its view."""

    name: str
    camera: CameraModel
    T_cam_lidar: RigidTransform  # LiDAR frame at the sweep's stamp -> optical frame at the image's stamp
    T_world_base: RigidTransform  # of the vehicle at the image's stamp
    stamp_ns: int
    rgb: np.ndarray  # (H, W, 3) uint8
    depth_m: np.ndarray  # (H, W) float32 along the optical axis, inf where there is sky
    class_id: np.ndarray  # (H, W) uint8, 255 without class


@dataclass(frozen=True, eq=False)
class SyntheticFrame:
    """One sweep and the images taken during it."""

    cloud: PointCloud  # extra: label uint8, ring uint16, time float32 (seconds before the stamp, 0 or less)
    T_world_lidar: RigidTransform  # at the sweep's stamp
    T_world_base: RigidTransform
    views: tuple[SyntheticView, ...]


@dataclass(frozen=True)
class SyntheticDrive:
    """The drive of one seed; frame k ends (k + 1) / rate seconds after the start and is the same whichever were asked before."""

    seed: int
    lidar: LidarSpec
    rate_hz: float = 10.0
    image_width: int = 480

    def __post_init__(self) -> None:
        """Raise BadRequest for numbers that make no drive."""
        if self.seed < 0:
            raise BadRequest(f"seed: expected 0 or more, found {self.seed}.")
        if not 0.1 <= self.rate_hz <= self.lidar.rate_hz:
            raise BadRequest(
                f"rate: expected 0.1 Hz to the LiDAR's {self.lidar.rate_hz:g} Hz, found {self.rate_hz:g}. "
                "At a higher rate sweeps would overlap."
            )
        if not 32 <= self.image_width <= 4096:
            raise BadRequest(f"image width: expected 32 to 4096 pixels, found {self.image_width}.")

    @cached_property
    def _scene(self) -> Scene:
        return Scene(build_world(self.seed))

    @cached_property
    def _weather(self) -> Weather:
        return weather(self.seed, self._scene.world.sun_direction)

    def frame(self, number: int, cameras: bool = True) -> SyntheticFrame:
        """Frame `number`, from 0."""
        end_s = (number + 1) / self.rate_hz
        world = self._scene.world
        T_world_base = world.ego_pose(end_s)
        T_world_lidar = T_world_base @ self.lidar.T_base_lidar()
        rng = np.random.default_rng([self.seed, 5, number])
        cloud = sweep(self._scene, self.lidar, end_s, _stamp_ns(end_s), rng)
        if not cameras:
            return SyntheticFrame(cloud, T_world_lidar, T_world_base, ())
        shots = take_ring(self._scene, self._weather, self.lidar, end_s, self.image_width)
        return SyntheticFrame(cloud, T_world_lidar, T_world_base, tuple(_view(shot) for shot in shots))

    def boxes(self, number: int, cloud: PointCloud) -> Boxes3d:
        """The things of a frame that its cloud has at least five points of, in its frame, in ids of nuScenes' 16 classes."""
        end_s = (number + 1) / self.rate_hz
        things = boxes_of_things(self._scene.world, self.lidar, end_s, cloud.frame_id)
        return things.taken(points_of_things(cloud, things) >= LEAST_POINTS)

    def ego_pose(self, stamp_ns: int) -> RigidTransform:
        """T_world_base at a time."""
        return self._scene.world.ego_pose((stamp_ns - START_NS) / 1e9)


def _view(shot: Shot) -> SyntheticView:
    picture = shot.picture
    return SyntheticView(
        shot.mount.name, shot.camera, shot.T_cam_lidar, shot.T_world_base, _stamp_ns(shot.time_s),
        picture.rgb, picture.depth_m, picture.class_id,
    )  # fmt: skip


def drive(
    seed: int, frames: int, lidar: LidarSpec, cameras: bool = True, rate_hz: float = 10.0, image_width: int = 480
) -> Iterator[SyntheticFrame]:
    """The first `frames` frames of a seed's drive."""
    source = SyntheticDrive(seed, lidar, rate_hz, image_width)
    for number in range(frames):
        yield source.frame(number, cameras)


def write_drive(
    path: Path,
    seed: int,
    frames: int,
    lidar: LidarSpec = LIDARS["hdl32"],
    rate_hz: float = 10.0,
    image_width: int = 480,
    workers: int | None = None,
) -> int:
    """Record a drive with its six cameras as a bag; frames are made in `workers` processes. Returns the number of points.

    Raises BadRequest for numbers that make no drive or a path that cannot be written.
    """
    from tqdm import tqdm

    if frames < 1:
        raise BadRequest(f"frames: expected at least 1, found {frames}.")
    source = SyntheticDrive(seed, lidar, rate_hz, image_width)
    processes = min(workers or available_cores(), frames)
    points = 0
    with (
        DriveBag(path, lidar) as bag,
        tqdm(total=frames, unit="frame", desc="synthetic drive", disable=not sys.stderr.isatty()) as bar,
    ):
        for record in _records(source, frames, processes):
            bag.write(record)
            bar.update()
            points += len(record.cloud)
    return points


def _records(source: SyntheticDrive, frames: int, processes: int) -> Iterator[FrameRecord]:
    """All frames in order; the ray caster holds Python's lock, so that only processes make it faster."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    make = partial(_record, source)
    if processes == 1:
        yield from map(make, range(frames))
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(make, range(frames))


@lru_cache(maxsize=1)
def _kept(source: SyntheticDrive) -> SyntheticDrive:
    """The same drive with its world built, once per process."""
    return source


def _record(source: SyntheticDrive, number: int) -> FrameRecord:
    """One frame in the form that is written: images as JPEG, poses at every stamp of the frame."""
    source = _kept(source)
    frame = source.frame(number)
    shots = tuple(CameraShot(view.name, view.camera, view.stamp_ns, _jpeg(view.rgb)) for view in frame.views)
    start_ns = frame.cloud.stamp_ns - round(1e9 / source.lidar.rate_hz)
    stamps = sorted({start_ns, frame.cloud.stamp_ns, *(shot.stamp_ns for shot in shots)})
    boxes = source.boxes(number, frame.cloud)
    return FrameRecord(frame.cloud, boxes, shots, tuple((stamp, source.ego_pose(stamp)) for stamp in stamps))


def _jpeg(rgb: np.ndarray) -> bytes:
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _stamp_ns(time_s: float) -> int:
    return START_NS + nanoseconds(time_s)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = CommandLine(
        prog="python -m offline_training.synthetic.sensors.drive",
        description="Record a synthetic drive with LiDAR, six cameras, the true class of every point and the true boxes of things.",
    )
    parser.add_argument("--out", type=Path, required=True, help="recording to write: name.mcap, name.db3 or a folder")
    parser.add_argument(
        "--seed", type=int, default=7, help="the street and the traffic; equal seeds give equal recordings"
    )
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--lidar", choices=sorted(LIDARS), default="hdl32")
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second")
    parser.add_argument("--image-width", type=int, default=480, help="pixels; images are 16:9")
    parser.add_argument("--workers", type=int, default=None, help="processes; all usable cores unless given")
    add_overwrite(parser)
    return run_tool(parser, _write, arguments)


def _write(options: argparse.Namespace) -> None:
    started = monotonic()
    require_no_results(options.out, options.overwrite)
    points = write_drive(
        options.out,
        options.seed,
        options.frames,
        LIDARS[options.lidar],
        options.rate,
        options.image_width,
        options.workers,
    )
    print(
        f"{options.out}: {options.frames} frames, {points:,} labelled points, {6 * options.frames} images in {monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
