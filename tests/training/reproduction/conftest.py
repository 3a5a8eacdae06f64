"""Stages of words that take no time."""

from pathlib import Path

import pytest

import offline_training.reproduction.language.language_runs as language_runs
import offline_training.reproduction.language.language_stages as language_stages
import offline_training.words.evaluation.evaluate_language as evaluation


@pytest.fixture
def fake_stages(monkeypatch):
    """Stages that take no time: they are counted, and answers are 40 % right in 2D, 50 % else."""
    done: list[str] = []

    def stage(name):
        return lambda config, *_: (
            done.append(f"{name} {Path(config.out).parent.name}/{Path(config.out).name}") or "made"
        )

    names = {"pseudo_label": "label", "specialise": "specialise", "guide": "guide"}
    monkeypatch.setattr(language_stages, "stages", lambda: {name: stage(short) for name, short in names.items()})
    monkeypatch.setattr(language_runs, "_extract", lambda config: done.append("features"))

    def evaluated(config, checkpoint, question, tests):
        done.append(f"{question.mode} {checkpoint is not None}")
        share = 0.4 if question.mode == "2d" else 0.5
        pooled = {"mean_iou": share, "mean_accuracy": 0.6, "per_class_iou": {"chair": 0.3}}
        return {"pooled": pooled, "scenes": {"room": [[int(100 * share)], [100], [int(100 * share)]]}}

    monkeypatch.setattr(evaluation, "evaluate_language", evaluated)
    quality = {"mean_iou": 0.7, "coverage": 1.0, "per_class_iou": {}}
    monkeypatch.setattr(evaluation, "pseudo_label_quality", lambda config: quality)
    return done
