"""PandaSet sequences: a spinning and a forward LiDAR, six cameras, point classes.

Folder: `meta.json` (poses, intrinsics, stamps), `semseg_classes.json`, `lidar/NN.npz` (xyz_world, intensity, t, sensor,
label) and `camera/<name>/NN.jpg`. PandaSet's own pickles are not read: unpickling runs code of whoever wrote the file.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from lidar_vl_core.cameras.camera_model import CameraModel
from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.classes.known_tables import class_table, label_map
from lidar_vl_core.clouds.intensity import scaled_intensity
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadCalibration, BadDataset, BadLabels, BadTransform
from lidar_vl_core.foundation.files import read_json
from lidar_vl_core.foundation.plain_arrays import load_plain_arrays
from lidar_vl_core.foundation.stamps import nanoseconds
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.data_set_spec import DataSetSpec, Splits
from offline_training.datasets.base.file_counts import FileCounts, lacking_scans
from offline_training.datasets.base.layout import Layout
from offline_training.datasets.base.sample import T_FLU_RFU, Sample
from offline_training.datasets.base.sample_files import read_picture_bytes, read_rgb
from offline_training.datasets.base.source_config import FramesSource

FRAME = "pandaset_ego"
PANDAR64, PANDAR_GT = 0, 1  # the `sensor` column: spinning 360 degrees, forward-looking solid state
_MAX_BYTES = 1 << 28  # of a sweep, which has some 10 MB
_ARRAYS = {"xyz_world": 2, "intensity": 1, "t": 1, "sensor": 1, "label": 1}  # name -> number of axes


class PandaSetSource(FramesSource):
    """Frames of one sequence."""

    kind: Literal["pandaset"] = "pandaset"
    sensor: Literal[0, 1] | None = Field(
        default=None, description="0: the spinning LiDAR, 1: the forward-looking one; default: both"
    )


class PandaSet:
    """Frames of one sequence as samples in nuScenes' 16 classes.

    The clouds come in PandaSet's ego frame at the sweep (origin about 0.3 m above the road), turned from its x right, y
    forward into x forward, y left. extra: "sensor" uint8 (0 Pandar64, 1 PandarGT), "time" float32 seconds to the stamp.
    """

    def __init__(
        self,
        folder: Path,
        frames: Sequence[str] | None = None,
        sensor: int | None = None,
        classes: ClassTable | None = None,
    ) -> None:
        """frames: names such as "00" (None = all there are); sensor: one LiDAR only. Raises BadDataset."""
        classes = classes or class_table("nuscenes16")
        self.folder, self.classes = Path(folder), classes
        self._sensor = sensor
        self._label_map = label_map("pandaset", classes)
        meta = _read_json(self.folder / "meta.json")
        self._poses, self._cameras = _section(meta, "frames", self.folder), _section(meta, "cameras", self.folder)
        self.frames = tuple(sorted(self._poses) if frames is None else frames)
        if unknown := [frame for frame in self.frames if frame not in self._poses]:
            raise BadDataset(
                f"{self.folder}: expected frames out of {', '.join(sorted(self._poses))}, found {', '.join(unknown)}. "
                "Choose frames that are in meta.json."
            )

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        """The frame's cloud, classes and six views; raises BadDataset naming the frame when a file is damaged."""
        frame = self.frames[index]
        name = f"{self.folder.name}/{frame}"
        arrays = _read_arrays(self.folder / "lidar" / f"{frame}.npz", name)
        views = self.views(index)
        with _naming(name):
            T_lidar_world = self._T_world_lidar(frame).inverse()
            stamp_ns = nanoseconds(self._poses[frame]["lidar_timestamp"])
            kept = self._kept(arrays["sensor"])
            class_id = self._label_map.apply(arrays["label"][kept])
        cloud = PointCloud(
            xyz_m=T_lidar_world.apply(arrays["xyz_world"][kept]),
            intensity=scaled_intensity(arrays["intensity"][kept], 255.0),
            stamp_ns=stamp_ns,
            frame_id=FRAME,
            extra={"sensor": arrays["sensor"][kept], "time": arrays["t"][kept]},
        )
        return Sample(name, cloud, class_id, self.classes, views)

    def views(self, index: int) -> tuple[CameraView, ...]:
        """The frame's six views alone, without reading its cloud; raises BadDataset naming the frame."""
        frame = self.frames[index]
        name = f"{self.folder.name}/{frame}"
        with _naming(name):
            T_lidar_world = self._T_world_lidar(frame).inverse()
            return tuple(self._view(camera, frame, name, T_lidar_world) for camera in sorted(self._cameras))

    def T_world_lidar(self, index: int) -> RigidTransform:
        """Pose of a sample's cloud frame in the sequence's world frame. Raises BadDataset."""
        frame = self.frames[index]
        with _naming(f"{self.folder.name}/{frame}"):
            return self._T_world_lidar(frame)

    def stamp_ns(self, index: int) -> int:
        """Time of a sample's sweep; raises BadDataset naming the frame."""
        frame = self.frames[index]
        with _naming(f"{self.folder.name}/{frame}"):
            return nanoseconds(self._poses[frame]["lidar_timestamp"])

    def _T_world_lidar(self, frame: str) -> RigidTransform:
        return _pose(self._poses[frame]["lidar_pose_world"]) @ T_FLU_RFU.inverse()

    def _kept(self, sensor: np.ndarray) -> np.ndarray | slice:
        return slice(None) if self._sensor is None else sensor == self._sensor

    def _view(self, camera_name: str, frame: str, name: str, T_lidar_world: RigidTransform) -> CameraView:
        record, shot = self._cameras[camera_name], self._poses[frame]["cameras"][camera_name]
        intrinsics = record["intrinsics"]
        K = np.array([[intrinsics["fx"], 0, intrinsics["cx"]], [0, intrinsics["fy"], intrinsics["cy"]], [0, 0, 1]])
        camera = CameraModel(int(record["width"]), int(record["height"]), K)
        T_cam_lidar = _pose(shot["pose_world"]).inverse() @ T_lidar_world.inverse()
        file = f"camera/{camera_name}/{frame}.jpg"
        path = self.folder / file
        return CameraView(
            camera_name,
            camera,
            T_cam_lidar,
            nanoseconds(shot["timestamp"]),
            partial(read_rgb, path, name, camera),
            partial(read_picture_bytes, path, name),
            file,
        )


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turn what a wrong meta.json or label leads to into one BadDataset that names the frame."""
    try:
        yield
    except KeyError as error:
        raise BadDataset(
            f"{name}: expected the key {error} in meta.json, found none. Convert the sequence again."
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise BadDataset(
            f"{name}: expected numbers in meta.json, found: {error}. Convert the sequence again."
        ) from error
    except (BadCalibration, BadLabels, BadTransform) as error:
        raise BadDataset(f"{name}: {error}") from error


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise BadDataset(
            f"{path}: expected a readable JSON file, found: {error}. Point to a sequence folder."
        ) from error


def _section(meta: Any, key: str, folder: Path) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if not isinstance(meta, dict) or not isinstance(meta.get(key), dict) or not meta[key]:
        raise BadDataset(f"{folder / 'meta.json'}: expected an object {key!r}, found none. Convert the sequence again.")
    return meta[key]


def _read_arrays(path: Path, name: str) -> dict[str, np.ndarray]:
    try:
        stored = load_plain_arrays(path, _MAX_BYTES)
        arrays = {key: stored[key] for key in _ARRAYS}
    except (OSError, ValueError, KeyError) as error:
        raise BadDataset(f"{name}: expected a readable {path} with {', '.join(_ARRAYS)}, found: {error!r}.") from error
    count = len(arrays["xyz_world"]) if arrays["xyz_world"].ndim == 2 else -1
    for key, axes in _ARRAYS.items():
        wanted = (count, 3)[:axes]
        if arrays[key].shape != wanted or arrays[key].dtype.kind not in "fiu":
            raise BadDataset(
                f"{name}: expected numbers {key} of shape {wanted}, found {arrays[key].shape} {arrays[key].dtype}, in {path}. "
                "Labels and points do not belong together: copy the file again."
            )
    arrays["xyz_world"] = arrays["xyz_world"].astype(np.float32, copy=False)
    return arrays


def _pose(record: dict[str, dict[str, float]]) -> RigidTransform:
    """T_world_sensor of a PandaSet pose (heading is a quaternion w, x, y, z)."""
    heading, position = record["heading"], record["position"]
    return RigidTransform.from_quaternion([heading[k] for k in "xyzw"], [position[k] for k in "xyz"])


_FILES = FileCounts({"scans": "lidar/*.npz", "pictures": "camera/*/*.jpg", "boxes": "annotations/*.cuboids.json"})


def _counts(source: PandaSetSource, dataset: PandaSet, splits: Splits) -> Iterator[str]:
    yield from _FILES(source, dataset, splits)
    lidar = Path(source.folder) / "lidar"
    lacking = [frame for frame in dataset.frames if not (lidar / f"{frame}.npz").exists()]
    yield from lacking_scans(lacking, len(dataset), "meta.json")


SPEC = DataSetSpec(
    source=PandaSetSource,
    what="PandaSet: a sequence with two LiDARs and six cameras",
    layout=Layout(
        (
            ("meta.json", "poses, intrinsics and stamps"),
            ("lidar/NN.npz", "xyz_world, intensity, t, sensor, label"),
            ("annotations/NN.cuboids.json", "optional: boxes, the rows of PandaSet's table"),
            ("camera/front_camera/NN.jpg", "and five more cameras"),
        )
    ),
    classes=("nuscenes16",),
    open=lambda source, _, classes: PandaSet(Path(source.folder), source.frames, source.sensor, classes),
    counts=_counts,
)
