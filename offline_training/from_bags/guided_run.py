"""From recordings to a pre-trained backbone: check, weak labels, pre-training, probe, report; each stage once. Touches the disk."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.files import write_text
from offline_training.from_bags.asked import Asked
from offline_training.from_bags.check import check, identity_of
from offline_training.from_bags.conclusions import conclusions
from offline_training.from_bags.ledger import Ledger
from offline_training.from_bags.page import page
from offline_training.from_bags.probe_features import probe_features
from offline_training.from_bags.recipes import label_config, stage_configs, told_choice
from offline_training.pretraining.base.config import PictureConfig, PretrainConfig
from offline_training.runs.sharing.only_writer import only_writer
from offline_training.weak_labels.config import WeakLabelConfig
from offline_training.weak_labels.weak_label import report_lines, weak_label

_STAGES = 5
_NOT_RESULTS = {"progress", "out", "threads", "workers", "prefetch"}  # of a configuration: no other backbone comes out


def from_bags(asked: Asked, say: Callable[[str], None]) -> Path:
    """Do what is left of the stages, and return the checkpoint; `report.html` lies in the folder.

    say: told each line. Raises BadRequest naming the stage and what to do, BadDataset or BadConfig before the first one,
    RunStopped when a signal ended a stage, which can resume.
    """
    identity = identity_of(asked.bags)
    _, config = stage_configs(asked)
    with only_writer(asked.folder / "stages"):
        ledger = Ledger(asked.folder / "stages", _STAGES, say)
        ledger.require_same_recordings(identity)
        checked = _check(asked, config, identity, ledger, say)
        train = {bag["bag"]: bag["train"] for bag in checked["bags"]}
        labels, config = stage_configs(asked, train)
        labelled = _label(asked, labels, checked, ledger, say)
        trained = _pretrain(config, ledger)
        store = None if labels is None or labels.labeler is None else Path(labels.out)
        checkpoint = Path(trained["checkpoint"])
        settings = [asked.label_field, asked.label_table]
        probed = ledger.stage("probe", settings, lambda: probe_features(asked, config, checkpoint, checked, store))
        told = conclusions(checked, probed, config)
        _report(
            asked, config, ledger, {"check": checked, "labels": labelled, "pretrain": trained, "probe": probed}, told
        )
    for line in told:
        say(f"  {line}")
    say(f"checkpoint: {checkpoint}")
    say(f"report: {asked.folder / 'report.html'}")
    return checkpoint


def _check(
    asked: Asked,
    config: PretrainConfig,
    identity: dict[str, list[list[Any]]],
    ledger: Ledger,
    say: Callable[[str], None],
) -> dict[str, Any]:
    needs_images = isinstance(config, PictureConfig) or asked.weak_labels is not None
    settings = [identity, asked.cloud_topic, asked.label_field, asked.label_table, asked.max_clouds, needs_images]
    return ledger.stage("check", settings, lambda: check(asked, config.class_table, needs_images, say))


def _label(
    asked: Asked, labels: WeakLabelConfig | None, checked: dict[str, Any], ledger: Ledger, say: Callable[[str], None]
) -> dict[str, Any]:
    """Of the held-out clouds, too, which the probe asks about."""
    if labels is None:
        return ledger.stage("weak labels", None, lambda: {"lines": ["none: the method reads none"]})
    places = {bag["bag"]: [*bag["train"], *bag["held_out"]] for bag in checked["bags"]}
    config = label_config(asked, places) or labels

    def work() -> dict[str, Any]:
        lines = report_lines(weak_label(config), config)
        for line in lines:
            say(f"  {line}")
        return {"lines": lines}

    return ledger.stage("weak labels", _settings(config), work, lambda _: Path(config.out).is_dir())


def _pretrain(config: PretrainConfig, ledger: Ledger) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        # Here, as Lightning takes seconds, also where this stage is done already.
        from offline_training.pretraining.pretrain import pretrain

        checkpoint = pretrain(config)
        losses = _losses(Path(config.out) / "metrics.jsonl")
        return {
            "checkpoint": str(checkpoint),
            "steps": len(losses),
            "losses": [each for each in losses if each is not None],
        }

    return ledger.stage("pre-train", _settings(config), work, lambda found: Path(found["checkpoint"]).is_file())


def _report(asked: Asked, config: PretrainConfig, ledger: Ledger, found: dict[str, Any], told: list[str]) -> None:
    """Written each time: it costs nothing, and tells of all stages."""

    def work() -> dict[str, Any]:
        write_text(
            asked.folder / "report.html", page(asked, config, found, ledger.seconds, told, told_choice(asked, config))
        )
        return {"conclusions": told}

    ledger.stage("report", None, work)


def _settings(config: WeakLabelConfig | PretrainConfig) -> dict[str, Any]:
    return {key: value for key, value in config.model_dump(mode="json").items() if key not in _NOT_RESULTS}


def _losses(path: Path) -> list[float | None]:
    """The loss of every step, in order; None where it is not finite."""
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    losses = [line["loss"] for line in lines if "step" in line and "loss" in line]
    return [loss if math.isfinite(loss) else None for loss in losses]
