"""The text table of a run: written by pseudo_label() from the image model, read by every later stage.

Touches the disk.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadTextTable
from lidar_vl_core.model_packages.language_spec import TEXT_TABLE
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.text_table_file import read_text_table
from lidar_vl_core.words.vocabulary import Vocabulary
from lidar_vl_core.words.vocabulary_table import text_table
from offline_training.words.image_models.base.dense_model import text_matrix
from offline_training.words.image_models.open_model import open_image_model
from offline_training.words.settings.vlg_config import VlgConfig


def embedded_words(config: VlgConfig, vocabulary: Vocabulary) -> TextTable:
    """Embed any words in the text space of a run's image model, for queries to networks of the run."""
    model = open_image_model(config.model)
    rows = text_matrix(model, vocabulary)
    return text_table(vocabulary, rows, model.logit_scale, text_space_of(model.identity()))


def read_run_text(config: VlgConfig) -> TextTable:
    """The table that pseudo_label() wrote. Raises BadTextTable if it is missing or has other words."""
    path = Path(config.out) / TEXT_TABLE
    if not path.is_file():
        raise BadTextTable(
            f"{path}: expected the text table of the run, found none. Run `lidar-vl-train pseudo-label` with this configuration."
        )
    table = read_text_table(path)
    words = config.words
    if table.prompts != words.prompts or table.names != tuple(each.name for each in words.classes):
        raise BadTextTable(
            f"{path}: expected the {len(words.prompts)} prompts of vocabulary {words.name}, found others. Use another "
            "`out`, or remove the file and start again with `lidar-vl-train pseudo-label`."
        )
    return table


def text_space_of(identity: Mapping[str, Any]) -> str:
    """Name of a model's text space: the model's own, else its kind and a hash of everything that determines its text."""
    if "text_space" in identity:
        return str(identity["text_space"])
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{identity.get('kind', identity.get('model', 'model'))}:{digest[:16]}"
