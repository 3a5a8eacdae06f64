"""nuScenes' relational tables (v1.0-*), read record by record: only key frames of the asked sensors stay in memory.

The full set has 2.6 million sample_data records; held as Python objects they would take several gigabytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lidar_vl_core.foundation.errors import BadDataset, BadTransform
from lidar_vl_core.geometry.rigid_transform import RigidTransform

_PIECE_CHARACTERS = 1 << 20


@dataclass(frozen=True, slots=True)
class Shot:
    """One sensor's key frame: its file, its time, and the keys of its calibration and pose."""

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


class NuScenesTables:
    """Key frames of the asked channels and scenes, scene by scene in time order."""

    def __init__(self, folder: Path, version: str, channels: Iterable[str], scenes: Iterable[str] | None) -> None:
        """Raises BadDataset when a table is missing, cut, or refers to records that are not there."""
        self.folder = version_folder(folder, version)
        self._channels = frozenset(channels)
        scene_of_token = self._scene_of_token(scenes)
        self._channel_of, self._calibrations = self._read_calibrations()
        shots = self._read_shots(stamps := self._sample_stamps(scene_of_token))
        self.key_frames = [
            KeyFrame(f"{stamps[token][0]}/{token}", shots[token])
            for token in sorted(stamps, key=lambda token: stamps[token][1:])
            if shots[token]
        ]
        self._pose_row, self._poses = self._read_ego_poses()
        self.label_file_of = self._read_label_files()

    def T_global_sensor(self, shot: Shot) -> RigidTransform:
        """Where the sensor was when the shot was taken; raises BadTransform when its pose is missing or none."""
        row = self._pose_row.get(shot.ego_pose_token)
        if row is None:
            raise BadTransform(
                f"{self.folder / 'ego_pose.json'}: expected the record {shot.ego_pose_token}, found none. "
                "Unpack the whole set again."
            )
        T_global_ego = RigidTransform.from_quaternion(self._poses[row, :4], self._poses[row, 4:])
        calibration = self._calibrations[shot.calibration_token]
        with self._numbers_of("calibrated_sensor"):
            return T_global_ego @ RigidTransform.from_quaternion(
                _xyzw(calibration["rotation"]), calibration["translation"]
            )

    def intrinsics(self, shot: Shot) -> np.ndarray:
        """(3, 3) K of a camera."""
        with self._numbers_of("calibrated_sensor"):
            return np.array(self._calibrations[shot.calibration_token]["camera_intrinsic"], np.float64)

    def _scene_of_token(self, scenes: Iterable[str] | None) -> dict[str, tuple[int, str]]:
        every = {record["token"]: (order, record["name"]) for order, record in enumerate(self._records("scene"))}
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
        with self._numbers_of("sample"):
            for record in self._records("sample"):
                scene = scene_of_token.get(record["scene_token"])
                if scene is not None:
                    stamps[record["token"]] = (scene[1], scene[0], int(record["timestamp"]))
        return stamps

    def _read_calibrations(self) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Calibration token -> channel, and -> record, both for the asked channels."""
        channel_of_sensor = {record["token"]: record["channel"] for record in self._records("sensor")}
        channel_of, calibrations = {}, {}
        for record in self._records("calibrated_sensor"):
            channel = channel_of_sensor.get(record["sensor_token"])
            if channel in self._channels:
                channel_of[record["token"]], calibrations[record["token"]] = channel, record
        return channel_of, calibrations

    def _read_shots(self, stamps: dict[str, tuple[str, int, int]]) -> dict[str, dict[str, Shot]]:
        shots: dict[str, dict[str, Shot]] = {token: {} for token in stamps}
        with self._numbers_of("sample_data"):
            for record in self._records("sample_data"):
                channel = self._channel_of.get(record["calibrated_sensor_token"])
                if channel is not None and record["is_key_frame"] and record["sample_token"] in shots:
                    shots[record["sample_token"]][channel] = _shot_of(record)
        return shots

    def _read_ego_poses(self) -> tuple[dict[str, int], np.ndarray]:
        """Pose token -> row, and rows of x y z w and x y z in metres."""
        tokens = {shot.ego_pose_token for frame in self.key_frames for shot in frame.shots.values()}
        rows: dict[str, int] = {}
        poses = np.empty((len(tokens), 7))
        with self._numbers_of("ego_pose"):
            for record in self._records("ego_pose"):
                if record["token"] in tokens and record["token"] not in rows:
                    poses[len(rows)] = (*_xyzw(record["rotation"]), *record["translation"])
                    rows[record["token"]] = len(rows)
        return rows, poses

    def _read_label_files(self) -> dict[str, str]:
        """Shot token -> file of its point labels; empty where nuScenes-lidarseg is not installed."""
        if not (self.folder / "lidarseg.json").exists():
            return {}
        tokens = {shot.token for frame in self.key_frames for shot in frame.shots.values()}
        records = self._records("lidarseg")
        return {r["sample_data_token"]: r["filename"] for r in records if r["sample_data_token"] in tokens}

    def _records(self, table: str) -> Iterator[dict[str, Any]]:
        """Records of a table; a record without an expected key raises BadDataset naming table and key."""
        path = self.folder / f"{table}.json"
        for record in _stream(path):
            yield _Record(record, path)

    @contextmanager
    def _numbers_of(self, table: str) -> Iterator[None]:
        try:
            yield
        except (TypeError, ValueError) as error:
            raise BadDataset(
                f"{self.folder / table}.json: expected numbers as nuScenes writes them, found: {error}. Unpack it again."
            ) from error


class _Record(dict[str, Any]):
    """A record whose missing keys are named together with its table."""

    def __init__(self, record: dict[str, Any], path: Path) -> None:
        super().__init__(record)
        self._path = path

    def __missing__(self, key: str) -> Any:  # noqa: ANN401
        raise BadDataset(
            f"{self._path}: expected the key {key!r}, found {sorted(self)}. This is not a nuScenes v1.0 table."
        )


def version_folder(folder: Path, version: str) -> Path:
    """The folder of a version's tables; raises BadDataset with the versions that are there and how to ask for one."""
    if (folder / version).is_dir():
        return folder / version
    there = _versions(folder)
    if there:
        found, advice = (
            ", ".join(there),
            f"Ask for it by `version: {there[0]}`, on a command line by version={there[0]}.",
        )
    elif (folder / "scene.json").is_file():
        found = "the tables themselves"
        advice = f"Point to the folder above, {folder.resolve().parent}, and ask for version={folder.resolve().name}."
    elif below := [each for each in sorted(folder.glob("*/")) if _versions(each)]:
        found, advice = f"{below[0].name}/{_versions(below[0])[0]}", f"Point to {below[0]}."
    else:
        found, advice = "no folder of tables", "Unpack the metadata there, or correct the folder."
    raise BadDataset(f"{folder}: expected nuScenes' tables {version}/*.json, found {found}. {advice}")


