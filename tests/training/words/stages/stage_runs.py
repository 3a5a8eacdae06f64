"""A run whose first two stages are done, and what the stages wrote of their steps."""

from offline_training.words.stages.adapter.specialise import specialise
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from tests.training.training_log import lines
from tests.training.words.stages.tiny_language import write_tiny_features


def ready(config):
    """A run whose first two stages are done."""
    write_tiny_features(config)
    pseudo_label(config)
    specialise(config)
    return config


def steps(out):
    told = lines(out / "guide")
    return [line for line in told if "loss" in line], [line for line in told if "validated_after" in line]
