"""A run whose first two stages are done, and what the stages wrote of their steps."""

import json

from offline_training.words.stages.adapter.specialise import specialise
from offline_training.words.stages.pseudo_labels.pseudo_label import pseudo_label
from tests.training.words.stages.tiny_language import write_tiny_features


def ready(config):
    """A run whose first two stages are done."""
    write_tiny_features(config)
    pseudo_label(config)
    specialise(config)
    return config


def steps(out):
    lines = [json.loads(line) for line in (out / "guide" / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line], [line for line in lines if "validated_after" in line]


def logged(out):
    return [json.loads(line) for line in (out / "adapter" / "metrics.jsonl").read_text().splitlines()]