def _versions(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("*/scene.json"))


def scene_names(folder: Path, version: str) -> list[str]:
    """Names of all scenes in the order of the scene table, by which fractions of the labels are chosen. Raises BadDataset."""
    path = version_folder(folder, version) / "scene.json"
    return [_Record(record, path)["name"] for record in _stream(path)]


def _shot_of(record: Mapping[str, Any]) -> Shot:
    return Shot(
        token=record["token"],
        file=record["filename"],
        stamp_ns=int(record["timestamp"]) * 1000,
        width=int(record["width"] or 0),
        height=int(record["height"] or 0),
        calibration_token=record["calibrated_sensor_token"],
        ego_pose_token=record["ego_pose_token"],
    )


def _stream(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON array, one by one, never holding more than a piece of the text."""
    decoder = json.JSONDecoder()
    try:
        with path.open(encoding="utf-8") as file:
            text, position = file.read(_PIECE_CHARACTERS).lstrip(), 1
            if not text.startswith("["):
                raise BadDataset(f"{path}: expected a JSON list of records, found {text[:20]!r}. Unpack it again.")
            while True:
                while position < len(text) and text[position] in " \t\r\n,":
                    position += 1
                if text[position : position + 1] == "]":
                    return
                try:
                    record, position = decoder.raw_decode(text, position)
                    if not isinstance(record, dict):
                        raise BadDataset(f"{path}: expected objects in the list, found {record!r}. Unpack it again.")
                except json.JSONDecodeError as error:
                    more = file.read(_PIECE_CHARACTERS)
                    if not more:
                        raise BadDataset(
                            f"{path}: expected a whole JSON list, found: {error}. Unpack it again."
                        ) from error
                    text, position = text[position:] + more, 0
                    continue
                yield record
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataset(
            f"{path}: expected a readable table, found: {error}. Point to the folder that holds v1.0-*."
        ) from error


def _xyzw(wxyz: list[float]) -> list[float]:
    return [*wxyz[1:], wxyz[0]]
