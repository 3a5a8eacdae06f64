"""import-checkpoint --kind openscene: files in OpenScene's layout give here what MinkowskiEngine's definition gives there."""

import numpy as np
import pytest
import torch

from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadCheckpoint, BadConfig
from lidar_vl_core.words.vocabulary import vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.cli.main import main
from offline_training.export.onnx_writer import onnx_model
from offline_training.networks.sparse.minkunet_shapes import SHAPES
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.guidance import import_openscene as importing
from offline_training.words.stages.guidance.import_openscene import import_openscene
from offline_training.words.stages.guidance.inference import load_language_network, load_text_table, row_embeddings
from tests.training.runs.minkowski_reference import random_state, res16unet

CHANNELS, SIDE_M, SHAPE = 768, 0.02, SHAPES["minkunet_18a"]
STATE = random_state(np.random.default_rng(5), SHAPE.stem, SHAPE.planes, SHAPE.blocks, 3, stem_volume=125)
FINAL = np.random.default_rng(6).normal(0, 0.1, (96, CHANNELS)).astype(np.float32)


def run_config(**changes: object) -> VlgConfig:
    asked = {
        "out": "unused", "train": [], "model": {"kind": "toy", "folder": "unused"}, "network": "minkunet_18a", "stem_kernel": 5,
        "voxel_size": [SIDE_M] * 3, "point_cloud_range": [-0.64, -0.64, -0.64, 0.64, 0.64, 0.64], "features": ["one"],
    }  # fmt: skip
    return validated(VlgConfig, asked | changes, "test")


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """Text of 768 channels, as CLIP's tower would give it."""

    def embedded(config: VlgConfig, _vocabulary: object) -> object:
        vocabulary = vocabulary_of_prompts(["chair", "table"])
        return text_table(
            vocabulary, np.random.default_rng(0).normal(size=(2, CHANNELS)).astype(np.float32), 100.0, "space"
        )

    monkeypatch.setattr(importing, "embedded_words", embedded)


def written(path, prefix: str, **more: np.ndarray):
    state = {**STATE, "final.kernel": FINAL, **more}
    tensors = {prefix + name: torch.from_numpy(np.array(each)) for name, each in state.items()}
    torch.save({"epoch": 20, "state_dict": tensors, "optimizer": {}, "best_iou": 0.5}, path)
    return path


@pytest.mark.parametrize(
    ("prefix", "features"),
    [("module.net3d.", ("one",)), ("net3d.", ("red", "green", "blue"))],
    ids=["OpenScene, three ones", "3DSS-VLG, colours"],
)
def test_a_whole_network_embeds_what_minkowski_computes(tmp_path, prefix, features):
    file = written(tmp_path / "scannet_openseg.pth.tar", prefix)
    imported = import_openscene(file, run_config(features=list(features)), tmp_path / "out")
    network, config = load_language_network(imported.path)
    rng = np.random.default_rng(1)
    cells = np.unique(rng.integers(-4, 4, (40, 3)), axis=0)
    xyz_m = ((cells + 0.5) * SIDE_M).astype(np.float32)
    rgb = rng.integers(0, 256, (len(cells), 3), dtype=np.uint8)
    scan = (xyz_m, np.zeros(len(cells), np.float32), rgb)
    rows, row_of_point = row_embeddings(network, config, scan if "red" in features else scan[:2])
    seen = rgb / 127.5 - 1.0 if "red" in features else np.ones((len(cells), 3))
    expected = res16unet(dict(zip(map(tuple, cells.tolist()), seen, strict=True)), STATE)
    there = np.array([expected[tuple(cell)] @ FINAL for cell in cells.tolist()])
    assert np.abs(there).max() > 0.5
    np.testing.assert_allclose(rows[row_of_point], there, rtol=0, atol=1e-5 * np.abs(there).max())
    assert load_text_table(imported.path).names == ("chair", "table")
    assert "768 channels in the space space" in str(imported)
    assert any(value.name == "wide0" for value in onnx_model(network, "openscene").graph.input)


def test_another_file_another_head_and_other_words_are_refused(tmp_path):
    torch.save({"state_dict": {"conv.weight": torch.zeros(1)}}, tmp_path / "other.pt")
    with pytest.raises(BadCheckpoint, match=r"one tensor conv0p1s1\.kernel of a MinkUNet, found 0"):
        import_openscene(tmp_path / "other.pt", run_config(), tmp_path / "out")
    file = written(tmp_path / "bias.pt", "", **{"final.bias": np.ones((1, CHANNELS), np.float32)})
    with pytest.raises(BadCheckpoint, match="without a bias, found one with a bias"):
        import_openscene(file, run_config(), tmp_path / "out")
    with pytest.raises(BadConfig, match=r"expected 5, and \['one'\] \(OpenScene\) or .*found 3"):
        import_openscene(tmp_path / "bias.pt", run_config(stem_kernel=3), tmp_path / "out")
    with pytest.raises(BadCheckpoint, match=r"missing: block2\.2"):
        import_openscene(written(tmp_path / "a.pt", ""), run_config(network="minkunet_34c"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_wants_a_configuration_for_this_kind_alone(tmp_path, capsys):
    file = written(tmp_path / "a.pt", "")
    common = ["import-checkpoint", str(file), "--out", str(tmp_path / "out")]
    assert main([*common, "--kind", "openscene"]) != 0
    assert "--config: expected with --kind openscene alone, found none" in capsys.readouterr().err
    assert main([*common, "--kind", "slidr", "--config", str(file)]) != 0
    assert "Leave it out." in capsys.readouterr().err
