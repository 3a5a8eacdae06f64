"""Whatever a disk or a download does to files of RGB-D data sets, the reader refuses them by name or reads what is there."""

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.foundation.errors import BadDataset
from offline_training.datasets.rgbd.files.openscene_file import read_scene_file
from offline_training.datasets.rgbd.files.scannet_labels import read_segments
from offline_training.datasets.rgbd.files.sens_file import open_sens
from offline_training.datasets.rgbd.rgbd_folder import RgbdFolder
from tests.written.rgbd_scenes import frames, sens_bytes, write_seven_scenes

_SHOTS = frames(2)
_POSES = [pose.matrix() for pose, _, _ in _SHOTS]
_COLORS, _DEPTHS = [rgb for _, rgb, _ in _SHOTS], [depth for _, _, depth in _SHOTS]
_SENS = {kind: sens_bytes(_POSES, _COLORS, _DEPTHS, color_kind=kind) for kind in ("raw", "png", "jpeg")}
_CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=8)


def _changed(content: bytes, changes: list[tuple[int, int]], cut: int) -> bytes:
    altered = bytearray(content[: len(content) - cut % len(content)])
    for place, value in changes:
        altered[place % len(altered)] = value
    return bytes(altered)


@settings(max_examples=150)
@given(st.sampled_from(sorted(_SENS)), _CHANGES, st.sampled_from([0, 0, 1, 100, 5000]))
def test_a_recording_with_wrong_bytes_is_refused_or_read(kind, changes, cut):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sens"
        path.write_bytes(_changed(_SENS[kind], changes, cut))
        with contextlib.suppress(BadDataset):
            sens = open_sens(path)
            for number in range(min(len(sens.frames), 3)):
                with contextlib.suppress(BadDataset):
                    assert sens.rgb(number).shape == (*sens.color_size[::-1], 3)
                with contextlib.suppress(BadDataset):
                    assert sens.depth_m(number).shape == sens.depth_size[::-1]


@settings(max_examples=60)
@given(st.sampled_from(["color.png", "depth.png", "pose.txt"]), _CHANGES, st.sampled_from([0, 1, 30]))
def test_a_frame_with_wrong_bytes_is_refused_or_read(kind, changes, cut):
    with tempfile.TemporaryDirectory() as folder:
        scene = write_seven_scenes(Path(folder) / "room", 2)
        path = scene / f"frame-000001.{kind}"
        path.write_bytes(_changed(path.read_bytes(), changes, cut))
        with contextlib.suppress(BadDataset):
            sample = RgbdFolder(scene)[0]
            assert len(sample.cloud) > 0


@settings(max_examples=60)
@given(_CHANGES, st.sampled_from([0, 1, 200]))
def test_a_processed_scene_with_wrong_bytes_is_refused_or_read(changes, cut):
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pth"
        torch.save((np.zeros((5, 3)), 0, np.zeros(5, np.int64)), path)
        path.write_bytes(_changed(path.read_bytes(), changes, cut))
        with contextlib.suppress(BadDataset):
            xyz_m, _, _ = read_scene_file(path)
            assert xyz_m.shape[1] == 3


@pytest.mark.parametrize(("told", "instead"), [(b"latin1", b"latinX"), (b"dtype", b"dtypo")])
def test_a_processed_scene_that_names_what_there_is_not_is_refused(tmp_path, told, instead):
    import torch

    path = tmp_path / "a.pth"
    torch.save((np.zeros((5, 3)), 0, np.zeros(5, np.int64)), path)
    content = path.read_bytes()
    assert told in content
    path.write_bytes(content.replace(told, instead))
    with pytest.raises(BadDataset, match=r"a\.pth: expected .* saved by torch, found: "):
        read_scene_file(path)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"segIndices": {}}', '{"segIndices": [1e400, 2]}', '{"segIndices": [[1], 2]}', "\x00"]
)
def test_segments_of_any_other_form_are_refused(content, tmp_path):
    (tmp_path / "s_vh_clean_2.0.01.segs.json").write_text(content)
    with pytest.raises(BadDataset):
        read_segments(tmp_path, "s", 2)
    (tmp_path / "s_vh_clean_2.0.01.segs.json").write_text(json.dumps({"segIndices": [3, 4]}))
    assert read_segments(tmp_path, "s", 2).tolist() == [3, 4]
