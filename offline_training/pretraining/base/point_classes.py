"""Point classes for methods that learn from them: from a label store, or from the truth with a share corrupted."""

from dataclasses import replace
from functools import partial

from offline_training.pretraining.base.config import PointClassConfig
from offline_training.pretraining.base.method import Views
from offline_training.pretraining.base.paired_views import one_scan
from offline_training.pretraining.base.stored_ids import StoredIds, weak_classes
from offline_training.pretraining.views.corrupted_truth import corrupted, true_classes
from offline_training.pretraining.views.paired_scan import PairedScan


def classes_read(config: PointClassConfig) -> StoredIds | None:
    """The weak classes of the configured store; None for the truth. Raises as weak_classes."""
    return weak_classes(config) if config.labels == "weak" else None


def scans_with_classes(config: PointClassConfig, ids: StoredIds | None) -> Views:
    """Views of a scan with all its cameras, each pair with its class; picklable."""
    if ids is not None:
        return one_scan(config, weak_class_of=ids)
    of_truth = partial(_with_truth, classes=len(config.class_table), correct_share=config.correct_share)
    return one_scan(config, with_classes=of_truth)


def _with_truth(scan: PairedScan, name: str, classes: int, correct_share: float) -> PairedScan:
    """Truth in place of weak classes; the same ones are wrong in every epoch and for every method."""
    truth = true_classes(scan)
    if correct_share < 1.0:
        truth = corrupted(truth, scan.image_index, scan.pixel_uv, classes, correct_share, name)
    return replace(scan, weak_class=truth)
