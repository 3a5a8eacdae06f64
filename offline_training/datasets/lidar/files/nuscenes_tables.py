"""nuScenes' relational tables (v1.0-*), read record by record: only key frames of the asked sensors stay in memory.

The full set has 2.6 million sample_data records; held as Python objects they would take several gigabytes. The sweeps of
one LiDAR between key frames, where they are asked for, are 0.3 million.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.lidar.files.nuscenes_records import (
    microseconds_of,
    table_records,
    text_of,
    values_of,
    version_folder,
    xyzw,
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One sweep or image of a sensor: its file, its time, and the keys of its calibration and pose."""

    token: str
    file: str
    stamp_ns: int
    width: int  # 0 for a LiDAR
    height: int
    calibration_token: str
    ego_pose_token: str


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """The shots of one annotated moment, by channel."""

    name: str  # scene and sample token
    shots: dict[str, Shot]

    @property
    def scene(self) -> str:
        """Name of its scene."""
        return self.name.partition("/")[0]

    @property
    def token(self) -> str:
        """Its sample token."""
        return self.name.rpartition("/")[2]

    def shot(self, channel: str) -> Shot:
        """What a sensor took; raises BadDataset naming the key frame when the tables lack it."""
        if channel not in self.shots:
            raise BadDataset(
                f"{self.name}: expected a key frame of {channel}, found {', '.join(sorted(self.shots))}. "
                "The tables are incomplete, or the sensor's name is misspelt."
            )
        return self.shots[channel]


