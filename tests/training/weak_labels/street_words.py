"""An ontology of words, and the one of a street."""

from lidar_vl_core.foundation.config import validated
from offline_training.weak_labels.classes.ontology import Ontology


def word_ontology(**prompts):
    classes = [{"name": name, "color_rgb": [1, 2, 3], "prompts": words} for name, words in prompts.items()]
    return validated(Ontology, {"name": "test", "classes": classes}, "test")


STREET = word_ontology(car=["car", "automobile"], cone=["Traffic Cone"], sky=[], road=["road"])
