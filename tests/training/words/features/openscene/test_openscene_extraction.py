"""Extraction out of OpenScene's files: ready features and text embeddings take the place of an image model."""

import json

import numpy as np
import pytest

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadDataset, BadRequest
from offline_training.words.features import extract_features as command
from offline_training.words.features.extract_features import extract_features
from offline_training.words.features.run_features import open_features
from offline_training.words.image_models.base.config import OpenSceneFeaturesConfig
from offline_training.words.image_models.base.text_rows import read_text_rows
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.scenes.extract_config import ExtractConfig
from tests.recordings import recording
from tests.training.words.features.feature_scenes import Boxes, box_scene
from tests.training.words.features.made_features import words_config
from tests.training.words.features.openscene.fused_features import equal_fused, fused, per_visible_point, write_fused


def _text(folder, channels):
    rows = np.random.default_rng(0).normal(0, 1, (2, channels)).astype(np.float32)
    np.save(folder / "text.npy", rows)
    (folder / "names.json").write_text(json.dumps(["wall", "a box in a scene"]))
    return {"text_embeddings": str(folder / "text.npy"), "text_names": str(folder / "names.json")}


def test_extraction_reads_ready_features_and_names_scenes_without(tmp_path, monkeypatch):
    ready = tmp_path / "ready"
    ready.mkdir()
    monkeypatch.setattr(command, "open_sources", lambda config: [Boxes(None, 3)])
    there = {number: fused(600, 4, number) for number in range(2)}
    for number, each in there.items():
        write_fused(ready / f"{number}_0.pt", each)
    write_fused(ready / "2.pt", fused(599))
    model = {"kind": "openscene_features", "folder": str(ready), **_text(tmp_path, 4)}
    vlg = words_config(tmp_path / "out", model=model, extract={"voxel_m": None}, progress=False)
    with pytest.raises(BadDataset, match=r"1 scenes failed, 2 have features: .*600 points, .*found 599"):
        extract_features(vlg)
    for number, each in there.items():
        assert equal_fused(per_visible_point(open_features(vlg).read(f"box/{number}")), each)
    write_fused(ready / "2.pt", fused(600))
    assert len(extract_features(vlg).scenes) == 3


def test_features_from_disk_refuse_what_they_cannot_do(tmp_path):
    def opened(**changes):
        named = {"kind": "openscene_features", "folder": str(tmp_path), **changes}
        return open_image_model(validated(OpenSceneFeaturesConfig, named, "test"))

    text = _text(tmp_path, 5)
    with pytest.raises(BadDataset, match="expected features of scenes"):
        opened(**text)
    write_fused(tmp_path / "0.pt", fused(600, 4))
    with pytest.raises(BadConfig, match="found neither"):
        opened()
    with pytest.raises(BadConfig, match="found both"):
        opened(**text, text_model={"kind": "open_clip"})
    model = opened(**text)
    assert model.channels == 5
    assert model.text_features(["wall"]).shape == (1, 5)
    with pytest.raises(BadDataset, match=r"5 channels, as in the text embeddings, found 4"):
        model.scene_features(box_scene(), ExtractConfig(voxel_m=None))
    with pytest.raises(BadRequest, match="points only"):
        model.image_features([np.zeros((4, 4, 3), np.uint8)])
    before = model.identity()
    write_fused(tmp_path / "1.pt", fused())
    assert opened(**text).identity() != before


@pytest.mark.parametrize(("suffix", "channels"), [("768.pt", 768), ("768.npy", 768), ("512.pt", 512), ("512.npy", 512)])
def test_released_text_embeddings_are_read(tmp_path, test_data, suffix, channels):
    path = recording(test_data, f"weights_small/clip_text/clip_scannet_labels_{suffix}")
    names = tmp_path / "names.json"
    names.write_text(json.dumps([f"class {k}" for k in range(len(np.load(path.with_suffix(".npy"))))]))
    text = read_text_rows(path, names)
    assert text.channels == channels
    rows = text.text_features(["class 0", "class 5"])
    np.testing.assert_allclose(rows.norm(dim=1), 1.0, atol=1e-5)
    assert float(rows[0] @ rows[1]) < 0.95
