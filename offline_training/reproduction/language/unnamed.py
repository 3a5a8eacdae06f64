"""Classes that a run never hears of: its vocabulary and its class lists without them. Touches the disk."""

import json
from pathlib import Path

from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.foundation.files import write_text
from lidar_vl_core.words.vocabulary import Vocabulary
from offline_training.words.evaluation.evaluate_language import labelled_samples
from offline_training.words.settings.vlg_config import VlgConfig
from offline_training.words.stages.pseudo_labels.scene_lists import derived_scene_list

VOCABULARY, LISTS = "vocabulary.yaml", "class_lists.json"


def write_words_without(config: VlgConfig, unnamed: tuple[str, ...], folder: Path) -> None:
    """Write a vocabulary, and for every training scene the list of its classes, that leave out the classes `unnamed`.

    config: of the run with all words. The lists come from the truth, as pseudo.lists=scene derives them. Raises BadConfig
    for unknown classes.
    """
    import yaml

    words = config.words
    if unknown := sorted(set(unnamed) - set(words.class_table.names)):
        raise BadConfig(
            f"unnamed: expected classes of {', '.join(words.class_table.names)}, found {', '.join(unknown)}."
        )
    kept = tuple(each for each in words.classes if each.name not in unnamed)
    fewer = Vocabulary(name=f"{words.name}_without", classes=kept, templates=words.templates)
    lists = {
        sample.name: [
            name for name in derived_scene_list(sample.class_id, config.class_table.names) if name not in unnamed
        ]
        for source in config.train
        for sample in labelled_samples(source, config.class_table)
        if sample.class_id is not None
    }
    write_text(folder / VOCABULARY, yaml.safe_dump(fewer.model_dump(mode="json"), sort_keys=False))
    write_text(folder / LISTS, json.dumps(lists, indent=1))
