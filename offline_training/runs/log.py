"""What a training run tells: metrics.jsonl for programs, TensorBoard for people. Touches the disk."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.evaluation.metrics import ConfusionMatrix
from lidar_vl_core.foundation.files import atomic_writer


class RunLog:
    """One line of JSON per step or validation; after a resume the lines of steps that are done anew are gone."""

    def __init__(self, folder: Path, classes: ClassTable, first_step: int) -> None:
        self._classes = classes
        self._path, self._pictures = folder / "metrics.jsonl", folder / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        _keep_before(self._path, first_step)
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)

    def write_start(self, told: Mapping[str, Any]) -> None:
        """Which weights the run began with: `started_from` and what was taken."""
        self._append({**told})

    def write_step(self, step: int, **numbers: float) -> None:
        """Numbers of one optimiser step."""
        self._append({"step": step, **numbers})
        for name, number in numbers.items():
            self._writer.add_scalar(f"train/{name}", number, step)

    def write_validation(self, step: int, confusion: ConfusionMatrix) -> None:
        """Quality after `step` steps, with a picture of the confusion matrix."""
        metrics = confusion.to_dict(self._classes.names)
        self._append({"validated_after": step, **metrics})
        self._writer.add_scalar("validation/mean_iou", confusion.mean_iou(), step)
        for name, iou in zip(self._classes.names, confusion.iou(), strict=True):
            self._writer.add_scalar(f"validation_iou/{name}", iou, step)
        self._writer.add_figure("validation/confusion", confusion_figure(confusion, self._classes), step)
        self._writer.flush()

    def write_picture(self, step: int, name: str, figure: Figure) -> None:
        """A picture of the run's state after `step` steps, as PNG in pictures/ and for TensorBoard."""
        with atomic_writer(self._pictures / f"{name}_{step:08d}.png") as file:
            figure.savefig(file, format="png")
        self._writer.add_figure(f"pictures/{name}", figure, step)

    def close(self) -> None:
        """End TensorBoard's thread and files; nothing can be written afterwards."""
        self._writer.close()

    def _append(self, line: dict) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def confusion_figure(confusion: ConfusionMatrix, classes: ClassTable) -> Figure:
    """Picture of the confusion matrix, each true class as shares of its points."""
    share = confusion.counts / confusion.counts.sum(axis=1, keepdims=True).clip(min=1)
    figure = Figure(figsize=(8, 7), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(len(classes) + 1), [*classes.names, "no answer"], rotation=90)
    axes.set_yticks(range(len(classes)), classes.names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def _keep_before(path: Path, first_step: int) -> None:
    if not path.is_file():
        return
    kept = []
    for text in path.read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # the line a kill cut off
        is_start = "started_from" in line and first_step > 0
        if (
            is_start
            or line.get("step", first_step) < first_step
            or line.get("validated_after", first_step + 1) <= first_step
        ):
            kept.append(text)
    path.write_text("".join(text + "\n" for text in kept))
