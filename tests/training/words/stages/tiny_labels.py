"""Pseudo labels of the tiny world's scenes, and lists of their classes as files."""

import json

from offline_training.words.stages.pseudo_labels.pseudo_store import PseudoLabelStore
from tests.training.words.stages.tiny_language import tiny_sample


def labels_of(folder):
    return [PseudoLabelStore(folder).read(tiny_sample(index).name) for index in range(3)]


def listed(tmp_path, lists):
    path = tmp_path / "lists.json"
    path.write_text(json.dumps(lists))
    return {"lists_file": str(path)}
