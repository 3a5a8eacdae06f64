"""What the figures of a guided run say, and what they do not, in sentences. Pure."""

from typing import Any

from offline_training.pretraining.base.config import PretrainConfig

_COLLAPSED = 0.05  # of the channels
_FEW_CLOUDS = 200


def conclusions(checked: dict[str, Any], probed: dict[str, Any], config: PretrainConfig) -> list[str]:
    """A sentence each: quality by labels where there are any, collapse, repeatability, and how much data there was."""
    trained = sum(len(bag["train"]) for bag in checked["bags"])
    told = [*_by_labels(probed), *_without_labels(probed)]
    if trained < _FEW_CLOUDS:
        told.append(
            f"Only {trained} clouds were trained on: these figures show that the pipeline runs, not how good {config.method} is."
        )
    return told


def _by_labels(probed: dict[str, Any]) -> list[str]:
    labels, pretrained, fresh = probed["labels"], probed["pretrained"], probed["fresh"]
    clouds = f"{probed['held_out_sweeps']} held-out cloud{'s' if probed['held_out_sweeps'] > 1 else ''}"
    if labels == "none":
        return [
            "No labels: nothing can be said about how well classes will be separated. Label a few clouds (--label-field, "
            "--label-table), or give a labeler (--weak-labels)."
        ]
    if "mean_iou" not in pretrained:
        return [
            f"Labels were requested ({labels}), but the clouds of the probe have none: nothing can be said about classes."
        ]
    figures = f"{100 * pretrained['mean_iou']:.1f} % against {100 * fresh['mean_iou']:.1f} % with random weights"
    better = pretrained["mean_iou"] > fresh["mean_iou"]
    verdict = "" if better else " Pre-training did not help here: train longer, or on more clouds."
    if labels == "truth":
        return [f"Linear probe on {clouds}: mean IoU {figures}.{verdict}"]
    return [
        f"Linear probe on {clouds} against the weak classes: mean IoU {figures}. This is agreement with a vision model's labels, "
        f"errors included; it is not accuracy.{verdict}"
    ]


def _without_labels(probed: dict[str, Any]) -> list[str]:
    pretrained, fresh, channels = probed["pretrained"], probed["fresh"], probed["feature_channels"]
    rank, before = pretrained["effective_rank"], fresh["effective_rank"]
    told = [f"Effective rank of the features: {rank:.1f} of {channels} ({before:.1f} with random weights)."]
    if rank < max(2.0, _COLLAPSED * channels):
        told[0] += " They have collapsed: lower the learning rate, or look at the loss."
    same, same_before = pretrained["repeatability"], fresh["repeatability"]
    told.append(
        f"A point is found again in a turned copy of its cloud in {100 * same:.0f} % of the cases ({100 * same_before:.0f} % with "
        "random weights). A high value is necessary but not sufficient: it says nothing about classes."
    )
    return told
