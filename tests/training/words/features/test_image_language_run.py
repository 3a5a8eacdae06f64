"""A CLIP of open_clip through the first command of 3DSS-VLG: features of scenes and the text table of the run."""

import numpy as np

from lidar_vl_core.model_packages.language_spec import TEXT_TABLE
from lidar_vl_core.words.text_table import label_embeddings
from lidar_vl_core.words.text_table_file import write_text_table
from offline_training.words.features import extract_features as command
from offline_training.words.features.run_features import open_features
from offline_training.words.features.run_text import embedded_words, read_run_text
from tests.training.words.features.feature_scenes import Boxes, box_scene
from tests.training.words.features.made_features import words_config
from tests.training.words.image_models.tiny_clips import CHANNELS, tiny_config


def test_features_and_words_of_a_run_lie_in_one_space(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    monkeypatch.setattr(command, "open_sources", lambda config: [Boxes(tmp_path / "pictures", 1)])
    model = tiny_config(tmp_path).model_dump()
    settings = words_config(tmp_path / "out", model=model, extract={"border_px": 2}, threads=1, progress=False)
    command.extract_features(settings)
    features = open_features(settings).read(box_scene(tmp_path / "pictures", 0).name)
    assert features.feature.shape[1] == CHANNELS
    assert np.isfinite(features.feature).all()
    table = embedded_words(settings, settings.words)
    write_text_table(tmp_path / "out" / TEXT_TABLE, table)
    assert read_run_text(settings).text_space == table.text_space
    assert table.text_space.startswith("open_clip:tiny:")
    class_id, _ = label_embeddings(features.per_point(), table)
    assert (class_id[~features.visible] == 255).all()
