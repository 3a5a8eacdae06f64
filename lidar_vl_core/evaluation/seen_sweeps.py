"""Compares the sweeps of a recording with those of the network's training; a report says where they differ."""

from collections.abc import Mapping

import numpy as np

from lidar_vl_core.clouds.point_cloud import PointCloud, PointLabelled
from lidar_vl_core.clouds.sweep_statistics import sweep_statistics
from lidar_vl_core.model_packages.training_sweeps import CONFIDENCE, TrainingSweeps, unlike_training


class SeenSweeps:
    """Gathers the statistics of sweeps, some 300 bytes each."""

    def __init__(self) -> None:
        self._seen: list[Mapping[str, float]] = []

    def add(self, cloud: PointCloud, labels: PointLabelled) -> None:
        """Count a sweep with the network's answers."""
        self._seen.append(statistics_with_confidence(cloud, labels))

    def warnings(self, training: TrainingSweeps | None) -> list[str]:
        """One line for people where the recording looks unlike the training, none where it does not or nothing is known."""
        told = [] if training is None else unlike_training(self._seen, training)
        if not told:
            return []
        return [f"this recording differs from the model's training data, so trust its answers less: {'; '.join(told)}"]


def statistics_with_confidence(cloud: PointCloud, labels: PointLabelled) -> dict[str, float]:
    """The statistics of a sweep and the mean probability of its answers, which is left out where there are none."""
    answered = labels.probability[labels.class_id != np.uint8(255)]
    confidence = {CONFIDENCE: float(answered.mean())} if len(answered) else {}
    return {**sweep_statistics(cloud), **confidence}