class NuScenesTables:
    """Key frames of the asked channels and scenes, scene by scene in time order."""

    def __init__(
        self,
        folder: Path,
        version: str,
        channels: Iterable[str],
        scenes: Iterable[str] | None,
        sweeps_of: str | None = None,
    ) -> None:
        """sweeps_of: a channel whose shots between key frames are kept, too.

        Raises BadDataset when a table is missing, cut, or refers to records that are not there.
        """
        self.folder = version_folder(folder, version)
        self._channels, self._sweeps_of = frozenset(channels), sweeps_of
        self._known: dict[str, set[str]] = {
            "scene": set(),
            "sample": set(),
            "sensor": set(),
            "calibrated_sensor": set(),
        }
        scene_of_token = self._scene_of_token(scenes)
        self._channel_of, self._calibrations = self._read_calibrations()
        self._sweeps: dict[str, list[Shot]] = {}  # scene -> its shots of that channel, by time
        shots = self._read_shots(stamps := self._sample_stamps(scene_of_token))
        self.sample_stamp_us = {token: stamp[2] for token, stamp in stamps.items()}  # of all samples of the scenes
        self.key_frames = [
            KeyFrame(f"{stamps[token][0]}/{token}", shots[token])
            for token in sorted(stamps, key=lambda token: stamps[token][1:])
        ]
        self._pose_row, self._poses = self._read_ego_poses()
        self.label_file_of = self._read_label_files()
        self._known.clear()  # a data set is copied into other processes

    def earlier_sweeps(self, frame: KeyFrame, count: int) -> list[Shot]:
        """Up to `count` shots before a key frame's, the latest first, of the channel whose sweeps are kept; fewer at a scene's start."""
        sweeps = self._sweeps.get(frame.scene, [])
        stamps = [shot.stamp_ns for shot in sweeps]
        end = bisect_left(stamps, frame.shot(str(self._sweeps_of)).stamp_ns)
        return sweeps[max(0, end - count) : end][::-1]

    def T_global_ego(self, shot: Shot) -> RigidTransform:
        """Where the vehicle was when the shot was taken; raises BadTransform when its pose is missing or none."""
        row = self._pose_row.get(shot.ego_pose_token)
        if row is None:
            raise BadTransform(
                f"{self._table('ego_pose')}: expected the record {shot.ego_pose_token}, found none. "
                "Unpack the whole set again."
            )
        return RigidTransform.from_quaternion(self._poses[row, :4], self._poses[row, 4:])

    def T_global_sensor(self, shot: Shot) -> RigidTransform:
        """Where the sensor was then; raises as T_global_ego()."""
        T_global_ego = self.T_global_ego(shot)
        calibration = self._calibrations[shot.calibration_token]
        with values_of(self._table("calibrated_sensor")):
            return T_global_ego @ RigidTransform.from_quaternion(
                xyzw(calibration["rotation"]), calibration["translation"]
            )

    def intrinsics(self, shot: Shot) -> np.ndarray:
        """(3, 3) K of a camera."""
        with values_of(self._table("calibrated_sensor")):
            return np.array(self._calibrations[shot.calibration_token]["camera_intrinsic"], np.float64)

    def _scene_of_token(self, scenes: Iterable[str] | None) -> dict[str, tuple[int, str]]:
        with values_of(self._table("scene")):
            every = {record["token"]: (order, record["name"]) for order, record in enumerate(self._records("scene"))}
        self._known["scene"].update(every)
        if scenes is None:
            return every
        wanted = set(scenes)
        if unknown := sorted(wanted - {name for _, name in every.values()}):
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise BadDataset(
                f"{self.folder}: expected scenes of this version, found {', '.join(unknown[:3])}{more}. "
                "Choose another version, other scenes, or for v1.0-mini the splits mini_train and mini_val."
            )
        return {token: scene for token, scene in every.items() if scene[1] in wanted}

    def _sample_stamps(self, scene_of_token: dict[str, tuple[int, str]]) -> dict[str, tuple[str, int, int]]:
        """Sample token -> scene name, then what to sort by: the scene's place and the time in microseconds."""
        stamps = {}
        with values_of(self._table("sample")):
            for record in self._records("sample"):
                self._known["sample"].add(record["token"])
                scene = scene_of_token.get(self._reference(record, "scene"))
                if scene is not None:
                    stamps[record["token"]] = (scene[1], scene[0], microseconds_of(record))
        return stamps

    def _read_calibrations(self) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Calibration token -> channel, and -> record, both for the asked channels."""
        channel_of, calibrations = {}, {}
        with values_of(self._table("sensor")):
            channel_of_sensor = {record["token"]: record["channel"] for record in self._records("sensor")}
            self._known["sensor"].update(channel_of_sensor)
        with values_of(self._table("calibrated_sensor")):
            for record in self._records("calibrated_sensor"):
                self._known["calibrated_sensor"].add(record["token"])
                channel = channel_of_sensor[self._reference(record, "sensor")]
                if channel in self._channels:
                    channel_of[record["token"]], calibrations[record["token"]] = channel, record
        return channel_of, calibrations

    def _read_shots(self, stamps: dict[str, tuple[str, int, int]]) -> dict[str, dict[str, Shot]]:
        shots: dict[str, dict[str, Shot]] = {token: {} for token in stamps}
        with values_of(self._table("sample_data")):
            for record in self._records("sample_data"):
                channel = self._channel_of.get(self._reference(record, "calibrated_sensor"))
                if channel is None or self._reference(record, "sample") not in shots:
                    continue
                if record["is_key_frame"]:
                    shots[record["sample_token"]][channel] = _shot_of(record)
                if channel == self._sweeps_of:
                    self._sweeps.setdefault(stamps[record["sample_token"]][0], []).append(_shot_of(record))
        for sweeps in self._sweeps.values():
            sweeps.sort(key=lambda shot: shot.stamp_ns)
        return shots

    def _read_ego_poses(self) -> tuple[dict[str, int], np.ndarray]:
        """Pose token -> row, and rows of x y z w and x y z in metres."""
        tokens = {shot.ego_pose_token for frame in self.key_frames for shot in frame.shots.values()}
        tokens.update(shot.ego_pose_token for sweeps in self._sweeps.values() for shot in sweeps)
        rows: dict[str, int] = {}
        poses = np.empty((len(tokens), 7))
        with values_of(self._table("ego_pose")):
            for record in self._records("ego_pose"):
                if record["token"] in tokens and record["token"] not in rows:
                    poses[len(rows)] = (*xyzw(record["rotation"]), *record["translation"])
                    rows[record["token"]] = len(rows)
        return rows, poses

    def _read_label_files(self) -> dict[str, str]:
        """Shot token -> file of its point labels; empty where nuScenes-lidarseg is not installed."""
        if not self._table("lidarseg").exists():
            return {}
        tokens = {shot.token for frame in self.key_frames for shot in frame.shots.values()}
        with values_of(self._table("lidarseg")):
            records = self._records("lidarseg")
            return {r["sample_data_token"]: text_of(r, "filename") for r in records if r["sample_data_token"] in tokens}

    def _reference(self, record: Mapping[str, Any], table: str) -> str:
        """The token of a record in another table, which must be there: what it names would be passed over, unnoticed."""
        token = record[f"{table}_token"]
        if token not in self._known[table]:
            raise BadDataset(
                f"{self._table(table)}: expected the record {str(token)[:80]!r} that {str(record.get('token'))[:80]!r} refers "
                "to, found none. The tables are incomplete or of different versions: unpack the metadata again."
            )
        return str(token)

    def _records(self, table: str) -> Iterator[dict[str, Any]]:
        """Records of a table; a record without an expected key raises BadDataset naming table and key."""
        yield from table_records(self._table(table))

    def _table(self, table: str) -> Path:
        return self.folder / f"{table}.json"


def chosen_frames(key_frames: list[KeyFrame], tokens: Sequence[str] | None) -> list[KeyFrame]:
    """The key frames of some sample tokens, None = all; raises BadDataset naming those that are not there."""
    if tokens is None:
        return key_frames
    by_token = {frame.token: frame for frame in key_frames}
    if unknown := [token for token in tokens if token not in by_token]:
        told = f"found {len(unknown)} others, {', '.join(unknown[:3])} first. Correct them, or choose other scenes"
        raise BadDataset(f"frames: expected sample tokens of the chosen version and scenes, {told}.")
    return [by_token[token] for token in tokens]


def _shot_of(record: Mapping[str, Any]) -> Shot:
    return Shot(
        token=text_of(record, "token"),
        file=text_of(record, "filename"),
        stamp_ns=microseconds_of(record) * 1000,
        width=int(record["width"] or 0),
        height=int(record["height"] or 0),
        calibration_token=text_of(record, "calibrated_sensor_token"),
        ego_pose_token=text_of(record, "ego_pose_token"),
    )
