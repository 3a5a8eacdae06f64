"""nuScenes as samples: a recorded key frame behind tables of the real format, written here, and its reader's economy."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from lidar_vl_core.cameras.pairing import point_pixel_pairs
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.foundation.errors import BadDataset
from lidar_vl_core.geometry.rigid_transform import RigidTransform
from offline_training.datasets.base.sample import T_FLU_RFU
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.lidar.files.nuscenes_tables import NuScenesTables
from offline_training.datasets.lidar.nuscenes import CAMERAS, NuScenes, NuScenesSource
from tests.recordings import recording
from tests.written.lidar_data_sets import write_nuscenes

NUSCENES_16 = class_table("nuscenes16")


def _transform(matrix) -> RigidTransform:
    return RigidTransform.from_matrix(np.array(matrix))


def _wxyz(T: RigidTransform) -> list[float]:
    x, y, z, w = T.quaternion()
    return [w, x, y, z]


def write_tables(
    folder, files, T_ego_sensor, T_global_ego, intrinsics, stamps_us, size_px, raw_labels=None, scene="scene-0061"
):
    """A v1.0-mini folder with one scene of one key frame, and one sweep between key frames that must be left out."""
    tables = {name: [] for name in ("scene", "sample", "sensor", "calibrated_sensor", "sample_data", "ego_pose", "log")}
    tables["log"].append({"token": "log", "logfile": "n015", "vehicle": "n015", "date_captured": "", "location": ""})
    tables["scene"].append({
        "token": "scene", "log_token": "log", "nbr_samples": 1, "first_sample_token": "sample",
        "last_sample_token": "sample", "name": scene, "description": "parked truck, \"quotes\", [brackets]",
    })  # fmt: skip
    tables["sample"].append(
        {"token": "sample", "timestamp": stamps_us["LIDAR_TOP"], "prev": "", "next": "", "scene_token": "scene"}
    )
    for channel, file in files.items():
        modality = "lidar" if channel == "LIDAR_TOP" else "camera"
        tables["sensor"].append({"token": f"s{channel}", "channel": channel, "modality": modality})
        tables["calibrated_sensor"].append({
            "token": f"c{channel}", "sensor_token": f"s{channel}", "rotation": _wxyz(T_ego_sensor[channel]),
            "translation": T_ego_sensor[channel].translation_m.tolist(), "camera_intrinsic": intrinsics.get(channel, []),
        })  # fmt: skip
        width, height = (0, 0) if modality == "lidar" else size_px
        for is_key_frame in (False, True):
            token = f"{'key' if is_key_frame else 'sweep'}-{channel}"
            tables["sample_data"].append({
                "token": token, "sample_token": "sample", "ego_pose_token": token,
                "calibrated_sensor_token": f"c{channel}", "timestamp": stamps_us[channel] + (not is_key_frame),
                "fileformat": "pcd" if modality == "lidar" else "jpg", "is_key_frame": is_key_frame,
                "height": height, "width": width, "filename": str(file), "prev": "", "next": "",
            })  # fmt: skip
            pose = T_global_ego[channel]
            tables["ego_pose"].append({
                "token": token, "timestamp": stamps_us[channel], "rotation": _wxyz(pose),
                "translation": pose.translation_m.tolist(),
            })  # fmt: skip
    if raw_labels is not None:
        (folder / "lidarseg" / "v1.0-mini").mkdir(parents=True)
        raw_labels.tofile(folder / "lidarseg" / "v1.0-mini" / "key-LIDAR_TOP_lidarseg.bin")
        tables["lidarseg"] = [{
            "token": "key-LIDAR_TOP", "sample_data_token": "key-LIDAR_TOP",
            "filename": "lidarseg/v1.0-mini/key-LIDAR_TOP_lidarseg.bin",
        }]  # fmt: skip
    (folder / "v1.0-mini").mkdir(parents=True, exist_ok=True)
    for name, records in tables.items():
        (folder / "v1.0-mini" / f"{name}.json").write_text(json.dumps(records, indent=0))
    return folder


@pytest.fixture(scope="module")
def frame(test_data):
    path = recording(test_data, "nuscenes_*/frame.json")
    return json.loads(path.read_text()) | {"folder": path.parent}


@pytest.fixture(scope="module")
def raw_labels(frame):
    points = (frame["folder"] / frame["lidar"]["file"]).stat().st_size // 20
    return np.random.default_rng(0).integers(0, 32, points).astype(np.uint8)


@pytest.fixture(scope="module")
def data_set(frame, raw_labels, tmp_path_factory):
    """Tables around the real files; each camera's own ego pose is what its lidar2cam matrix implies."""
    T_ego_lidar, T_global_ego = _transform(frame["lidar"]["lidar2ego"]), _transform(frame["ego2global_at_lidar"])
    files = {"LIDAR_TOP": frame["folder"] / frame["lidar"]["file"]}
    mounts, poses = {"LIDAR_TOP": T_ego_lidar}, {"LIDAR_TOP": T_global_ego}
    stamps_us, intrinsics = {"LIDAR_TOP": round(frame["timestamp_s"] * 1e6)}, {}
    for channel, shot in frame["cameras"].items():
        files[channel], intrinsics[channel] = frame["folder"] / shot["file"], shot["K"]
        mounts[channel], stamps_us[channel] = _transform(shot["cam2ego"]), round(shot["timestamp_s"] * 1e6)
        T_global_cam = T_global_ego @ T_ego_lidar @ _transform(shot["lidar2cam"]).inverse()
        poses[channel] = T_global_cam @ mounts[channel].inverse()
    folder = tmp_path_factory.mktemp("nuscenes")
    shot = frame["cameras"]["CAM_FRONT"]
    tables = write_tables(
        folder, files, mounts, poses, intrinsics, stamps_us, (shot["width"], shot["height"]), raw_labels
    )
    return NuScenes(tables, version="v1.0-mini")


