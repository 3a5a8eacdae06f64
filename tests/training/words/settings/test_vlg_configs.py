"""The configurations of 3DSS-VLG that are delivered: they load, their parts fit, and they hold the numbers they say."""

from pathlib import Path

import pytest

import offline_training
from lidar_vl_core.foundation.config import load_config
from offline_training.datasets.data_sources import data_set_spec
from offline_training.datasets.rgbd.s3dis import S3disSource
from offline_training.runs.backbones import preparer_of
from offline_training.words.settings.vlg_config import VlgConfig

FOLDER = Path(offline_training.__file__).parent / "configs" / "words"
CONFIGS = sorted(path for path in FOLDER.glob("*.yaml") if not path.stem.startswith("toy_language"))
TRAINED = [path for path in CONFIGS if path.stem != "openscene"]  # which reads what others have trained
RGBD = ("scannet", "s3dis", "openscene", "rgbd_folder", "synthetic_rooms", "plain_rooms")


def configuration(name: str) -> VlgConfig:
    return load_config(VlgConfig, FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_loads_and_its_words_ask_for_the_classes_of_its_truth(path):
    config = load_config(VlgConfig, path)
    assert config.words.class_table.names == config.class_table.names
    assert preparer_of(config) is not None
    for source in (*config.train, *config.validation):
        if getattr(source, "split", None) is not None:
            assert data_set_spec(source.kind).chosen_sequences(source)


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.stem)
def test_depth_and_colours_are_asked_of_rgbd_scenes_alone(path):
    config = load_config(VlgConfig, path)
    has_depth = all(source.kind in RGBD for source in config.train)
    assert (config.extract.occlusion == "depth") == has_depth
    assert ("red" in config.features) == has_depth
    assert (config.guide.augment == "indoor") == has_depth
    if not has_depth:
        assert config.extract.min_depth_m == 1.0


def test_a_large_cloud_fits_the_grid_of_every_configuration():
    for path in CONFIGS:
        grid = load_config(VlgConfig, path).grid
        bits = sum((cells - 1).bit_length() for cells in grid.shape)
        assert bits + (1_000_000 - 1).bit_length() <= 63, path.stem  # what voxelise() can sort


def test_scannets_hold_the_numbers_of_paper_and_code():
    paper, code = configuration("scannet"), configuration("scannet_code")
    for config in (paper, code):
        assert (config.network, config.voxel_size, config.features) == (
            "minkunet_18a",
            (0.02,) * 3,
            ("red", "green", "blue"),
        )
        assert (config.guide.batch_size, config.guide.learning_rate, config.guide.power) == (4, 0.001, 0.9)
        assert config.guide.max_steps == pytest.approx(100 * 5 * 1201 / 4, rel=0.01)
        assert (config.extract.relative_margin, config.extract.border_px) == (0.25, 10)
        assert (config.specialise.mix, config.specialise.reduction, config.specialise.learning_rate) == (0.05, 4, 0.003)
    assert (paper.specialise.epochs, paper.specialise.batch_size, paper.guide.select) == (80, 16, "last")
    assert (code.specialise.epochs, code.specialise.batch_size, code.guide.select) == (150, 24, "validation_truth")
    assert (paper.words.templates, code.words.templates) == (("a {} in a scene",), ("{}",))
    assert paper.words.prompts[-1] == code.words.prompts[-1] == "other"
    assert paper.words.templates_of_prompt[-1] == code.words.templates_of_prompt[-1] == ("{}",)
    assert (paper.extract.components, paper.shape.stem_kernel, code.shape.stem_kernel) == (None, 5, 5)


def test_matterport_tells_surfaces_apart_as_openscene_does():
    assert configuration("matterport").extract.relative_margin == 0.02


def test_s3dis_never_trains_on_area_5():
    (train,), (validation,) = configuration("s3dis").train, configuration("s3dis").validation
    assert isinstance(train, S3disSource)
    trained, validated = (set(data_set_spec("s3dis").chosen_sequences(source)) for source in (train, validation))
    assert trained & validated == set()
