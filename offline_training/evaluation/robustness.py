"""How well a network bears corrupted scans: corruption errors and resilience rates as Robo3D defines them (ICCV 2023)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.errors import BadConfig, BadRequest
from lidar_vl_core.foundation.files import write_text
from offline_training.datasets.augment.corruptions import CORRUPTIONS, corrupt
from offline_training.datasets.augment.corruptions_weather import SEVERITIES
from offline_training.datasets.augment.point_augment import LabelledScan
from offline_training.datasets.base.sample_source import SampleSource
from offline_training.datasets.batches.training_scans import labelled_scan
from offline_training.datasets.data_sources import open_source
from offline_training.datasets.lidar.nuscenes import NuScenes
from offline_training.evaluation.nuscenes_c import nuscenes_c_scans, require_nuscenes_c
from offline_training.evaluation.robustness_config import RobustnessConfig
from offline_training.finetuning.evaluate import confusion_on, load_network


def robustness(checkpoint_path: Path, config: RobustnessConfig, out: Path | None = None) -> dict[str, Any]:
    """Mean IoU of a checkpoint, clean and under every corruption and severity, with mRR and, given a baseline, mCE; in percent.

    Writes the same as JSON to `out`. Raises BadCheckpoint, BadDataset, BadConfig, BadRequest.
    """
    if config.baseline is not None:
        _baseline_error(config.baseline)  # before hours of work
    network, trained = load_network(checkpoint_path)
    device = torch.device("cuda" if torch.cuda.is_available() and trained.device != "cpu" else "cpu")
    network.to(device)
    datasets = [open_source(source, trained.class_table) for source in config.sources]
    if not datasets or (config.nuscenes_c is not None and not _is_one_nuscenes(datasets)):
        raise BadConfig(
            "sources: expected at least one data set, and with `nuscenes_c` nuscenes alone, found "
            f"{', '.join(source.kind for source in config.sources) or 'none'}."
        )
    if config.nuscenes_c is not None:
        require_nuscenes_c(Path(config.nuscenes_c))

    def mean_iou(scans: Iterator[LabelledScan]) -> float:
        return 100.0 * _known(confusion_on(network, trained, scans, device))

    uncorrupted = confusion_on(network, trained, (scan for each in datasets for scan in _clean_scans(each)), device)
    uncorrupted.require_points(", ".join(source.title for source in config.sources))
    clean = 100.0 * uncorrupted.mean_iou()
    _require_knowing(clean)  # before hours of work
    corrupted = {
        corruption: [mean_iou(_corrupted_scans(datasets, corruption, severity, config)) for severity in SEVERITIES]
        for corruption in CORRUPTIONS
    }
    resilience = resilience_rates(corrupted, clean)
    found: dict[str, Any] = {
        "checkpoint": str(checkpoint_path),
        "scans": "nuScenes-C" if config.nuscenes_c is not None else "corruptions of this project",
        "clean_mean_iou": clean,
        "mean_iou": {name: dict(zip(SEVERITIES, values, strict=True)) for name, values in corrupted.items()},
        "resilience_rate": resilience,
        "mrr": float(np.mean(list(resilience.values()))),
        "corruption_error": None,
        "mce": None,  # without a baseline there is none
    }
    if config.baseline is not None:
        found["corruption_error"] = corruption_errors(corrupted, config.baseline)
        found["mce"] = float(np.mean(list(found["corruption_error"].values())))
    if out is not None:
        write_text(out, json.dumps(found, indent=1))
    return found


def corruption_errors(
    mean_iou: Mapping[str, Sequence[float]], baseline: Mapping[str, float | Sequence[float]]
) -> dict[str, float]:
    """CE in percent per corruption: sum over severities of (1 - mIoU), over the same sum of a baseline network; mCE is their mean.

    mean_iou: per corruption three values in percent; baseline: the same, or their average. Robo3D's baseline on nuScenes-C is
    MinkUNet-18, whose figures stand in configs/evaluate/robustness_nuscenes_c.yaml. Raises BadRequest where the baseline lacks one.
    """
    error_of_baseline = _baseline_error(baseline)
    return {
        name: 100.0 * (100.0 - float(np.mean(values))) / error_of_baseline[name] for name, values in mean_iou.items()
    }


def resilience_rates(mean_iou: Mapping[str, Sequence[float]], clean_mean_iou: float) -> dict[str, float]:
    """RR in percent per corruption: mean mIoU over severities, over the clean mIoU; mRR is their mean. All in percent.

    Raises BadRequest where the clean mean IoU is 0.
    """
    _require_knowing(clean_mean_iou)
    return {name: 100.0 * float(np.mean(values)) / clean_mean_iou for name, values in mean_iou.items()}


def table(found: dict[str, Any]) -> str:
    """What robustness() found as text: a row per corruption, its mean IoU per severity, RR and CE."""
    rows = [("corruption", *SEVERITIES, "RR", "CE")]
    for name, values in found["mean_iou"].items():
        error = "-" if found["corruption_error"] is None else f"{found['corruption_error'][name]:.1f}"
        rows.append((name, *(f"{values[s]:.1f}" for s in SEVERITIES), f"{found['resilience_rate'][name]:.1f}", error))
    mce = "none: give a baseline" if found["mce"] is None else f"{found['mce']:.2f}"
    lines = [f"{name:<18}" + "".join(f"{cell:>10}" for cell in cells) for name, *cells in rows]
    return "\n".join([*lines, f"clean mIoU {found['clean_mean_iou']:.2f}   mRR {found['mrr']:.2f}   mCE {mce}"])


def _require_knowing(clean_mean_iou: float) -> None:
    """Raise BadRequest where the clean mean IoU is 0: a network that knows nothing loses nothing."""
    if not clean_mean_iou > 0.0:
        raise BadRequest(
            f"expected a clean mean IoU above 0, found {clean_mean_iou}. Use a network that has been trained."
        )


def _baseline_error(baseline: Mapping[str, float | Sequence[float]]) -> dict[str, float]:
    """100 - mean mIoU per corruption; raises BadRequest unless there is one above 0 for each."""
    error = {name: 100.0 - float(np.mean(values)) for name, values in baseline.items()}
    if set(error) != set(CORRUPTIONS) or not all(0.0 < value <= 100.0 for value in error.values()):
        raise BadRequest(
            f"baseline: expected a mean IoU in percent, below 100, for each of {', '.join(CORRUPTIONS)}, found "
            f"{dict(baseline)}. Use the figures that Robo3D publishes for its baseline network on the same data."
        )
    return error


def _known(confusion: ConfusionMatrix) -> float:
    """Mean IoU over the classes that occur; without any labelled point left, nothing was found: 0."""
    return confusion.mean_iou() if confusion.points else 0.0


def _is_one_nuscenes(datasets: Sequence[SampleSource]) -> bool:
    return len(datasets) == 1 and isinstance(datasets[0], NuScenes)


def _clean_scans(dataset: SampleSource) -> Iterator[LabelledScan]:
    return (labelled_scan(dataset[index]) for index in range(len(dataset)))


def _corrupted_scans(
    datasets: Sequence[SampleSource], corruption: str, severity: str, config: RobustnessConfig
) -> Iterator[LabelledScan]:
    first = datasets[0]
    if config.nuscenes_c is not None and isinstance(first, NuScenes):
        yield from nuscenes_c_scans(first, Path(config.nuscenes_c), corruption, severity)
        return
    for place, dataset in enumerate(datasets):
        for index, scan in enumerate(_clean_scans(dataset)):
            key = [config.seed, CORRUPTIONS.index(corruption), SEVERITIES.index(severity), place, index]
            yield corrupt(scan, corruption, severity, np.random.default_rng(key), dataset.classes)