def test_the_frame_comes_with_x_forward_and_intensity_in_0_to_1(data_set, frame):
    sample = data_set[0]
    raw = np.fromfile(frame["folder"] / frame["lidar"]["file"], np.float32).reshape(-1, 5)
    assert (len(data_set), sample.name, len(sample.cloud)) == (1, "scene-0061/sample", len(raw))
    assert_allclose(sample.cloud.xyz_m, np.stack([raw[:, 1], -raw[:, 0], raw[:, 2]], axis=1))
    assert_allclose(sample.cloud.intensity, raw[:, 3] / 255)
    assert sample.cloud.extra["ring"].max() == 31
    assert sample.cloud.stamp_ns == round(frame["timestamp_s"] * 1e6) * 1000


def test_every_camera_sees_the_points_where_the_given_matrices_put_them(data_set, frame):
    sample = data_set[0]
    assert tuple(view.name for view in sample.views) == CAMERAS
    for view in sample.views:
        shot = frame["cameras"][view.name]
        given = _transform(shot["lidar2cam"]) @ T_FLU_RFU.inverse()
        assert_allclose(view.T_cam_lidar.matrix(), given.matrix(), atol=1e-6)
        assert_allclose(view.camera.K, shot["K"])
        assert view.stamp_ns == round(shot["timestamp_s"] * 1e6) * 1000
        assert view.load_rgb().shape == (shot["height"], shot["width"], 3)
    pairs = point_pixel_pairs(sample.cloud.xyz_m, [(view.camera, view.T_cam_lidar) for view in sample.views])
    assert np.bincount(pairs.camera_index).min() > 0.07 * len(sample.cloud)


def test_the_motion_between_sweep_and_image_is_in_the_transform(data_set, frame):
    """With one ego pose for all, as a static mount would say, the front camera would be off by the way driven."""
    view = next(view for view in data_set[0].views if view.name == "CAM_FRONT")
    static = (
        _transform(frame["cameras"]["CAM_FRONT"]["cam2ego"]).inverse()
        @ _transform(frame["lidar"]["lidar2ego"])
        @ T_FLU_RFU.inverse()
    )
    driven_m = np.linalg.norm(static.translation_m - view.T_cam_lidar.translation_m)
    assert 0.1 < driven_m < 0.6  # 35 ms at city speed


def test_boxes_of_the_frame_hold_the_points_counted_for_them(data_set, frame):
    """The points are in the frame of the published boxes, once both are turned alike."""
    xyz_m = T_FLU_RFU.inverse().apply(data_set[0].cloud.xyz_m)
    exact = 0
    for box in frame["boxes"]:
        cosine, sine = np.cos(box["yaw"]), np.sin(box["yaw"])
        local = (xyz_m - np.array(box["center"])) @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        inside = (np.abs(local) <= np.array(box["lwh"]) / 2).all(axis=1)
        exact += int(inside.sum() == box["num_lidar_pts"])
    assert exact >= 0.79 * len(frame["boxes"])


def test_raw_lidarseg_ids_become_the_16_classes(data_set, raw_labels):
    class_id = data_set[0].class_id
    assert (class_id[raw_labels == 17] == NUSCENES_16.id_of("car")).all()
    assert (class_id[np.isin(raw_labels, (15, 16))] == NUSCENES_16.id_of("bus")).all()
    assert (class_id[np.isin(raw_labels, (0, 31))] == 255).all()


def test_without_lidarseg_there_are_no_classes(data_set, tmp_path):
    without = tmp_path / "v1.0-mini"
    without.mkdir()
    for table in (data_set.folder / "v1.0-mini").glob("*.json"):
        if table.stem != "lidarseg":
            (without / table.name).write_bytes(table.read_bytes())
    assert NuScenes(tmp_path, version="v1.0-mini", cameras=())[0].class_id is None


def test_scenes_and_frames_can_be_chosen_and_unknown_ones_are_named(data_set):
    folder = data_set.folder
    assert len(NuScenes(folder, "v1.0-mini", scenes=["scene-0061"], frames=["sample"])) == 1
    assert len(NuScenes(folder, "v1.0-mini", scenes=[])) == 0
    with pytest.raises(BadDataset, match="scene-9999"):
        NuScenes(folder, "v1.0-mini", scenes=["scene-9999"])
    with pytest.raises(BadDataset, match="nowhere"):
        NuScenes(folder, "v1.0-mini", frames=["nowhere"])
    with pytest.raises(BadDataset, match="CAM_SIDE"):
        NuScenes(folder, "v1.0-mini", cameras=["CAM_SIDE"])[0]


@pytest.mark.parametrize(
    ("below", "version", "told"),
    [
        ("", "v1.0-trainval", r"v1.0-trainval/\*.json, found v1.0-mini. Ask for it .* version=v1.0-mini"),
        ("v1.0-mini", "v1.0-mini", "found the tables themselves. Point to the folder above, .* version=v1.0-mini"),
        ("..", "v1.0-mini", "found set/v1.0-mini. Point to .*/set"),
        ("v1.0-mini/none", "v1.0-mini", "found no folder of tables"),
    ],
)
@pytest.mark.parametrize("label_skip", [1, 2])
def test_another_version_or_folder_is_named_with_how_to_ask_for_it(below, version, told, label_skip, tmp_path):
    folder = tmp_path / "set"
    write_nuscenes(folder, "v1.0-mini", {"scene-0061": 1})
    (folder / "v1.0-mini" / "none").mkdir()
    source = NuScenesSource(folder=str(folder / below), version=version, label_skip=label_skip)
    with pytest.raises(BadDataset, match=told):
        open_source(source, class_table("nuscenes16"))


def test_tables_keep_only_key_frames_of_the_asked_sensors(data_set):
    tables = NuScenesTables(data_set.folder, "v1.0-mini", ["LIDAR_TOP", "CAM_BACK"], None)
    assert sorted(tables.key_frames[0].shots) == ["CAM_BACK", "LIDAR_TOP"]
    assert {shot.token for shot in tables.key_frames[0].shots.values()} == {"key-CAM_BACK", "key-LIDAR_TOP"}
    assert len(tables._poses) == 2


def test_a_table_larger_than_one_piece_of_text_is_read_whole(tmp_path, monkeypatch):
    from offline_training.datasets.lidar.files import nuscenes_records

    records = [{"token": str(number), "text": 'a "quoted", [nested] {text} é' * (number % 7)} for number in range(200)]
    (tmp_path / "table.json").write_text(json.dumps(records, indent=1, ensure_ascii=False), encoding="utf-8")
    for piece in (1, 7, 100, 1 << 20):
        monkeypatch.setattr(nuscenes_records, "_PIECE_CHARACTERS", piece)
        assert list(nuscenes_records._stream(tmp_path / "table.json")) == records
    (tmp_path / "table.json").write_text("[\n]\n")
    assert list(nuscenes_records._stream(tmp_path / "table.json")) == []
